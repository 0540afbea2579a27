"""The ledger: one row per planned instant, the first decision counts, and reading twice changes nothing."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from services.gateway.bus_state import PositionMoved, load_bus_state
from services.gateway.ledger import Ledger
from services.gateway.projector import Projector
from services.gateway.store.database import Database
from services.gateway.store.tables import bus_state, executions
from shared.bus.reader import StreamMessage
from shared.domain.execution import Phase
from shared.domain.ids import planned_execution_id
from shared.events import CheckpointReached, Event, InstantSettled
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


async def test_the_first_decision_on_an_instant_counts(database: Database, ledger: Ledger) -> None:
    job, other = make_job(), make_job()
    await absorb(ledger, batch(make_trigger(job), make_missed(job), make_missed(other), make_trigger(other)))
    await absorb(ledger, batch(make_missed(job), make_trigger(other), start=5), position=4)
    statuses = {row["job_id"]: row["status"] for row in await rows_of(database, executions)}
    assert statuses == {job.id: "queued", other.id: "missed"}


async def test_a_run_that_was_reported_first_stays_where_it_is(database: Database, ledger: Ledger) -> None:
    trigger = make_trigger()
    report = make_report(Phase.SUCCEEDED, trigger.facts)
    await Projector(database).absorb(batch(report), position=0, generation=1)
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
