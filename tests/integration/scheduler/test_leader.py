"""A leader on a real bus: what it decides, what it leaves alone, and who may lead."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import pytest

from services.scheduler.checkpoint import Fenced, read_checkpoint, write_checkpoint
from services.scheduler.misfires import TOO_LATE
from services.scheduler.replica import Replica
from shared.bus import subjects
from shared.bus.envelope import pack
from shared.bus.streams import SCHEDULER_STREAM, bucket_subject, ensure_fence
from shared.clock import utc_now
from shared.domain.ids import decision_message_id, planned_execution_id
from shared.domain.job import Job
from shared.domain.schedule import CronSchedule
from shared.events import InstantSettled, InstantsMissed, JobCreated, JobUpdated, RunTriggered
from tests.fixtures.builders import make_job
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess
from tests.integration.scheduler.world import (
    GENERATION,
    MAX_BYTES,
    Decided,
    World,
    job_of,
    minute,
    minutes,
    planned_instant,
)


def minutely(since: datetime, **overrides: object) -> Job:
    """A job that is due each minute."""
    return make_job(version=1, effective_at=since, created_at=since, updated_at=since, **overrides)


def instants(decisions: list[Decided]) -> list[datetime]:
    """The instants decided on, sorted."""
    return sorted(planned_instant(decision) for decision in decisions)


async def test_after_an_outage_the_latest_instant_runs_and_the_others_are_missed(
    nats_server: NatsProcess, world: World
) -> None:
    began = utc_now()
    until = began - timedelta(minutes=10)
    job = minutely(until - timedelta(hours=1))
    await world.seed(until=until, jobs=[JobCreated(job=job)])
    world.start_scheduler(nats_server.url)
    await eventually(lambda: world.reached(began))
    decisions = [one for one in await world.decisions() if planned_instant(one) <= began]
    assert instants(decisions) == minutes(until, began)
    runs = [decision for decision in decisions if isinstance(decision, RunTriggered)]
    assert [run.facts.planned_at for run in runs] == [minute(began)]
    missed = [decision for decision in decisions if isinstance(decision, InstantsMissed)]
    assert {one.into for one in missed} == {planned_execution_id(job.id, minute(began))}


async def test_beyond_the_grace_nothing_runs(nats_server: NatsProcess, world: World) -> None:
    began = utc_now()
    until = began - timedelta(minutes=10)
    due = minute(began - timedelta(minutes=5))
    hourly = CronSchedule(expression=f"{due.minute} * * * *", timezone="Asia/Tokyo")
    job = minutely(until - timedelta(hours=1), schedule=hourly, misfire_grace_seconds=60)
    await world.seed(until=until, jobs=[JobCreated(job=job)])
    world.start_scheduler(nats_server.url)
    await eventually(lambda: world.reached(began))
    [missed] = await world.decisions()
    assert isinstance(missed, InstantsMissed)
    assert (missed.from_, missed.reason, missed.into) == (due, TOO_LATE, None)


async def test_what_was_decided_beyond_the_checkpoint_is_not_decided_again(
    nats_server: NatsProcess, world: World
) -> None:
    began = utc_now()
    until = began - timedelta(minutes=5)
    job = minutely(until - timedelta(hours=1))
    await world.seed(until=until, jobs=[JobCreated(job=job)])
    first, second, *_ = minutes(until, began)
    settled = InstantSettled(
        job_id=job.id,
        execution_id=planned_execution_id(job.id, first),
        planned_at=first,
        generation=GENERATION,
    )
    await world.bus.publish(
        pack(settled, subject=subjects.decision(job.id), source="test", event_id="settled", time=began)
    )
    world.start_scheduler(nats_server.url)
    await eventually(lambda: world.reached(began))
    assert first not in instants(await world.decisions())
    assert second in instants(await world.decisions())


async def test_a_change_that_the_checkpoint_does_not_cover_is_planned_from_when_it_took_effect(
    nats_server: NatsProcess, world: World
) -> None:
    began = utc_now()
    since = began - timedelta(minutes=4)
    await world.seed(until=began - timedelta(minutes=1), jobs=[], late=[JobCreated(job=minutely(since))])
    world.start_scheduler(nats_server.url)
    await eventually(lambda: world.reached(began))
    assert [one for one in instants(await world.decisions()) if one <= began] == minutes(since, began)


async def test_two_changes_during_an_outage_each_count_for_their_own_time(
    nats_server: NatsProcess, world: World
) -> None:
    began = utc_now()
    until = minute(began) - timedelta(minutes=9, seconds=30)
    first = minutely(until - timedelta(hours=1))
    paused_at, resumed_at = until + timedelta(minutes=3), until + timedelta(minutes=6)
    paused = first.model_copy(update={"version": 2, "effective_at": paused_at, "is_active": False})
    resumed = first.model_copy(update={"version": 3, "effective_at": resumed_at})
    await world.seed(
        until=until,
        jobs=[JobCreated(job=first)],
        late=[JobUpdated(job=paused, before=first), JobUpdated(job=resumed, before=paused)],
    )
    world.start_scheduler(nats_server.url)
    await eventually(lambda: world.reached(began))
    expected = minutes(until, paused_at) + minutes(resumed_at, began)
    assert [one for one in instants(await world.decisions()) if one <= began] == expected


async def test_a_change_while_it_leads_is_taken_in_at_once(nats_server: NatsProcess, world: World) -> None:
    await world.seed(until=utc_now(), jobs=[])
    world.start_scheduler(nats_server.url)
    await eventually(lambda: _leads(world))
    since = utc_now() - timedelta(minutes=3)
    await world.publish(JobCreated(job=minutely(since)))
    await eventually(lambda: _decided(world, 3))
    assert instants(await world.decisions())[:3] == minutes(since, utc_now())[:3]


async def test_a_successor_decides_as_its_predecessor_would_have(
    nats_server: NatsProcess, world: World
) -> None:
    """The first leader died in the middle of catching up; the second one reuses its `catchup_until`."""
    began = utc_now()
    until, catchup_until = began - timedelta(minutes=30), began - timedelta(minutes=20)
    job = minutely(until - timedelta(hours=1), max_instances=2)
    await world.seed(until=until, jobs=[JobCreated(job=job)])
    stored = await world.checkpoint()
    fixed = stored.value.model_copy(update={"catchup_until": catchup_until, "leader": "the first one"})
    await write_checkpoint(world.bus, fixed, stored.revision)
    world.start_scheduler(nats_server.url)
    await eventually(lambda: world.reached(began))
    runs = [
        planned_instant(decision)
        for decision in await world.decisions()
        if isinstance(decision, RunTriggered)
    ]
    assert minute(catchup_until) in runs
    assert minute(began) in runs
    assert [run for run in runs if run <= began] == [minute(catchup_until), minute(began)]


async def test_a_stale_leader_cannot_write_the_checkpoint(nats_server: NatsProcess, world: World) -> None:
    await world.seed(until=utc_now(), jobs=[])
    stale = await world.checkpoint()
    world.start_scheduler(nats_server.url)
    await eventually(lambda: _leads(world))
    with pytest.raises(Fenced):
        await write_checkpoint(world.bus, stale.value.model_copy(update={"until": utc_now()}), stale.revision)


async def test_a_stale_leaders_decision_is_a_duplicate_whatever_it_says(
    nats_server: NatsProcess, world: World
) -> None:
    began = utc_now()
    until = began - timedelta(minutes=3)
    job = minutely(until - timedelta(hours=1))
    await world.seed(until=until, jobs=[JobCreated(job=job)])
    world.start_scheduler(nats_server.url)
    await eventually(lambda: world.reached(began))
    [decision] = [one for one in await world.decisions() if planned_instant(one) == minute(began)]
    again = pack(
        decision,
        subject=subjects.decision(job.id),
        source="test",
        event_id="again",
        time=began,
        message_id=decision_message_id(job.id, minute(began)),
    )
    ack = await world.bus.publish(again)
    assert ack.duplicate


async def test_of_two_schedulers_one_leads_and_the_other_takes_over(
    nats_server: NatsProcess, world: World
) -> None:
    began = utc_now()
    until = began - timedelta(minutes=5)
    await world.seed(
        until=until, jobs=[JobCreated(job=minutely(until - timedelta(hours=1))) for _ in range(5)]
    )
    first = world.start_scheduler(nats_server.url)
    second = world.start_scheduler(nats_server.url)
    await eventually(lambda: world.reached(began))
    leader = (await world.checkpoint()).value.leader
    for task in (first, second):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if task is first:
            stopped = utc_now()
            await eventually(lambda: world.reached(stopped + timedelta(seconds=1)))  # noqa: B023 # evaluated at once
    counted = Counter((job_of(decision), planned_instant(decision)) for decision in await world.decisions())
    assert leader is not None
    assert set(counted.values()) == {1}


async def test_without_a_fence_nobody_leads(nats_server: NatsProcess, world: World) -> None:
    until = utc_now()
    await world.seed(until=until, jobs=[JobCreated(job=minutely(until - timedelta(hours=1)))])
    await world.bus.js.delete_stream("KV_fence")
    world.start_scheduler(nats_server.url)
    await asyncio.sleep(2)
    assert (await world.checkpoint()).value.leader is None


async def test_a_replica_waits_until_the_generation_is_seeded(nats_server: NatsProcess, world: World) -> None:
    await world.seed(until=utc_now(), jobs=[JobCreated(job=minutely(utc_now()))])
    replica = Replica(world.bus, GENERATION + 1)
    loading = asyncio.create_task(replica.load())
    done, _ = await asyncio.wait({loading}, timeout=1)
    assert not done
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    replica = Replica(world.bus, GENERATION)
    await replica.load()
    assert len(replica.timetable) == 1


async def test_a_scheduler_survives_the_loss_of_the_connection(
    nats_server: NatsProcess, world: World
) -> None:
    await world.seed(until=utc_now(), jobs=[])
    world.start_scheduler(nats_server.url)
    await eventually(lambda: _leads(world))
    await nats_server.kill()
    await nats_server.start()
    await world.bus.wait_connected()
    # The fence was in memory: until somebody raises it again, nothing is decided.
    await ensure_fence(world.bus.js, MAX_BYTES, 1)
    await world.put(subjects.FENCE_BUCKET, subjects.GENERATION_KEY, str(GENERATION).encode())
    again = utc_now()
    await eventually(lambda: world.reached(again))


async def _leads(world: World) -> bool:
    last = await world.bus.last(
        SCHEDULER_STREAM, bucket_subject(subjects.SCHEDULER_BUCKET, subjects.LEASE_KEY)
    )
    stored = await read_checkpoint(world.bus)
    return bool(last and last.data and stored and stored.value.leader)


async def _decided(world: World, count: int) -> bool:
    return len(await world.decisions()) >= count
