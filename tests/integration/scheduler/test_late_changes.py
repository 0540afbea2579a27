"""Changes of jobs that a leader hears of after it has decided on the time that they are about."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from shared.clock import utc_now
from shared.domain.job import Job
from shared.domain.schedule import IntervalSchedule, fires_between
from shared.events import InstantsNotRun, JobCreated, JobUpdated
from tests.fixtures.builders import make_job
from tests.integration.scheduler.world import Decided, World, minute, planned_instant


def every(seconds: int, anchor: datetime) -> IntervalSchedule:
    """Every so many seconds."""
    return IntervalSchedule(timezone="UTC", every_seconds=seconds, anchor=anchor)


def instants_of(decision: Decided, versions: dict[int, Job]) -> list[datetime]:
    """What a decision stands for."""
    if not isinstance(decision, InstantsNotRun):
        return [planned_instant(decision)]
    schedule = versions[decision.job_version].schedule
    found = list(fires_between(schedule, decision.from_ - timedelta(microseconds=1), decision.to))
    assert (found[0], found[-1], len(found)) == (decision.from_, decision.to, decision.count)
    return found


@pytest.mark.parametrize("seconds", [30, 90])
@pytest.mark.parametrize("by", ["the same leader", "a successor"])
async def test_a_range_covers_only_what_its_own_version_planned(world: World, seconds: int, by: str) -> None:
    now = minute(utc_now())
    begin, changed = now - timedelta(hours=5), now - timedelta(hours=4)
    job = make_job(version=1, effective_at=begin, schedule=every(60, now))
    later = job.model_copy(
        update={"version": 2, "effective_at": changed, "schedule": every(seconds, now - timedelta(minutes=1))}
    )
    await world.seed(until=begin, jobs=[JobCreated(job=job)])
    replica = await world.replica()
    leader = await world.leader(replica, "first")
    if by == "the same leader":
        await leader.tick()
        await world.publish(JobUpdated(job=later, before=job))
        await replica.catch_up()
        await leader.tick()
    else:
        stored = await world.checkpoint()
        await leader.tick()
        await world.put_checkpoint(stored.value)
        await world.publish(JobUpdated(job=later, before=job))
        leader = await world.leader(await world.replica(), "second")
        await leader.tick()
    rows = Counter(
        instant for one in await world.decisions() for instant in instants_of(one, {1: job, 2: later})
    )
    until = (await world.checkpoint()).value.until
    planned = [
        *fires_between(job.schedule, begin, changed - timedelta(microseconds=1)),
        *fires_between(later.schedule, changed - timedelta(microseconds=1), until),
    ]
    assert [instant for instant, count in rows.items() if count > 1] == []
    assert sorted(set(planned) - set(rows)) == []
