"""Runs of one job that would overlap: what a leader on a real bus makes of them, and what its successor finds."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.scheduler.turns import DELETED, OVERLAP, PAUSED, QUEUE_FULL
from shared.bus import subjects
from shared.bus.envelope import Outgoing
from shared.clock import utc_now
from shared.domain.execution import Phase
from shared.domain.ids import decision_message_id
from shared.domain.job import Job
from shared.domain.schedule import IntervalSchedule
from shared.events import (
    InstantsMissed,
    InstantsSkipped,
    JobCreated,
    JobDeleted,
    JobUpdated,
    RunCancelled,
    RunTriggered,
    RunWaiting,
)
from tests.fixtures.builders import make_job, make_missed, make_trigger
from tests.fixtures.bus import packed
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess
from tests.integration.scheduler.world import GENERATION, Decided, World, job_of, planned_instant


def whole_second(moment: datetime) -> datetime:
    """Without its fraction."""
    return moment.replace(microsecond=0)


def every(seconds: int, anchor: datetime, **overrides: Any) -> Job:
    """A job that is due every so many seconds, in force since long ago."""
    since = anchor - timedelta(days=1)
    jitter = overrides.pop("jitter_seconds", 0)
    schedule = IntervalSchedule(timezone="UTC", every_seconds=seconds, anchor=anchor, jitter_seconds=jitter)
    return make_job(
        version=1, effective_at=since, created_at=since, updated_at=since, schedule=schedule, **overrides
    )


async def of_type(world: World, type_: type[Decided]) -> list[Any]:
    """The decisions of one kind so far."""
    return [one for one in await world.decisions() if isinstance(one, type_)]


async def some(world: World, type_: type[Decided], count: int = 1) -> list[Any]:
    """The decisions of one kind, once there are so many."""

    async def there_are() -> bool:
        return len(await of_type(world, type_)) >= count

    await eventually(there_are)
    return await of_type(world, type_)


async def test_while_a_run_is_open_instants_are_skipped_and_then_one_runs_again(
    nats_server: NatsProcess, world: World
) -> None:
    now = whole_second(utc_now())
    await world.seed(until=now, jobs=[JobCreated(job=every(1, now))])
    world.start_scheduler(nats_server.url)
    skipped = await some(world, InstantsSkipped, 2)
    [run] = await of_type(world, RunTriggered)
    assert {(one.reason, one.into) for one in skipped} == {(OVERLAP, run.facts.execution_id)}
    await world.report(run, Phase.STARTED)
    await world.report(run, Phase.FAILED)
    first, second = (await some(world, RunTriggered, 2))[:2]
    assert first == run
    assert second.facts.planned_at > run.facts.planned_at


async def test_with_queue_the_next_one_runs_as_soon_as_the_one_before_has_ended(
    nats_server: NatsProcess, world: World
) -> None:
    now = whole_second(utc_now())
    job = every(1, now, overlap_policy="queue")
    await world.seed(until=now, jobs=[JobCreated(job=job)])
    world.start_scheduler(nats_server.url)
    waiting = await some(world, RunWaiting, 2)
    [run] = await of_type(world, RunTriggered)
    for number, waits in enumerate(waiting[:2], start=2):
        await world.report(run)
        runs = await some(world, RunTriggered, number)
        run = runs[number - 1]
        assert run.facts == waits.order.facts.model_copy(update={"queued_at": run.facts.queued_at})
        assert run.facts.queued_at > waits.order.facts.queued_at


async def test_no_more_than_ten_wait(nats_server: NatsProcess, world: World) -> None:
    now = whole_second(utc_now())
    jobs = [every(1, now, overlap_policy="queue") for _ in range(2)]
    # Almost as many as may be on time at once.
    await world.seed(until=now - timedelta(seconds=9), jobs=[JobCreated(job=job) for job in jobs])
    world.start_scheduler(nats_server.url)
    skipped = await some(world, InstantsSkipped, 4)
    assert {one.reason for one in skipped} == {QUEUE_FULL}
    waits = Counter(job_of(one) for one in await of_type(world, RunWaiting))
    assert set(waits.values()) == {10}


async def test_with_cancel_running_the_run_names_the_one_that_it_cancels(
    nats_server: NatsProcess, world: World
) -> None:
    now = whole_second(utc_now())
    await world.seed(until=now, jobs=[JobCreated(job=every(1, now, overlap_policy="cancel_running"))])
    world.start_scheduler(nats_server.url)
    first, second, third = (await some(world, RunTriggered, 3))[:3]
    assert first.cancels == ()
    assert second.cancels == (first.facts.execution_id,)
    assert third.cancels == (second.facts.execution_id,)


@pytest.mark.parametrize("change", ["pause", "delete"])
async def test_what_waits_is_cancelled_when_the_job_is_paused_or_deleted(
    nats_server: NatsProcess, world: World, change: str
) -> None:
    now = whole_second(utc_now())
    job = every(1, now, overlap_policy="queue")
    await world.seed(until=now, jobs=[JobCreated(job=job)])
    world.start_scheduler(nats_server.url)
    await some(world, RunWaiting, 2)
    at = utc_now()
    if change == "pause":
        paused = job.model_copy(update={"version": 2, "effective_at": at, "is_active": False})
        await world.publish(JobUpdated(job=paused, before=job))
    else:
        await world.publish(JobDeleted(before=job, version=2, effective_at=at))

    async def all_cancelled() -> bool:
        waited = {one.order.facts.execution_id for one in await of_type(world, RunWaiting)}
        return {one.execution_id for one in await of_type(world, RunCancelled)} == waited

    await eventually(all_cancelled)
    reasons = {one.reason for one in await of_type(world, RunCancelled)}
    assert reasons == {PAUSED if change == "pause" else DELETED}
    assert len(await of_type(world, RunTriggered)) == 1


async def test_after_an_outage_run_all_runs_one_after_another(nats_server: NatsProcess, world: World) -> None:
    now = whole_second(utc_now())
    job = every(3600, now - timedelta(minutes=20), misfire_policy="run_all", misfire_grace_seconds=86_400)
    await world.seed(until=now - timedelta(hours=4), jobs=[JobCreated(job=job)])
    world.start_scheduler(nats_server.url)
    await some(world, RunWaiting, 3)
    for number in range(1, 5):
        runs = await some(world, RunTriggered, number)
        assert len(runs) == number
        await world.report(runs[-1])
    instants = [run.facts.planned_at for run in await of_type(world, RunTriggered)]
    assert instants == [now - timedelta(minutes=20, hours=hours) for hours in (3, 2, 1, 0)]
    assert {one.reason for one in await of_type(world, RunWaiting)} == {"catch_up"}


async def test_a_run_is_released_at_its_slot_by_whoever_leads_then(
    nats_server: NatsProcess, world: World
) -> None:
    """The first leader dies between the planned instant and the slot."""
    now = whole_second(utc_now())
    job = _with_slot(every(3600, now, jitter_seconds=20), low=8.0, high=11.0)
    await world.seed(until=now - timedelta(seconds=1), jobs=[JobCreated(job=job)])
    first = await world.leader(await world.replica(), "first")
    await first.tick()
    [waits] = await of_type(world, RunWaiting)
    assert waits.order.facts.not_before == now + job.slot
    assert first.next_wake() == now + job.slot
    stored = (await world.checkpoint()).value
    assert stored.until >= now
    assert stored.decisions_seq < (await world.bus.js.stream_info(subjects.TRIGGERS)).state.last_seq
    assert not await of_type(world, RunTriggered)
    world.start_scheduler(nats_server.url)
    world.start_scheduler(nats_server.url)
    [run] = await some(world, RunTriggered)
    assert utc_now() >= now + job.slot
    assert run.facts.execution_id == waits.order.facts.execution_id
    assert run.facts.queued_at >= now + job.slot
    later = utc_now() + timedelta(seconds=1)
    await eventually(lambda: world.reached(later))
    assert len(await world.decisions()) == 2


async def test_a_successor_finds_what_is_open_and_what_waits(world: World) -> None:
    now = whole_second(utc_now())
    queued = every(3600, now, overlap_policy="queue", misfire_grace_seconds=86_400, misfire_policy="run_all")
    ended = every(3600, now - timedelta(seconds=2))
    await world.seed(until=now - timedelta(hours=2), jobs=[JobCreated(job=queued), JobCreated(job=ended)])
    first = await world.leader(await world.replica(), "first")
    await first.tick()
    runs = {job_of(run): run for run in await of_type(world, RunTriggered)}
    await world.report(runs[ended.id])
    replica = await world.replica()
    assert [one for _, one in replica.board.open_runs.of(queued.id)] == [runs[queued.id].facts.execution_id]
    assert replica.board.open_runs.of(ended.id) == []
    assert len(replica.board.waiting.ready(queued.id, now)) == 1
    await world.report(runs[queued.id])
    await world.ack(2)
    replica = await world.replica()
    assert len(replica.board.open_runs) == 0
    assert len(replica.board.waiting.ready(queued.id, now)) == 1
    second = await world.leader(replica, "second")
    await second.tick()
    assert len(await of_type(world, RunTriggered)) == 3


async def test_a_leader_that_dies_while_catching_up_is_followed_by_one_that_decides_alike(
    world: World,
) -> None:
    now = whole_second(utc_now())
    rules: dict[str, Any] = {"misfire_grace_seconds": 86_400, "misfire_policy": "run_all"}
    jobs = [every(3600, now - timedelta(minutes=5), **rules) for _ in range(400)]
    jobs += [every(60, now - timedelta(seconds=30)) for _ in range(4)]
    await world.seed(until=now - timedelta(hours=3), jobs=[JobCreated(job=job) for job in jobs])
    first = await world.leader(await world.replica(), "first")
    dying = asyncio.create_task(first.tick())

    async def has_begun() -> bool:
        return len(await world.decisions()) > 300

    await eventually(has_begun)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    before = await world.decisions()
    second = await world.leader(await world.replica(), "second")
    await second.tick()
    decisions = await world.decisions()
    assert len(before) < len(decisions)
    assert decisions[: len(before)] == before
    by_job: dict[Any, list[Decided]] = {}
    for one in decisions:
        by_job.setdefault(job_of(one), []).append(one)
    for job in jobs[:400]:
        planned = sorted((planned_instant(one), type(one).__name__) for one in by_job[job.id])
        assert [kind for _, kind in planned] == ["RunTriggered", "RunWaiting", "RunWaiting"]
    for job in jobs[400:]:
        missed = [one for one in by_job[job.id] if isinstance(one, InstantsMissed)]
        ranges = [(one.from_, one.to, one.count) for one in missed if one.count > 1]
        [(begin, end, count)] = ranges
        assert count == (end - begin) / timedelta(minutes=1) + 1
        assert sum(one.count for one in missed) == 179
        assert len(missed) == 100


async def test_what_another_leader_stored_under_the_same_id_counts(world: World) -> None:
    now = whole_second(utc_now())
    job = every(3600, now, overlap_policy="queue")
    await world.seed(until=now - timedelta(seconds=1), jobs=[JobCreated(job=job)])
    replica = await world.replica()
    leader = await world.leader(replica, "first")
    await world.bus.publish(_stale(make_missed(job, planned_at=now, generation=GENERATION)))
    await leader.tick()
    assert await of_type(world, RunTriggered) == []
    assert replica.board.open_runs.of(job.id) == []


async def test_what_a_leader_of_an_older_generation_stored_under_the_same_id_does_not_count(
    world: World,
) -> None:
    """Nobody runs it, and nobody releases what it lets wait."""
    now = whole_second(utc_now())
    job = every(3600, now)
    await world.seed(until=now - timedelta(seconds=1), jobs=[JobCreated(job=job)])
    replica = await world.replica()
    leader = await world.leader(replica, "first")
    order = make_trigger(job, planned_at=now, generation=GENERATION - 1)
    await world.bus.publish(_stale(RunWaiting(order=order, reason="overlap")))
    await leader.tick()
    [run] = await of_type(world, RunTriggered)
    assert run.generation == GENERATION
    assert [one for _, one in replica.board.open_runs.of(job.id)] == [run.facts.execution_id]


async def test_an_end_that_was_not_seen_is_asked_about(world: World) -> None:
    now = whole_second(utc_now())
    job = every(600, now - timedelta(minutes=5))
    await world.seed(until=now - timedelta(minutes=6), jobs=[JobCreated(job=job)])
    replica = await world.replica()
    leader = await world.leader(replica, "first")
    await leader.tick()
    [run] = await of_type(world, RunTriggered)
    await replica.ask_about_open_runs()
    assert len(replica.board.open_runs) == 1
    await world.report(run)
    await replica.ask_about_open_runs()
    assert len(replica.board.open_runs) == 0


async def test_a_run_whose_trigger_is_acknowledged_without_a_report_is_not_open_any_more(
    world: World,
) -> None:
    """Nobody could read the trigger, say, or an earlier decision on its instant counts."""
    now = whole_second(utc_now())
    jobs = [every(600, now - timedelta(minutes=minutes)) for minutes in (5, 4)]
    await world.seed(until=now - timedelta(minutes=6), jobs=[JobCreated(job=job) for job in jobs])
    replica = await world.replica()
    leader = await world.leader(replica, "first")
    await leader.tick()
    first, second = await of_type(world, RunTriggered)
    await world.ack(1)
    await replica.ask_about_open_runs()
    assert replica.board.open_runs.of(job_of(first)) == []
    assert len(replica.board.open_runs.of(job_of(second))) == 1


def _with_slot(job: Job, *, low: float, high: float) -> Job:
    """The job under an id that gives it a slot in between, in seconds."""
    while not low <= job.slot.total_seconds() <= high:
        job = job.model_copy(update={"id": make_job().id})
    return job


def _stale(decision: InstantsMissed | RunWaiting) -> Outgoing:
    """A decision of another leader, on its way since long ago."""
    message_id = decision_message_id(job_of(decision), planned_instant(decision))
    return packed(decision, subjects.decision(job_of(decision)), message_id)
