"""The ledger: every decision on a planned instant becomes a row, in the order of the stream; the first one counts.

Only an instant that waits is decided once more: it runs, or it is cancelled after all.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import and_, case, func, or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.bus_state import move_position
from services.gateway.store.database import Database
from services.gateway.store.execution_rows import queued_columns
from services.gateway.store.tables import bus_state, executions
from shared.bus.envelope import unpack
from shared.bus.reader import StreamMessage
from shared.domain.execution import WAITING_RANK, Kind, Phase, Status, rank
from shared.events import (
    AnyEvent,
    CheckpointReached,
    InstantsMissed,
    InstantsNotRun,
    InstantsSkipped,
    RunCancelled,
    RunTriggered,
    RunWaiting,
    UnreadableEvent,
)

Wait: TypeAlias = Literal["spread", "overlap", "catch_up"]
WAITS_FOR: dict[Wait, str] = {
    "spread": "The job's runs are spread: it begins at its slot",
    "overlap": "Another run of the job had not ended",
    "catch_up": "The scheduler was down: what was due meanwhile runs one after another",
}
"""Why a planned instant waits, as people read it; it stays true when the wait is over."""

_RELEASED = (
    "status", "rank", "redrive", "is_open", "generation", "job_version", "completed_at", "into_execution_id",
)  # fmt: skip
"""What a decision on an instant that waited changes, beside the reason where it has one."""
_END_OF_WAIT = (Status.QUEUED.value, Status.CANCELLED.value)
_WAITED = (Status.WAITING.value, Status.QUEUED.value)
_RUNS: dict[str, Any] = {"completed_at": None, "redrive": 0}

logger = structlog.get_logger()


def wait_named(reason: str | None) -> Wait:
    """For what an instant waits whose row has this reason."""
    return next((wait for wait, text in WAITS_FOR.items() if text == reason), "overlap")


class Ledger:
    """Reads TRIGGERS whole. Rows, position and `ledgered_until` commit together."""

    stream = "TRIGGERS"
    position_column = "ledger_position"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def absorb(self, batch: Sequence[StreamMessage], *, position: int, generation: int) -> None:
        """Write one batch that follows `position`; raises `PositionMoved` when another gateway did."""
        rows: dict[UUID, dict[str, Any]] = {}
        reached: CheckpointReached | None = None
        for event in _events_of(batch):
            if isinstance(event, CheckpointReached):
                reached = event if event.generation == generation else reached
            elif (row := _row_of(event)) is not None:
                rows[row["id"]] = _decided(rows.get(row["id"]), row)
        async with self._database.write() as connection:
            if rows:
                await self._write(connection, rows)
            if reached is not None:
                await _note_checkpoint(connection, reached)
            await move_position(connection, self.position_column, before=position, after=batch[-1].sequence)

    async def _write(self, connection: AsyncConnection, rows: dict[UUID, dict[str, Any]]) -> None:
        insert = self._database.upsert(executions)
        decided = insert.excluded.status
        ends_the_wait = and_(
            executions.c.rank == WAITING_RANK, or_(*(decided == one for one in _END_OF_WAIT))
        )
        # A report that was read before the decision has made the row, and does not know for what the run had waited.
        says_why = and_(
            executions.c.report_seq > 0,
            executions.c.reason.is_(None),
            or_(*(decided == one for one in _WAITED)),
            insert.excluded.reason.is_not(None),
        )
        released = {
            name: case((ends_the_wait, insert.excluded[name]), else_=executions.c[name]) for name in _RELEASED
        }
        await connection.execute(
            insert.on_conflict_do_update(
                index_elements=["id"],
                set_={**released, "reason": func.coalesce(insert.excluded.reason, executions.c.reason)},
                where=or_(ends_the_wait, says_why),
            ),
            # In one order everywhere: the projector writes the same rows beside it.
            [rows[key] for key in sorted(rows)],
        )


def _events_of(batch: Sequence[StreamMessage]) -> Iterator[AnyEvent]:
    for message in batch:
        try:
            yield unpack(message.body, message.headers).event
        except UnreadableEvent as error:
            logger.error("unreadable decision", action="ledger", sequence=message.sequence, error=str(error))


def _row_of(event: AnyEvent) -> dict[str, Any] | None:
    """The row that a decision makes; None for what is none. All have the same columns."""
    match event:
        case RunTriggered():
            return {**queued_columns(event.facts, event.redrive, event.generation), **_RUNS}
        case RunWaiting(order=order):
            waits = {"status": Status.WAITING.value, "rank": WAITING_RANK, "reason": WAITS_FOR[event.reason]}
            return {**queued_columns(order.facts, 0, order.generation), **_RUNS, **waits}
        case InstantsMissed():
            return _row_of_not_run(event, Status.MISSED, Phase.QUEUED)
        case InstantsSkipped():
            return _row_of_not_run(event, Status.SKIPPED, Phase.QUEUED)
        case RunCancelled():
            row = _row_of_not_run(event, Status.CANCELLED, Phase.CANCELLED)
            return {**row, "completed_at": event.decided_at}
        case _:
            return None


def _decided(first: dict[str, Any] | None, row: dict[str, Any]) -> dict[str, Any]:
    """What two decisions on one instant make of it: the second one counts only if the instant waited."""
    if first is None:
        return row
    if first["rank"] != WAITING_RANK or row["status"] not in _END_OF_WAIT:
        return first
    return {**first, **{name: row[name] for name in _RELEASED}, "reason": row["reason"] or first["reason"]}


def _row_of_not_run(event: InstantsNotRun, status: Status, phase: Phase) -> dict[str, Any]:
    return {
        "id": event.execution_id,
        "job_id": event.job_id,
        "account_id": event.account_id,
        "owner_id": event.owner_id,
        "job_name": event.job_name,
        "job_version": event.job_version,
        "kind": Kind.SCHEDULED.value,
        "queue": event.queue,
        "target_kind": event.target_kind,
        "target_label": event.target_label,
        "planned_at": event.from_,
        "planned_to": event.to,
        "planned_count": event.count,
        "not_before": None,
        "backfills": None,
        "reason": event.reason,
        "into_execution_id": event.into,
        "queued_at": event.decided_at,
        "status": status.value,
        "rank": rank(0, 0, phase),
        "redrive": 0,
        "is_open": False,
        "generation": event.generation,
        "completed_at": None,
    }


async def _note_checkpoint(connection: AsyncConnection, reached: CheckpointReached) -> None:
    await connection.execute(
        update(bus_state)
        .where(bus_state.c.ledgered_until <= reached.until)
        .values(ledgered_until=reached.until, ledgered_events_seq=reached.events_seq)
    )
