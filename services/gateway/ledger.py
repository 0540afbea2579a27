"""The ledger: every decision on a planned instant becomes a row, in the order of the stream; the first one counts."""

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.bus_state import move_position
from services.gateway.store.database import Database
from services.gateway.store.execution_rows import queued_columns
from services.gateway.store.tables import bus_state, executions
from shared.bus.envelope import unpack
from shared.bus.reader import StreamMessage
from shared.domain.execution import Phase, Status, rank
from shared.events import CheckpointReached, InstantsMissed, RunTriggered, UnreadableEvent

logger = structlog.get_logger()


class Ledger:
    """Reads TRIGGERS whole. Rows, position and `ledgered_until` commit together."""

    stream = "TRIGGERS"
    position_column = "ledger_position"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def absorb(self, batch: Sequence[StreamMessage], *, position: int, generation: int) -> None:
        """Write one batch that follows `position`; raises `PositionMoved` when another gateway did."""
        rows: list[dict[str, Any]] = []
        reached: CheckpointReached | None = None
        for message in batch:
            try:
                event = unpack(message.body, message.headers).event
            except UnreadableEvent as error:
                logger.error(
                    "unreadable decision", action="ledger", sequence=message.sequence, error=str(error)
                )
                continue
            if isinstance(event, RunTriggered):
                rows.append(queued_columns(event.facts, event.redrive, event.generation))
            elif isinstance(event, InstantsMissed):
                rows.append(_missed_row(event))
            elif isinstance(event, CheckpointReached) and event.generation == generation:
                reached = event
        async with self._database.write() as connection:
            if rows:
                # In one order everywhere: the projector writes the same rows beside it.
                rows.sort(key=lambda row: row["id"])
                await connection.execute(self._database.upsert(executions).on_conflict_do_nothing(), rows)
            if reached is not None:
                await _note_checkpoint(connection, reached)
            await move_position(connection, self.position_column, before=position, after=batch[-1].sequence)


async def _note_checkpoint(connection: AsyncConnection, reached: CheckpointReached) -> None:
    await connection.execute(
        update(bus_state)
        .where(bus_state.c.ledgered_until <= reached.until)
        .values(ledgered_until=reached.until, ledgered_events_seq=reached.events_seq)
    )


def _missed_row(event: InstantsMissed) -> dict[str, Any]:
    return {
        "id": event.execution_id,
        "job_id": event.job_id,
        "account_id": event.account_id,
        "owner_id": event.owner_id,
        "job_name": event.job_name,
        "job_version": event.job_version,
        "kind": "scheduled",
        "queue": event.queue,
        "target_kind": event.target_kind,
        "target_label": event.target_label,
        "planned_at": event.from_,
        "planned_to": event.to,
        "planned_count": event.count,
        "reason": event.reason,
        "into_execution_id": event.into,
        "queued_at": event.decided_at,
        "status": Status.MISSED.value,
        "rank": rank(0, 0, Phase.QUEUED),
        "is_open": False,
        "generation": event.generation,
    }
