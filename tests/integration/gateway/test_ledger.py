"""The ledger: one row per planned instant, the first decision counts, and reading twice changes nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any, Literal

import pytest
from sqlalchemy import update

from services.gateway.bus_state import PositionMoved, load_bus_state
from services.gateway.ledger import WAITS_FOR, Ledger
from services.gateway.projector import Projector
from services.gateway.store.database import Database
from services.gateway.store.event_store import EventStore
from services.gateway.store.tables import bus_state, executions
from shared.bus.reader import StreamMessage
from shared.clock import utc_now
from shared.domain.execution import Phase
from shared.domain.ids import planned_execution_id
from shared.domain.job import Job
from shared.events import (
    CheckpointReached,
    Event,
    InstantSettled,
    InstantsSkipped,
    RunCancelled,
    RunWaiting,
)
from tests.fixtures.builders import SOME_TIME, make_job, make_missed, make_report, make_trigger
from tests.fixtures.bus import as_read
from tests.fixtures.database import rows_of

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def ledger(database: Database) -> Ledger:
    """Of generation 1, at the beginning of its stream; everything up to `SOME_TIME` is decided."""
    await load_bus_state(database, SOME_TIME)
    return Ledger(database)


def batch(*events: Event, start: int = 1) -> list[StreamMessage]:
    """Events as they stand in the stream."""
    return [as_read(sequence, event) for sequence, event in enumerate(events, start)]


def reached(minutes: int, *, events_seq: int = 5, generation: int = 1) -> CheckpointReached:
    """A checkpoint some minutes after `SOME_TIME`."""
    until = SOME_TIME + minutes * MINUTE
    return CheckpointReached(until=until, events_seq=events_seq, decisions_seq=0, generation=generation)


async def absorb(ledger: Ledger, messages: Sequence[StreamMessage], position: int = 0) -> None:
    """Take a batch of generation 1."""
    await ledger.absorb(messages, position=position, generation=1)


async def state_of(database: Database) -> tuple[Any, ...]:
    """How far it is: position, and the newest checkpoint passed."""
    [row] = await rows_of(database, bus_state)
    return row["ledger_position"], row["ledgered_until"], row["ledgered_events_seq"]


async def test_a_run_becomes_a_queued_row(database: Database, ledger: Ledger) -> None:
    job = make_job()
    await absorb(ledger, batch(make_trigger(job)))
    [row] = await rows_of(database, executions)
    assert row["id"] == planned_execution_id(job.id, SOME_TIME)
    assert (row["job_id"], row["job_name"], row["job_version"]) == (job.id, job.name, job.version)
    assert (row["kind"], row["status"], row["is_open"]) == ("scheduled", "queued", True)
    assert (row["planned_at"], row["planned_to"], row["planned_count"]) == (SOME_TIME, SOME_TIME, 1)
    assert (row["target_kind"], row["target_label"]) == ("webhook", job.target.label)


async def test_a_missed_instant_becomes_a_closed_row_with_its_reason(
    database: Database, ledger: Ledger
) -> None:
    job = make_job()
    stands_for_it = planned_execution_id(job.id, SOME_TIME + MINUTE)
    await absorb(ledger, batch(make_missed(job, into=stands_for_it)))
    [row] = await rows_of(database, executions)
    assert row["id"] == planned_execution_id(job.id, SOME_TIME)
    assert (row["status"], row["is_open"], row["planned_count"]) == ("missed", False, 1)
    assert (row["reason"], row["into_execution_id"]) == ("The scheduler was down", stands_for_it)


async def test_reading_twice_changes_nothing(database: Database, ledger: Ledger) -> None:
    job = make_job()
    messages = batch(
        make_trigger(job), make_missed(job, planned_at=SOME_TIME + MINUTE), make_trigger(), reached(2)
    )
    await absorb(ledger, messages)
    before = (await rows_of(database, executions), await state_of(database))
    async with database.write() as connection:
        await connection.execute(update(bus_state).values(ledger_position=0))
    await absorb(ledger, messages)
    assert (await rows_of(database, executions), await state_of(database)) == before
    assert len(before[0]) == 3


def waiting(
    job: Job,
    reason: Literal["spread", "overlap", "catch_up"] = "spread",
    *,
    planned_at: datetime = SOME_TIME,
    not_before: datetime | None = None,
) -> RunWaiting:
    """A planned instant that waits."""
    order = make_trigger(job, planned_at=planned_at)
    facts = order.facts.model_copy(update={"not_before": not_before})
    return RunWaiting(order=order.model_copy(update={"facts": facts}), reason=reason)


def skipped(job: Job, **fields: Any) -> InstantsSkipped:
    """A planned instant that the job's rules leave out."""
    return InstantsSkipped.model_validate({**make_missed(job, **fields).model_dump(exclude={"type"})})


def cancelled(job: Job, reason: str = "The job was paused before it ran") -> RunCancelled:
    """What may become of one that waits."""
    return RunCancelled.model_validate({**make_missed(job, reason=reason).model_dump(exclude={"type"})})


@pytest.mark.parametrize("reason", ["spread", "overlap", "catch_up"])
async def test_what_waits_becomes_an_open_row_that_says_for_what(
    database: Database, ledger: Ledger, reason: Literal["spread", "overlap", "catch_up"]
) -> None:
    job, slot = make_job(), SOME_TIME + timedelta(seconds=7)
    await absorb(ledger, batch(waiting(job, reason, not_before=slot)))
    [row] = await rows_of(database, executions)
    assert row["id"] == planned_execution_id(job.id, SOME_TIME)
    assert (row["status"], row["is_open"], row["completed_at"]) == ("waiting", True, None)
    assert (row["planned_at"], row["not_before"], row["reason"]) == (SOME_TIME, slot, WAITS_FOR[reason])


@pytest.mark.parametrize("together", [True, False])
async def test_a_released_run_is_queued_and_keeps_its_slot(
    database: Database, ledger: Ledger, together: bool
) -> None:
    job, slot = make_job(), SOME_TIME + timedelta(seconds=7)
    waits = waiting(job, not_before=slot)
    await absorb_one_by_one(ledger, [waits, waits.order], together)
    [row] = await rows_of(database, executions)
    assert (row["status"], row["is_open"], row["not_before"]) == ("queued", True, slot)
    assert row["reason"] == WAITS_FOR["spread"]


@pytest.mark.parametrize("together", [True, False])
async def test_what_waited_in_vain_is_cancelled_with_its_reason(
    database: Database, ledger: Ledger, together: bool
) -> None:
    job = make_job()
    await absorb_one_by_one(ledger, [waiting(job, "overlap"), cancelled(job), make_trigger(job)], together)
    [row] = await rows_of(database, executions)
    assert (row["status"], row["is_open"], row["completed_at"]) == ("cancelled", False, SOME_TIME)
    assert row["reason"] == "The job was paused before it ran"


@pytest.mark.parametrize("together", [True, False])
async def test_a_run_that_waited_and_was_released_is_not_cancelled_any_more(
    database: Database, ledger: Ledger, together: bool
) -> None:
    job = make_job()
    await absorb_one_by_one(ledger, [waiting(job), make_trigger(job), cancelled(job)], together)
    [row] = await rows_of(database, executions)
    assert (row["status"], row["is_open"], row["completed_at"]) == ("queued", True, None)


@pytest.mark.parametrize("together", [True, False])
async def test_only_a_run_or_a_cancellation_ends_the_wait(
    database: Database, ledger: Ledger, together: bool
) -> None:
    job = make_job()
    others = [skipped(job), make_missed(job), waiting(job, "overlap")]
    await absorb_one_by_one(ledger, [waiting(job), *others], together)
    [row] = await rows_of(database, executions)
    assert (row["status"], row["reason"]) == ("waiting", WAITS_FOR["spread"])


@pytest.mark.parametrize("together", [True, False])
async def test_whatever_comes_first_makes_the_row_and_a_later_wait_changes_nothing(
    database: Database, ledger: Ledger, together: bool
) -> None:
    expected = {}
    events: list[Event] = []
    for first in ("skipped", "missed", "queued"):
        job = make_job()
        decision = {"skipped": skipped(job), "missed": make_missed(job), "queued": make_trigger(job)}[first]
        events += [decision, waiting(job), cancelled(job)]
        expected[job.id] = first
    await absorb_one_by_one(ledger, events, together)
    assert {row["job_id"]: row["status"] for row in await rows_of(database, executions)} == expected


async def test_a_report_that_overtakes_the_release_stays(database: Database, ledger: Ledger) -> None:
    job = make_job()
    waits = waiting(job, "overlap")
    await absorb(ledger, batch(waits))
    report = make_report(Phase.STARTED, waits.order.facts)
    await Projector(database, EventStore(database), utc_now).absorb(batch(report), position=0, generation=1)
    before = await rows_of(database, executions)
    await absorb(ledger, batch(waits.order, start=2), position=1)
    assert await rows_of(database, executions) == before
    assert before[0]["status"] == "running"


@pytest.mark.parametrize("together", [True, False])
async def test_a_run_whose_report_was_read_first_says_for_what_it_had_waited(
    database: Database, ledger: Ledger, together: bool
) -> None:
    job, slot = make_job(), SOME_TIME + timedelta(seconds=7)
    waits = waiting(job, "catch_up", not_before=slot)
    report = make_report(Phase.SUCCEEDED, waits.order.facts)
    await Projector(database, EventStore(database), utc_now).absorb(batch(report), position=0, generation=1)
    [before] = await rows_of(database, executions)
    await absorb_one_by_one(ledger, [waits, waits.order], together)
    assert await rows_of(database, executions) == [{**before, "reason": WAITS_FOR["catch_up"]}]


async def test_a_range_is_one_row(database: Database, ledger: Ledger) -> None:
    missed, left_out = make_job(), make_job()
    until = SOME_TIME + 300 * MINUTE
    await absorb(
        ledger, batch(make_missed(missed, to=until, count=301), skipped(left_out, to=until, count=301))
    )
    rows = {row["job_id"]: row for row in await rows_of(database, executions)}
    assert {job_id: row["status"] for job_id, row in rows.items()} == {
        missed.id: "missed",
        left_out.id: "skipped",
    }
    for row in rows.values():
        assert (row["planned_at"], row["planned_to"], row["planned_count"]) == (SOME_TIME, until, 301)
        assert row["is_open"] is False


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("order", list(permutations(["waiting", "queued", "cancelled"])))
async def test_a_wait_has_one_end_in_whatever_order_the_stream_has_the_decisions(
    database: Database, ledger: Ledger, order: tuple[str, ...], together: bool
) -> None:
    job = make_job()
    decisions: dict[str, Event] = {
        "waiting": waiting(job),
        "queued": make_trigger(job),
        "cancelled": cancelled(job),
    }
    await absorb_one_by_one(ledger, [decisions[name] for name in order], together)
    [row] = await rows_of(database, executions)
    assert row["status"] == (order[1] if order[0] == "waiting" else order[0])


async def absorb_one_by_one(ledger: Ledger, events: Sequence[Event], together: bool) -> None:
    """Take the events in one batch, or each in its own."""
    messages = batch(*events)
    if together:
        await absorb(ledger, messages)
        return
    for message in messages:
        await absorb(ledger, [message], position=message.sequence - 1)


async def test_the_first_decision_on_an_instant_counts(database: Database, ledger: Ledger) -> None:
    job, other = make_job(), make_job()
    await absorb(ledger, batch(make_trigger(job), make_missed(job), make_missed(other), make_trigger(other)))
    await absorb(ledger, batch(make_missed(job), make_trigger(other), start=5), position=4)
    statuses = {row["job_id"]: row["status"] for row in await rows_of(database, executions)}
    assert statuses == {job.id: "queued", other.id: "missed"}


async def test_a_run_that_was_reported_first_stays_where_it_is(database: Database, ledger: Ledger) -> None:
    trigger = make_trigger()
    report = make_report(Phase.SUCCEEDED, trigger.facts)
    await Projector(database, EventStore(database), utc_now).absorb(batch(report), position=0, generation=1)
    before = await rows_of(database, executions)
    await absorb(ledger, batch(trigger))
    assert await rows_of(database, executions) == before
    assert before[0]["status"] == "success"


async def test_the_newest_checkpoint_passed_commits_with_the_rows(database: Database, ledger: Ledger) -> None:
    assert await state_of(database) == (0, SOME_TIME, 0)
    await absorb(ledger, batch(make_trigger(), reached(1, events_seq=7), make_trigger()))
    assert await state_of(database) == (3, SOME_TIME + MINUTE, 7)


async def test_a_checkpoint_never_goes_back(database: Database, ledger: Ledger) -> None:
    await absorb(ledger, batch(reached(3, events_seq=9)))
    await absorb(ledger, batch(reached(2, events_seq=8), start=2), position=1)
    assert await state_of(database) == (2, SOME_TIME + 3 * MINUTE, 9)


async def test_a_checkpoint_of_another_generation_says_nothing(database: Database, ledger: Ledger) -> None:
    await absorb(ledger, batch(reached(3, generation=2)))
    assert await state_of(database) == (1, SOME_TIME, 0)


async def test_what_is_no_decision_is_passed_over(database: Database, ledger: Ledger) -> None:
    garbage = StreamMessage(2, "test", b"{", {"ce-type": "trigger.run", "ce-id": "x"}, 0)
    settled = InstantSettled(
        job_id=make_job().id, execution_id=make_job().id, planned_at=SOME_TIME, generation=1
    )
    messages = [*batch(make_trigger()), garbage, *batch(settled, make_trigger(), start=3)]
    await absorb(ledger, messages)
    assert len(await rows_of(database, executions)) == 2
    assert (await state_of(database))[0] == 4


async def test_a_second_reader_is_refused_and_leaves_nothing(database: Database, ledger: Ledger) -> None:
    await absorb(ledger, batch(make_trigger()))
    with pytest.raises(PositionMoved):
        await absorb(Ledger(database), batch(make_trigger(), reached(1)), position=0)
    assert len(await rows_of(database, executions)) == 1
    assert await state_of(database) == (1, SOME_TIME, 0)
