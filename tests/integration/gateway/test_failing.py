"""A job that fails so many times in a row as it says is paused, together with the last failure, and once."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update

from services.gateway.bus_state import load_bus_state
from services.gateway.commands import failing
from services.gateway.projector import Projector
from services.gateway.store.database import Database
from services.gateway.store.event_store import Change, Context, EventStore
from services.gateway.store.tables import bus_state, events, executions, jobs
from shared.domain.execution import Kind, Phase
from shared.domain.job import Job
from shared.errors import Transient
from shared.events import ExecutionReported, JobUpdated
from tests.fixtures.builders import SOME_TIME, make_facts, make_job, make_report
from tests.fixtures.bus import as_read
from tests.fixtures.database import rows_of
from tests.integration.gateway.world import change, create

MINUTE = timedelta(minutes=1)
END = {
    "ok": Phase.SUCCEEDED,
    "no": Phase.FAILED,
    "off": Phase.CANCELLED,
    "lost": Phase.LOST,
    "on": Phase.STARTED,
}


class World:
    """Jobs, and what is reported of their runs."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = EventStore(database)
        self.projector = Projector(database, self.store, lambda: SOME_TIME + timedelta(hours=1))
        self.position = 0

    async def absorb(self, reports: Sequence[ExecutionReported]) -> None:
        """Read the reports as the next ones of their stream."""
        batch = [as_read(self.position + number, report) for number, report in enumerate(reports, 1)]
        await self.projector.absorb(batch, position=self.position, generation=1)
        self.position += len(batch)

    async def ended(self, job: Job, words: str, since: datetime = SOME_TIME) -> None:
        """Runs that ended so, a minute apart, each reported in a batch of its own."""
        for number, word in enumerate(words.split(), 1):
            await self.absorb([ended(job, word, since + number * MINUTE)])

    async def is_active(self, job: Job) -> bool:
        found = {row["id"]: bool(row["is_active"]) for row in await rows_of(self.database, jobs)}
        return found[job.id]

    async def changes(self, job: Job) -> list[dict[str, Any]]:
        return [row for row in await rows_of(self.database, events) if row["aggregate_id"] == job.id]


def ended(job: Job, word: str, queued_at: datetime, **facts: Any) -> ExecutionReported:
    """The end of a run that was asked for at some time."""
    return make_report(
        END[word],
        make_facts(job, planned_at=None, execution_id=uuid4(), queued_at=queued_at, **facts),
    )


@pytest.fixture
async def world(database: Database) -> World:
    await load_bus_state(database, SOME_TIME)
    return World(database)


async def watched(world: World, limit: int | None = 3, **fields: Any) -> Job:
    return await create(world.store, make_job(pause_after_failures=limit, **fields))


@pytest.mark.parametrize(
    ("words", "is_active"),
    [
        ("no no", True),
        ("no no no", False),
        ("no no ok no no", True),
        ("ok ok no no no", False),
        ("no no off no", False),  # what was called off says nothing
        ("no lost no", False),
        ("no no on", True),
        ("no on no no", False),
        ("off off off", True),
    ],
)
async def test_so_many_failures_in_a_row_pause_it(world: World, words: str, is_active: bool) -> None:
    job = await watched(world)
    await world.ended(job, words)
    assert await world.is_active(job) == is_active


async def test_the_change_says_why_and_wakes_the_relay(world: World) -> None:
    job = await watched(world, 2)
    listener = asyncio.Event()
    world.store.wake_on_append(listener)
    await world.ended(job, "no no")
    [_, paused] = await world.changes(job)
    assert (paused["type"], paused["actor"], paused["data"]["reason"]) == ("job.updated", "system", "failing")
    assert (paused["data"]["job"]["is_active"], paused["data"]["before"]["is_active"]) == (False, True)
    assert listener.is_set()


async def test_all_at_once_are_as_one_by_one(world: World) -> None:
    failing_job, other = await watched(world), await watched(world)
    reports = [ended(failing_job, "no", SOME_TIME + number * MINUTE) for number in range(3)]
    reports += [
        ended(other, word, SOME_TIME + number * MINUTE) for number, word in enumerate(("no", "ok", "no"))
    ]
    await world.absorb(reports)
    assert [await world.is_active(job) for job in (failing_job, other)] == [False, True]


async def test_any_kind_of_run_counts(world: World) -> None:
    job = await watched(world)
    kinds = (Kind.MANUAL, Kind.BACKFILL, Kind.SCHEDULED)
    await world.absorb(
        [ended(job, "no", SOME_TIME + number * MINUTE, kind=kind) for number, kind in enumerate(kinds)]
    )
    assert not await world.is_active(job)


@pytest.mark.parametrize("fields", [{"limit": None}, {"limit": 3, "is_active": False}])
async def test_who_does_not_ask_for_it_or_is_paused_is_left_alone(world: World, fields: Any) -> None:
    job = await watched(world, **fields)
    await world.ended(job, "no no no no")
    assert len(await world.changes(job)) == 1


async def test_a_deleted_job_is_left_alone(world: World) -> None:
    await world.ended(make_job(pause_after_failures=1), "no no")
    assert await rows_of(world.database, events) == []


async def test_what_failed_before_the_last_change_does_not_count(world: World) -> None:
    job = await watched(world)
    await world.ended(job, "no no")
    later = SOME_TIME + 10 * MINUTE
    await change(world.store, job.id, now=later, category="other")
    await world.absorb([ended(job, "no", SOME_TIME + 9 * MINUTE)])
    await world.ended(job, "no no", since=later)
    assert await world.is_active(job)
    await world.absorb([ended(job, "no", later + 3 * MINUTE)])
    assert not await world.is_active(job)


async def test_reading_the_reports_again_pauses_nothing_again(world: World) -> None:
    job = await watched(world)
    reports = [ended(job, "no", SOME_TIME + number * MINUTE) for number in range(3)]
    await world.absorb(reports)
    await change(world.store, job.id, now=SOME_TIME + 20 * MINUTE, is_active=True)
    async with world.database.write() as connection:
        await connection.execute(update(bus_state).values(projector_position=0))
    world.position = 0
    await world.absorb(reports)
    assert await world.is_active(job)


async def test_many_jobs_fail_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing, "_BATCH", 3)
    all_jobs = [await watched(world, 1) for _ in range(8)]
    await world.absorb([ended(job, "no", SOME_TIME + MINUTE) for job in all_jobs])
    assert [await world.is_active(job) for job in all_jobs] == [False] * 8


async def test_a_crash_leaves_neither_the_failure_nor_the_pause(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await watched(world, 1)
    report = [ended(job, "no", SOME_TIME + MINUTE)]

    async def die(*_: Any) -> None:
        raise Transient("the gateway died")

    with monkeypatch.context() as patched:
        patched.setattr(EventStore, "append", die)
        with pytest.raises(Transient):
            await world.absorb(report)
    assert await rows_of(world.database, executions) == []
    await world.absorb(report)
    assert not await world.is_active(job)


async def test_a_change_at_the_same_time_makes_it_try_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's version stands already when the pause is appended."""
    job = await watched(world, 1)
    append = EventStore.append
    changed = JobUpdated(job=job.model_copy(update={"version": 2, "category": "other"}), before=job)
    theirs = Change(aggregate="job", aggregate_id=job.id, version=2, event=changed)

    async def append_behind(store: EventStore, connection: Any, ours: Any, context: Context) -> None:
        await append(store, connection, [theirs], context)
        await append(store, connection, ours, context)

    with monkeypatch.context() as patched:
        patched.setattr(EventStore, "append", append_behind)
        with pytest.raises(Transient):
            await world.absorb([ended(job, "no", SOME_TIME + MINUTE)])
    await world.absorb([ended(job, "no", SOME_TIME + MINUTE)])
    assert not await world.is_active(job)
