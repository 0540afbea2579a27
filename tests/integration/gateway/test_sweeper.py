"""Executions that nobody works on any more: what began is lost, what never began is published again."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from services.gateway import sweeper
from services.gateway.bus_state import load_bus_state
from services.gateway.ledger import Ledger
from services.gateway.metrics import Metrics
from services.gateway.projector import Projector
from services.gateway.relay import seal_order
from services.gateway.seeding_executions import ExecutionSeeds
from services.gateway.store.database import Database
from services.gateway.store.event_store import EventStore
from services.gateway.store.execution_rows import queued_columns
from services.gateway.store.tables import bus_state, executions, runs
from services.gateway.sweeper import MAX_AGAIN, NEVER_CLAIMED, NOT_HEARD_OF, SILENCE, Sweeper
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import MESSAGE_ID, unpack
from shared.bus.fence import Fence
from shared.domain.execution import Kind, Phase
from shared.domain.ids import again_message_id
from shared.domain.job import Job
from shared.events import ExecutionReported, RunTriggered
from shared.secretbox import SecretBox
from tests.fixtures.builders import SOME_TIME, make_job, make_report, make_trigger
from tests.fixtures.bus import GENERATION, publish_events, read_all, read_events
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import MovableClock
from tests.integration.gateway.world import change, create, delete

SECOND = timedelta(seconds=1)
LATE = SOME_TIME + timedelta(minutes=30)


class World:
    """A gateway that sweeps, on a store of generation 1."""

    def __init__(self, database: Database, bus: Bus, fence: Fence) -> None:
        self.database = database
        self.bus = bus
        self.store = EventStore(database)
        self.clock = MovableClock(LATE)
        self.box = SecretBox("a secret key that is long enough")
        self.metrics = Metrics(database, bus, self.clock)
        seeds = ExecutionSeeds(database, bus, self.box, self.clock)
        self.sweeper = Sweeper(database, bus, fence, seeds, self.metrics, self.clock)

    async def triggered(self, job: Job, minutes: int = 0) -> RunTriggered:
        """A planned run, in the stream and in SQL."""
        order = make_trigger(job, planned_at=SOME_TIME + timedelta(minutes=minutes))
        await publish_events(self.bus, [(subjects.trigger(job.queue, job.id), order)])
        await self.fold()
        return order

    async def reported(self, order: RunTriggered, *phases: Phase, **details: Any) -> None:
        """What executors have said of it."""
        facts = order.facts
        subject = subjects.execution(facts.job_id, facts.execution_id)
        await publish_events(self.bus, [(subject, make_report(phase, facts, **details)) for phase in phases])
        await self.fold()

    async def fold(self) -> None:
        """Ledger and projector read all there is, once more."""
        async with self.database.write() as connection:
            positions = {"ledger_position": 0, "projector_position": 0}
            await connection.execute(update(bus_state).values(positions))
        for fold in (Ledger(self.database), Projector(self.database, self.store, self.clock)):
            batch = await read_all(self.bus, fold.stream)
            if batch:
                await fold.absorb(batch, position=0, generation=GENERATION)

    async def acknowledge(self, count: int) -> None:
        """Executors have no more to do with the first triggers."""
        durable = subjects.executor_durable("default")
        subscription = await self.bus.js.pull_subscribe_bind(durable, subjects.TRIGGERS)
        for message in await subscription.fetch(count, timeout=5):
            await message.ack_sync()
        await subscription.unsubscribe()

    async def sweep(self) -> None:
        """One look, and what follows from it in SQL."""
        await self.sweeper.sweep(GENERATION)
        await self.fold()

    async def row(self, execution_id: UUID) -> dict[str, Any]:
        """The execution as people see it."""
        [row] = [row for row in await rows_of(self.database, executions) if row["id"] == execution_id]
        return row

    async def triggers_of(self, execution_id: UUID) -> list[tuple[str | None, RunTriggered]]:
        """Message id and order of each of its triggers."""
        found = []
        for message in await read_all(self.bus, subjects.TRIGGERS, subjects.ALL_TRIGGERS):
            event = unpack(message.body, message.headers).event
            if isinstance(event, RunTriggered) and event.facts.execution_id == execution_id:
                found.append(((message.headers or {}).get(MESSAGE_ID), event))
        return found

    async def reports_of(self, order: RunTriggered) -> Sequence[ExecutionReported]:
        """What was reported of it."""
        subject = subjects.execution(order.facts.job_id, order.facts.execution_id)
        found = await read_events(self.bus, subjects.EXECUTIONS, subject)
        return [one for one in found if isinstance(one, ExecutionReported)]


@pytest.fixture
async def world(database: Database, made_bus: Bus, fence: Fence) -> World:
    """Nothing is there yet."""
    await load_bus_state(database, SOME_TIME)
    async with database.write() as connection:
        await connection.execute(update(bus_state).values(generation=GENERATION, is_seeded=True))
    return World(database, made_bus, fence)


class TestWhatBegan:
    async def test_is_lost_when_nothing_was_heard_of_it_for_longer_than_it_may_take(
        self, world: World
    ) -> None:
        job = await create(world.store, make_job())
        order = await world.triggered(job)
        await world.reported(order, Phase.STARTED)
        await world.sweep()
        row = await world.row(order.facts.execution_id)
        assert (row["status"], row["attempt"], row["error_message"]) == ("lost", 1, NOT_HEARD_OF)
        assert (row["is_open"], row["completed_at"]) == (False, LATE)
        claim, lost = await world.reports_of(order)
        assert (lost.phase, lost.unknown_count, lost.started_at) == (Phase.LOST, 1, claim.started_at)
        assert b"jetcron_lost_executions_total 1.0" in await world.metrics.text()
        await world.sweep()
        assert len(await world.reports_of(order)) == 2

    async def test_has_its_time(self, world: World) -> None:
        job = await create(world.store, make_job())
        order = await world.triggered(job)
        await world.reported(order, Phase.STARTED)
        started_at = (await world.row(order.facts.execution_id))["started_at"]
        world.clock.now = started_at + SILENCE
        await world.sweep()
        assert (await world.row(order.facts.execution_id))["status"] == "running"
        world.clock.now += SECOND
        await world.sweep()
        assert (await world.row(order.facts.execution_id))["status"] == "lost"

    async def test_a_real_result_that_comes_late_stands(self, world: World) -> None:
        job = await create(world.store, make_job())
        order = await world.triggered(job)
        await world.reported(order, Phase.STARTED)
        await world.sweep()
        await world.reported(order, Phase.SUCCEEDED)
        row = await world.row(order.facts.execution_id)
        assert (row["status"], row["is_open"]) == ("success", False)

    async def test_a_report_that_sql_has_not_seen_yet_is_not_contradicted(self, world: World) -> None:
        job = await create(world.store, make_job())
        order = await world.triggered(job)
        await world.reported(order, Phase.STARTED)
        done = make_report(Phase.SUCCEEDED, order.facts)
        subject = subjects.execution(job.id, order.facts.execution_id)
        await publish_events(world.bus, [(subject, done)])
        await world.sweep()
        assert [one.phase for one in await world.reports_of(order)] == [Phase.STARTED, Phase.SUCCEEDED]
        assert (await world.row(order.facts.execution_id))["status"] == "success"

    async def test_one_that_waits_for_its_next_try_is_not_lost(self, world: World) -> None:
        job = await create(world.store, make_job())
        order = await world.triggered(job)
        await world.reported(order, Phase.STARTED, Phase.RETRYING)
        await world.sweep()
        assert (await world.row(order.facts.execution_id))["status"] == "running"

    async def test_an_unknown_end_waits_for_its_trigger_and_is_lost_without_it(self, world: World) -> None:
        job = await create(world.store, make_job())
        order = await world.triggered(job)
        await world.reported(order, Phase.STARTED, Phase.UNKNOWN)
        await world.sweep()
        assert (await world.row(order.facts.execution_id))["status"] == "unknown"
        await world.acknowledge(1)
        await world.sweep()
        assert (await world.row(order.facts.execution_id))["status"] == "lost"
        assert len(await world.triggers_of(order.facts.execution_id)) == 1


class TestWhatNeverBegan:
    async def test_waits_while_its_trigger_does(self, world: World) -> None:
        job = await create(world.store, make_job())
        order = await world.triggered(job)
        await world.sweep()
        assert len(await world.triggers_of(order.facts.execution_id)) == 1
        assert (await world.row(order.facts.execution_id))["status"] == "queued"

    async def test_is_published_again_when_its_trigger_is_gone(self, world: World) -> None:
        job = await create(world.store, make_job(metadata={"which": "first"}))
        order, other = await world.triggered(job), await world.triggered(job, 1)
        execution_id = order.facts.execution_id
        await change(world.store, job.id, metadata={"which": "second"})
        await world.bus.js.delete_msg(subjects.TRIGGERS, 1)
        await world.sweep()
        [(message_id, published)] = await world.triggers_of(execution_id)
        assert message_id == again_message_id(execution_id, GENERATION, 2)
        assert (published.facts.job_version, published.metadata) == (1, {"which": "first"})
        assert published.facts.planned_at == order.facts.planned_at
        assert len(await world.triggers_of(other.facts.execution_id)) == 1
        await world.sweep()
        assert len(await world.triggers_of(execution_id)) == 1
        assert await world.reports_of(order) == []
        assert b"jetcron_republished_runs_total 1.0" in await world.metrics.text()

    async def test_is_published_again_when_its_trigger_was_taken_and_nothing_said(self, world: World) -> None:
        job = await create(world.store, make_job())
        order = await world.triggered(job)
        await world.acknowledge(1)
        await world.sweep()
        assert len(await world.triggers_of(order.facts.execution_id)) == 2

    async def test_has_its_time(self, world: World) -> None:
        job = await create(world.store, make_job())
        order = await world.triggered(job)
        await world.acknowledge(1)
        world.clock.now = SOME_TIME + SILENCE
        await world.sweep()
        assert len(await world.triggers_of(order.facts.execution_id)) == 1

    async def test_is_given_up_after_several_times(self, world: World) -> None:
        job = await create(world.store, make_job())
        order = await world.triggered(job)
        for _ in range(MAX_AGAIN):
            await world.acknowledge(1)
            await world.sweep()
            assert (await world.row(order.facts.execution_id))["status"] == "queued"
        await world.acknowledge(1)
        await world.sweep()
        row = await world.row(order.facts.execution_id)
        assert (row["status"], row["error_message"]) == ("lost", NEVER_CLAIMED)
        assert len(await world.triggers_of(order.facts.execution_id)) == 1 + MAX_AGAIN

    @pytest.mark.parametrize("what", ["deleted", "paused"])
    async def test_is_cancelled_when_its_job_was_deleted_or_paused(self, world: World, what: str) -> None:
        job = await create(world.store, make_job())
        order = await world.triggered(job)
        await world.acknowledge(1)
        if what == "deleted":
            await delete(world.store, job.id)
        else:
            await change(world.store, job.id, is_active=False)
        await world.sweep()
        row = await world.row(order.facts.execution_id)
        assert (row["status"], row["error_message"]) == ("cancelled", f"The job was {what} before it ran")
        assert len(await world.triggers_of(order.facts.execution_id)) == 1

    async def test_a_claim_that_sql_has_not_seen_yet_keeps_it_from_being_published(
        self, world: World
    ) -> None:
        job = await create(world.store, make_job())
        order = await world.triggered(job)
        subject = subjects.execution(job.id, order.facts.execution_id)
        await publish_events(world.bus, [(subject, make_report(Phase.STARTED, order.facts))])
        await world.acknowledge(1)
        await world.sweep()
        assert len(await world.triggers_of(order.facts.execution_id)) == 1

    @pytest.mark.parametrize("is_published", [True, False])
    async def test_of_runs_that_were_asked_for_only_published_ones_are_looked_for(
        self, world: World, is_published: bool
    ) -> None:
        job = await create(world.store, make_job())
        planned = make_trigger(job)
        facts = planned.facts.model_copy(
            update={"execution_id": uuid4(), "kind": Kind.MANUAL, "planned_at": None}
        )
        order = planned.model_copy(update={"facts": facts, "metadata": {"asked": True}})
        async with world.database.write() as connection:
            row = queued_columns(facts, 0, GENERATION)
            await connection.execute(executions.insert().values(row))
            await connection.execute(
                runs.insert().values(
                    execution_id=facts.execution_id,
                    job_id=job.id,
                    sealed_order=seal_order(world.box, order),
                    requested_by=job.owner_id,
                    requested_at=SOME_TIME,
                    published_seq=1 if is_published else None,
                )
            )
        await world.sweep()
        published = await world.triggers_of(facts.execution_id)
        assert [one.metadata for _, one in published] == ([{"asked": True}] if is_published else [])


async def test_every_one_has_its_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "PAGE", 2)
    job = await create(world.store, make_job())
    orders = [await world.triggered(job, minutes) for minutes in range(5)]
    await world.bus.js.delete_msg(subjects.TRIGGERS, 5)
    for _ in range(3):
        await world.sweep()
    counts = [len(await world.triggers_of(order.facts.execution_id)) for order in orders]
    assert counts == [1, 1, 1, 1, 1]
    [(message_id, _)] = await world.triggers_of(orders[4].facts.execution_id)
    assert message_id == again_message_id(orders[4].facts.execution_id, GENERATION, 2)


async def test_without_the_fence_nothing_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch, made_bus: Bus
) -> None:
    monkeypatch.setattr(sweeper, "LOOK", 0.01)
    job = await create(world.store, make_job())
    order = await world.triggered(job)
    await world.reported(order, Phase.STARTED)
    await made_bus.js.delete_stream("KV_fence")
    stale = asyncio.create_task(world.sweeper.run(GENERATION + 1))
    await asyncio.sleep(0.2)
    stale.cancel()
    assert [one.phase for one in await world.reports_of(order)] == [Phase.STARTED]
