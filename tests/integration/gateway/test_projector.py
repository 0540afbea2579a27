"""The projector: any report can make its row, any order of reports makes the same row, twice is as once."""

import random
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update

from services.gateway.bus_state import PositionMoved, load_bus_state
from services.gateway.projector import Projector
from services.gateway.store.database import Database
from services.gateway.store.event_store import EventStore
from services.gateway.store.tables import attempts, bus_state, executions, runs
from shared.bus.reader import StreamMessage
from shared.clock import utc_now
from shared.domain.execution import Kind, Phase, status_of
from shared.events import ExecutionReported, RunFacts
from tests.fixtures.builders import SOME_TIME, make_facts, make_report
from tests.fixtures.bus import as_read
from tests.fixtures.database import rows_of

REPORTED = [phase for phase in Phase if phase is not Phase.QUEUED]
ORDERS = 25
# What differs from one execution to the next.
OWN = ("id", "execution_id", "job_id", "job_name", "owner_id")


@pytest.fixture
async def projector(database: Database) -> Projector:
    """At the beginning of its stream."""
    await load_bus_state(database, SOME_TIME)
    return Projector(database, EventStore(database), utc_now)


def life(facts: RunFacts) -> list[ExecutionReported]:
    """An execution that nobody saw end, was taken up again, failed, and was run once more by hand."""
    token = "a token"
    return [
        make_report(Phase.STARTED, facts, token=token),
        make_report(Phase.UNKNOWN, facts, unknown_count=1),
        make_report(Phase.STARTED, facts, attempt=2, token=token, unknown_count=1),
        make_report(Phase.RETRYING, facts, attempt=2, error="HTTP 503", response_status=503),
        make_report(Phase.STARTED, facts, attempt=3, token=token),
        make_report(Phase.FAILED, facts, attempt=3, output="no"),
        make_report(Phase.FAILED, facts, error="came late"),
        make_report(Phase.STARTED, facts, attempt=4, redrive=1, token=token),
        make_report(Phase.LOST, facts, attempt=4, redrive=1),
        make_report(Phase.SUCCEEDED, facts, attempt=4, redrive=1, output="yes"),
    ]


def placed(reports: Sequence[ExecutionReported]) -> list[StreamMessage]:
    """Reports in their places in the stream."""
    return [as_read(sequence, report) for sequence, report in enumerate(reports, 1)]


class Reading:
    """Reads batches one after another, whatever their sequences are."""

    def __init__(self, projector: Projector) -> None:
        self._projector = projector
        self._position = 0

    async def __call__(self, messages: Sequence[StreamMessage]) -> None:
        await self._projector.absorb(messages, position=self._position, generation=1)
        self._position = messages[-1].sequence


def without_own(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as they may be compared between executions."""
    return [{name: value for name, value in row.items() if name not in OWN} for row in rows]


@pytest.mark.parametrize("phase", REPORTED)
async def test_any_report_alone_makes_the_whole_row(
    database: Database, projector: Projector, phase: Phase
) -> None:
    report = make_report(phase, attempt=2)
    facts = report.facts
    await Reading(projector)(placed([report]))
    [row] = await rows_of(database, executions)
    assert {name: row[name] for name in ("job_id", "job_name", "job_version", "owner_id", "planned_at")} == {
        "job_id": facts.job_id,
        "job_name": facts.job_name,
        "job_version": facts.job_version,
        "owner_id": facts.owner_id,
        "planned_at": SOME_TIME,
    }
    assert (row["status"], row["attempt"], row["report_seq"]) == (status_of(phase).value, 2, 1)
    assert (row["started_at"], row["queued_at"]) == (report.started_at, facts.queued_at)
    [attempt] = await rows_of(database, attempts)
    assert (attempt["attempt"], attempt["phase"], attempt["executor"]) == (2, phase.value, "executor-2")


async def test_reports_in_any_order_and_in_any_batches_make_the_same_rows(
    database: Database, projector: Projector
) -> None:
    choose = random.Random(11)  # noqa: S311 # a test chooses the same each time
    read = Reading(projector)
    for _ in range(ORDERS):
        messages = placed(life(make_facts()))
        choose.shuffle(messages)
        while messages:
            size = choose.randint(1, 4)
            await read(messages[:size])
            messages = messages[size:]
    rows = without_own(await rows_of(database, executions))
    assert rows == [rows[0]] * ORDERS
    assert (rows[0]["status"], rows[0]["redrive"], rows[0]["attempt"]) == ("success", 1, 4)
    assert (rows[0]["output"], rows[0]["error_message"], rows[0]["is_open"]) == ("yes", None, False)
    by_execution: dict[Any, list[dict[str, Any]]] = {}
    for row in await rows_of(database, attempts):
        by_execution.setdefault(row["execution_id"], []).append(row)
    tried = [without_own(one) for one in by_execution.values()]
    assert tried == [tried[0]] * ORDERS
    assert [row["phase"] for row in tried[0]] == ["failed", "retrying", "failed", "succeeded"]


async def test_of_two_reports_alike_the_first_counts_whatever_the_batches(
    database: Database, projector: Projector
) -> None:
    read = Reading(projector)
    for together in (True, False):
        facts = make_facts()
        first, second = placed(
            [
                make_report(Phase.UNKNOWN, facts, error="said by the next executor"),
                make_report(Phase.UNKNOWN, facts, error="said when the store was lost"),
            ]
        )
        for messages in [[first, second]] if together else [[first], [second]]:
            await read(messages)
    errors = [row["error_message"] for row in await rows_of(database, executions)]
    assert errors == ["said by the next executor"] * 2
    assert [row["error_message"] for row in await rows_of(database, attempts)] == errors


async def test_reading_twice_changes_nothing(database: Database, projector: Projector) -> None:
    messages = placed([*life(make_facts()), *life(make_facts())])
    await Reading(projector)(messages)
    before = (await rows_of(database, executions), await rows_of(database, attempts))
    async with database.write() as connection:
        await connection.execute(update(bus_state).values(projector_position=0))
    await Reading(projector)(messages)
    assert (await rows_of(database, executions), await rows_of(database, attempts)) == before


async def test_a_row_moves_only_upwards(database: Database, projector: Projector) -> None:
    facts, read = make_facts(), Reading(projector)
    steps = [
        (make_report(Phase.STARTED, facts), "running"),
        (make_report(Phase.UNKNOWN, facts), "unknown"),
        (make_report(Phase.STARTED, facts), "unknown"),
        (make_report(Phase.STARTED, facts, attempt=2), "running"),
        (make_report(Phase.SUCCEEDED, facts, attempt=1), "running"),
        (make_report(Phase.FAILED, facts, attempt=2), "failed"),
        (make_report(Phase.CANCELLED, facts, attempt=2), "failed"),
        (make_report(Phase.STARTED, facts, attempt=3, redrive=1), "running"),
    ]
    for sequence, (report, status) in enumerate(steps, 1):
        await read([as_read(sequence, report)])
        [row] = await rows_of(database, executions)
        assert row["status"] == status, f"after step {sequence}"


@pytest.mark.parametrize("guess", [Phase.UNKNOWN, Phase.LOST])
@pytest.mark.parametrize("result", [Phase.SUCCEEDED, Phase.FAILED])
async def test_a_real_result_replaces_a_guess(
    database: Database, projector: Projector, guess: Phase, result: Phase
) -> None:
    facts, read = make_facts(), Reading(projector)
    await read([as_read(1, make_report(guess, facts))])
    [row] = await rows_of(database, executions)
    # Nobody waits any more for what is lost.
    is_lost = guess is Phase.LOST
    assert (row["status"], row["is_open"], row["completed_at"] is None) == (
        status_of(guess).value,
        not is_lost,
        not is_lost,
    )
    report = make_report(result, facts)
    await read([as_read(2, report)])
    [row] = await rows_of(database, executions)
    assert (row["status"], row["is_open"]) == (status_of(result).value, False)
    assert (row["completed_at"], row["response_status"]) == (report.at, report.response_status)


async def test_a_cancelled_run_has_no_attempt(database: Database, projector: Projector) -> None:
    await Reading(projector)([as_read(1, make_report(Phase.CANCELLED, attempt=0, error="paused"))])
    [row] = await rows_of(database, executions)
    assert (row["status"], row["attempt"], row["is_open"]) == ("cancelled", 0, False)
    assert await rows_of(database, attempts) == []


@pytest.mark.parametrize("kind", [Kind.MANUAL, Kind.BACKFILL])
async def test_the_sealed_order_of_a_run_that_was_asked_for_is_erased_when_it_has_ended(
    database: Database, projector: Projector, kind: Kind
) -> None:
    ended, running = (make_facts(planned_at=None, kind=kind) for _ in range(2))
    async with database.write() as connection:
        await connection.execute(
            runs.insert(),
            [
                {
                    "execution_id": facts.execution_id,
                    "job_id": facts.job_id,
                    "sealed_order": b"sealed",
                    "requested_by": uuid4(),
                    "requested_at": SOME_TIME,
                }
                for facts in (ended, running)
            ],
        )
    reports = [make_report(Phase.STARTED, ended), make_report(Phase.STARTED, running)]
    await Reading(projector)(placed([*reports, make_report(Phase.SUCCEEDED, ended)]))
    orders = {row["execution_id"]: row["sealed_order"] for row in await rows_of(database, runs)}
    assert orders == {ended.execution_id: None, running.execution_id: b"sealed"}


async def test_what_is_no_report_is_passed_over(database: Database, projector: Projector) -> None:
    garbage = StreamMessage(1, "test", b"\xff", None, 0)
    await projector.absorb([garbage, as_read(2, make_report(Phase.STARTED))], position=0, generation=1)
    assert len(await rows_of(database, executions)) == 1
    [row] = await rows_of(database, bus_state)
    assert row["projector_position"] == 2


async def test_a_second_reader_is_refused_and_leaves_nothing(
    database: Database, projector: Projector
) -> None:
    await Reading(projector)(placed([make_report(Phase.STARTED)]))
    with pytest.raises(PositionMoved):
        await Reading(Projector(database, EventStore(database), utc_now))(
            placed([make_report(Phase.STARTED)])
        )
    assert len(await rows_of(database, executions)) == 1
    assert len(await rows_of(database, attempts)) == 1
