"""A lost store takes no execution with it: unfinished ones run again, and nothing is decided twice."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from unittest.mock import AsyncMock
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from services.gateway import seeding, steward
from services.gateway.auditor import Auditor
from services.gateway.commands.runs import run_now
from services.gateway.domain.actor import SYSTEM
from services.gateway.gateway import Gateway
from services.gateway.ledger import Wait
from services.gateway.store.tables import executions, runs
from shared.bus import subjects
from shared.bus.envelope import MESSAGE_ID, unpack
from shared.clock import utc_now
from shared.domain.execution import Phase
from shared.domain.ids import again_message_id, decision_message_id, manual_message_id
from shared.domain.job import Job
from shared.events import ExecutionReported, InstantSettled, RunTriggered, RunWaiting
from tests.fixtures.builders import make_job, make_missed, make_report, make_trigger
from tests.fixtures.bus import publish_events, read_all, read_events
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess
from tests.integration.gateway.world import (
    at_work,
    change,
    create,
    delete,
    is_all_published,
    opened,
    reach_checkpoint,
    restart_without_store,
    works_in,
)

MINUTE = timedelta(minutes=1)


class Runs:
    """Executions on both sides of the last checkpoint, in every state that one can be in."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.until = (utc_now() + timedelta(hours=1)).replace(second=0, microsecond=0)
        self.expected: dict[UUID, str] = {}

    async def trigger(self, job: Job, minutes: int, *phases: Phase, status: str = "queued") -> UUID:
        """A run that long after the checkpoint, with reports of its first attempt; returns the execution."""
        order = make_trigger(job, planned_at=self.until + minutes * MINUTE)
        execution_id = order.facts.execution_id
        reports = [
            (subjects.execution(job.id, execution_id), make_report(phase, order.facts)) for phase in phases
        ]
        await publish_events(self._gateway.bus, [(subjects.trigger(job.queue, job.id), order), *reports])
        self.expected[execution_id] = status
        return execution_id

    async def missed(self, job: Job, minutes: int) -> UUID:
        """An instant that long after the checkpoint that will not run."""
        decision = make_missed(job, planned_at=self.until + minutes * MINUTE)
        await publish_events(self._gateway.bus, [(subjects.decision(job.id), decision)])
        self.expected[decision.execution_id] = "missed"
        return decision.execution_id

    async def waiting(self, job: Job, minutes: int, reason: Wait, slot: timedelta | None = None) -> UUID:
        """An instant that long after the checkpoint that waits; returns the execution."""
        planned_at = self.until + minutes * MINUTE
        order = make_trigger(job, planned_at=planned_at)
        not_before = planned_at + slot if slot is not None else None
        facts = order.facts.model_copy(update={"not_before": not_before})
        decision = RunWaiting(order=order.model_copy(update={"facts": facts}), reason=reason)
        await publish_events(self._gateway.bus, [(subjects.decision(job.id), decision)])
        self.expected[facts.execution_id] = "waiting"
        return facts.execution_id

    async def missed_range(self, job: Job, minutes: int, count: int) -> UUID:
        """So many minutes, from then on, that will not run."""
        begin = self.until + minutes * MINUTE
        decision = make_missed(job, planned_at=begin, to=begin + (count - 1) * MINUTE, count=count)
        await publish_events(self._gateway.bus, [(subjects.decision(job.id), decision)])
        self.expected[decision.execution_id] = "missed"
        return decision.execution_id

    async def asked_for(self, job: Job) -> UUID:
        """A run that somebody asked for."""
        row = await run_now(self._gateway, job.id, SYSTEM, job.owner_id, uuid4())
        self.expected[row["id"]] = "queued"
        return UUID(str(row["id"]))

    async def are_in_sql(self) -> bool:
        """Whether the gateway has seen it all."""
        gateway = self._gateway
        statuses = {row["id"]: row["status"] for row in await rows_of(gateway.database, executions)}
        published = all(row["published_seq"] for row in await rows_of(gateway.database, runs))
        return statuses == self.expected and published and await is_all_published(gateway.database)


@pytest.fixture
async def gateway(
    database_url: str, nats_server: NatsProcess, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """A gateway at work in generation 1."""
    monkeypatch.setattr(seeding, "LIFETIME", 0.0)
    monkeypatch.setattr(steward, "STORE_CHECK", 0.3)
    # It would find what these tests leave out.
    monkeypatch.setattr(Auditor, "audit", AsyncMock(return_value=0))
    async with opened(database_url, nats_server.url) as gateway, at_work(gateway):
        await works_in(gateway, 1)
        yield gateway


async def waiting(gateway: Gateway) -> dict[UUID, tuple[str, RunWaiting]]:
    """Message id and decision of each planned instant that waits; each must be there once."""
    by_execution = {}
    for message in await read_all(gateway.bus, subjects.TRIGGERS, subjects.ALL_DECISIONS):
        event = unpack(message.body, message.headers).event
        if isinstance(event, RunWaiting):
            execution_id = event.order.facts.execution_id
            assert execution_id not in by_execution
            by_execution[execution_id] = ((message.headers or {})[MESSAGE_ID], event)
    return by_execution


async def orders(gateway: Gateway) -> dict[UUID, tuple[str, RunTriggered]]:
    """Message id and order of each run that is on the bus; each must be there once."""
    by_execution = {}
    for message in await read_all(gateway.bus, subjects.TRIGGERS, subjects.ALL_TRIGGERS):
        event = unpack(message.body, message.headers).event
        assert isinstance(event, RunTriggered)
        assert event.facts.execution_id not in by_execution
        by_execution[event.facts.execution_id] = ((message.headers or {})[MESSAGE_ID], event)
    return by_execution


async def last_reports(gateway: Gateway) -> dict[UUID, tuple[Phase, int, int]]:
    """Phase, attempt and count of unknown attempts that the next claim of each execution meets."""
    found = {}
    for event in await read_events(gateway.bus, subjects.EXECUTIONS):
        assert isinstance(event, ExecutionReported)
        assert event.facts.execution_id not in found
        found[event.facts.execution_id] = (event.phase, event.attempt, event.unknown_count)
    return found


async def settled(gateway: Gateway) -> dict[UUID, datetime]:
    """The instants that nobody may decide again."""
    found = await read_events(gateway.bus, subjects.TRIGGERS, subjects.ALL_DECISIONS)
    return {one.execution_id: one.planned_at for one in found if isinstance(one, InstantSettled)}


async def statuses(gateway: Gateway) -> dict[UUID, str]:
    """All rows as people see them."""
    return {row["id"]: row["status"] for row in await rows_of(gateway.database, executions)}


async def test_unfinished_executions_run_again_and_finished_ones_do_not(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    job = await create(gateway.event_store, make_job(metadata={"which": "first"}))
    made = Runs(gateway)
    queued = await made.trigger(job, -1)
    running = await made.trigger(job, -2, Phase.STARTED, status="running")
    unknown = await made.trigger(job, -3, Phase.STARTED, Phase.UNKNOWN, status="unknown")
    after = await made.trigger(job, 1)
    early = await made.trigger(job, -4, Phase.STARTED, Phase.SUCCEEDED, status="success")
    done = await made.trigger(job, 2, Phase.STARTED, Phase.FAILED, status="failed")
    missed = await made.missed(job, 3)
    long_ago = await made.missed(job, -5)
    await eventually(lambda: is_all_published(gateway.database))
    await reach_checkpoint(gateway, made.until)
    await eventually(made.are_in_sql)
    await restart_without_store(nats_server)
    await change(gateway.event_store, job.id, metadata={"which": "second"})
    await works_in(gateway, 2)
    found = await orders(gateway)
    assert {execution: message_id for execution, (message_id, _) in found.items()} == {
        execution: again_message_id(execution, 2, 1) for execution in (queued, running, unknown, after)
    }
    for _, order in found.values():
        # The version of the job that was planned, not the newest one.
        assert (order.metadata, order.facts.job_version, order.target) == ({"which": "first"}, 1, job.target)
        assert (order.generation, order.redrive) == (2, 0)
    assert await last_reports(gateway) == dict.fromkeys(found, (Phase.UNKNOWN, 1, 1))
    # The change may be one that the checkpoint does not cover: then decisions since that are settled, too.
    assert {done, missed} <= set(await settled(gateway)) <= {done, missed, early, long_ago}
    made.expected |= dict.fromkeys(found, "unknown")
    await eventually(made.are_in_sql)


async def test_runs_of_jobs_that_were_deleted_or_paused_meanwhile_are_cancelled(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    gone, paused = [await create(gateway.event_store, make_job()) for _ in range(2)]
    made = Runs(gateway)
    planned = [
        await made.trigger(gone, -1),
        await made.trigger(gone, -2, Phase.STARTED, status="running"),
        await made.trigger(paused, -1),
    ]
    asked_of_gone, asked_of_paused = await made.asked_for(gone), await made.asked_for(paused)
    await eventually(lambda: is_all_published(gateway.database))
    await reach_checkpoint(gateway, made.until)
    await eventually(made.are_in_sql)
    await nats_server.kill()
    await delete(gateway.event_store, gone.id)
    await change(gateway.event_store, paused.id, is_active=False)
    await restart_without_store(nats_server)
    await works_in(gateway, 2)
    cancelled = [*planned, asked_of_gone]
    reports = await last_reports(gateway)
    assert {execution: reports.pop(execution)[0] for execution in cancelled} == dict.fromkeys(
        cancelled, Phase.CANCELLED
    )
    assert reports == {asked_of_paused: (Phase.UNKNOWN, 1, 1)}
    assert set(await orders(gateway)) == {asked_of_paused}
    made.expected |= {**dict.fromkeys(cancelled, "cancelled"), asked_of_paused: "unknown"}
    await eventually(made.are_in_sql)


async def test_runs_that_were_asked_for_keep_their_own_order(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    job = await create(gateway.event_store, make_job(metadata={"which": "first"}))
    made = Runs(gateway)
    before = await made.asked_for(job)
    await eventually(lambda: is_all_published(gateway.database))
    await reach_checkpoint(gateway, made.until)
    await eventually(made.are_in_sql)
    await nats_server.kill()
    await eventually(lambda: gateway.fence.generation is None)
    meanwhile = await made.asked_for(job)
    await change(gateway.event_store, job.id, metadata={"which": "second"})
    await restart_without_store(nats_server)
    await works_in(gateway, 2)
    await eventually(lambda: has_orders(gateway, {before, meanwhile}))
    found = await orders(gateway)
    assert found[before][0] == again_message_id(before, 2, 1)
    assert found[meanwhile][0] == manual_message_id(meanwhile)
    assert [order.metadata for _, order in found.values()] == [{"which": "first"}] * 2
    assert {order.generation for _, order in found.values()} == {2}


async def has_orders(gateway: Gateway, wanted: set[UUID]) -> bool:
    """Whether exactly these are on the bus."""
    return set(await orders(gateway)) == wanted


async def test_what_the_bus_still_held_is_read_before_it_is_deleted(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    job = await create(gateway.event_store, make_job())
    made = Runs(gateway)
    execution = await made.trigger(job, -1, Phase.STARTED, status="running")
    await eventually(lambda: is_all_published(gateway.database))
    await reach_checkpoint(gateway, made.until)
    await eventually(made.are_in_sql)
    # Nobody folds while the store is damaged; the result is stored all the same.
    await gateway.bus.js.delete_stream(subjects.INBOX)
    order = make_trigger(job, planned_at=made.until - MINUTE)
    await publish_events(
        gateway.bus,
        [(subjects.execution(job.id, execution), make_report(Phase.SUCCEEDED, order.facts))],
    )
    await works_in(gateway, 2)
    assert await statuses(gateway) == {execution: "success"}
    assert await orders(gateway) == {}


async def test_what_waits_goes_on_waiting_under_the_version_that_planned_it(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    first, gone = [await create(gateway.event_store, make_job(metadata={"n": 1})) for _ in range(2)]
    made = Runs(gateway)
    slot = timedelta(seconds=20)
    spread = await made.waiting(first, -1, "spread", slot)
    behind = await made.waiting(first, 1, "overlap")
    caught_up = await made.waiting(gone, -3, "catch_up")
    released = await made.waiting(first, -2, "spread", slot)
    await made.trigger(first, -2)
    await eventually(lambda: is_all_published(gateway.database))
    await reach_checkpoint(gateway, made.until)
    await eventually(made.are_in_sql)
    await nats_server.kill()
    await change(gateway.event_store, first.id, metadata={"n": 2})
    await delete(gateway.event_store, gone.id)
    await restart_without_store(nats_server)
    await works_in(gateway, 2)
    found = await waiting(gateway)
    assert {
        execution: (decision.reason, decision.generation) for execution, (_, decision) in found.items()
    } == {
        spread: ("spread", 2),
        behind: ("overlap", 2),
        caught_up: ("catch_up", 2),
    }
    for message_id, decision in found.values():
        facts = decision.order.facts
        assert facts.planned_at is not None
        assert message_id == decision_message_id(facts.job_id, facts.planned_at)
        assert (decision.order.metadata, facts.job_version) == ({"n": 1}, 1)
    assert found[spread][1].order.facts.not_before == made.until - MINUTE + slot
    assert found[behind][1].order.facts.not_before is None
    assert set(await orders(gateway)) == {released}
    assert (await orders(gateway))[released][1].facts.not_before == made.until - 2 * MINUTE + slot
    assert set(await last_reports(gateway)) == {released}
    assert await settled(gateway) == {}
    made.expected[released] = "unknown"
    await eventually(made.are_in_sql)


async def test_a_range_is_settled_as_a_whole_wherever_it_begins(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    job, other = [await create(gateway.event_store, make_job()) for _ in range(2)]
    made = Runs(gateway)
    across = await made.missed_range(job, -5, 10)
    after = await made.missed_range(job, 10, 3)
    await made.missed_range(other, -9, 4)
    await eventually(lambda: is_all_published(gateway.database))
    await reach_checkpoint(gateway, made.until)
    await eventually(made.are_in_sql)
    await restart_without_store(nats_server)
    await works_in(gateway, 2)
    found = await read_events(gateway.bus, subjects.TRIGGERS, subjects.ALL_DECISIONS)
    assert {
        one.execution_id: (one.planned_at, one.to) for one in found if isinstance(one, InstantSettled)
    } == {
        across: (made.until - 5 * MINUTE, made.until + 4 * MINUTE),
        after: (made.until + 10 * MINUTE, made.until + 12 * MINUTE),
    }


async def test_an_instant_whose_run_was_cancelled_is_not_decided_again(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    job = await create(gateway.event_store, make_job())
    made = Runs(gateway)
    execution = await made.trigger(job, 1)
    await eventually(lambda: is_all_published(gateway.database))
    await reach_checkpoint(gateway, made.until)
    await eventually(made.are_in_sql)
    await nats_server.kill()
    await change(gateway.event_store, job.id, is_active=False)
    await restart_without_store(nats_server)
    await works_in(gateway, 2)
    assert await orders(gateway) == {}
    assert await settled(gateway) == {execution: made.until + MINUTE}


async def test_backfills_run_again_as_they_were_asked_for_and_those_that_were_not_published_wait(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    job = await create(gateway.event_store, make_job(metadata={"n": 1}))
    made = Runs(gateway)
    published, waits = [await made.asked_for(job) for _ in range(2)]
    await eventually(lambda: is_all_published(gateway.database))
    await reach_checkpoint(gateway, made.until)
    await eventually(made.are_in_sql)
    await nats_server.kill()
    async with gateway.database.write() as connection:
        backfill = {"kind": "backfill", "backfills": made.until}
        await connection.execute(update(executions).values(backfill))
        waiting_run = update(runs).where(runs.c.execution_id == waits)
        await connection.execute(waiting_run.values(published_seq=None, sealed_order=None))
        await connection.execute(update(runs).values(turn=1))
    await restart_without_store(nats_server)
    await works_in(gateway, 2)
    found = await orders(gateway)
    assert {execution: message_id for execution, (message_id, _) in found.items()} == {
        published: again_message_id(published, 2, 1)
    }
    assert set(await last_reports(gateway)) == {published}


async def test_a_second_loss_counts_the_unknown_attempt_once(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    job = await create(gateway.event_store, make_job())
    made = Runs(gateway)
    execution = await made.trigger(job, -1, Phase.STARTED, status="running")
    await eventually(lambda: is_all_published(gateway.database))
    await reach_checkpoint(gateway, made.until)
    await eventually(made.are_in_sql)
    for generation in (2, 3):
        await restart_without_store(nats_server)
        await works_in(gateway, generation)
        assert await last_reports(gateway) == {execution: (Phase.UNKNOWN, 1, 1)}
        assert {key: one[0] for key, one in (await orders(gateway)).items()} == {
            execution: again_message_id(execution, generation, 1)
        }
        made.expected = {execution: "unknown"}
        await eventually(made.are_in_sql)
