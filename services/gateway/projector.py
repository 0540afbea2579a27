"""The projector: reports of executions become rows. Any report can create its row; rows move only upwards in rank."""

from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from sqlalchemy import and_, func, or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.bus_state import move_position
from services.gateway.commands.failing import pause_failing
from services.gateway.store.database import Database
from services.gateway.store.event_store import EventStore
from services.gateway.store.execution_rows import facts_columns
from services.gateway.store.tables import attempts, executions, runs
from shared.bus.envelope import unpack
from shared.bus.reader import StreamMessage
from shared.clock import Clock
from shared.domain.execution import (
    CLOSING_PHASES,
    TERMINAL_PHASES,
    Kind,
    Phase,
    phase_order,
    rank,
    status_of,
)
from shared.events import ExecutionReported, UnreadableEvent

logger = structlog.get_logger()

_MOVES = (
    "status", "rank", "redrive", "attempt", "started_at", "completed_at", "duration_seconds", "response_status",
    "timed_out", "error_message", "output", "is_open", "generation", "report_seq", "job_version",
)  # fmt: skip
_ATTEMPT_MOVES = (
    "phase", "phase_order", "started_at", "completed_at", "duration_seconds", "response_status", "error_message",
    "executor",
)  # fmt: skip
_ENDS = {Kind.MANUAL: TERMINAL_PHASES, Kind.BACKFILL: CLOSING_PHASES}
"""When the order of a run that somebody asked for is kept no longer. With its order a backfill gives up its turn; and it
has nothing of its own, so that one which was lost can be ordered again by its job."""
_FAILURES = frozenset({Phase.FAILED, Phase.DEAD_LETTER, Phase.LOST})


class Projector:
    """Reads EXECUTIONS whole. Rows and position commit together."""

    stream = "EXECUTIONS"
    position_column = "projector_position"

    def __init__(self, database: Database, event_store: EventStore, clock: Clock) -> None:
        self._database = database
        self._event_store = event_store
        self._clock = clock

    async def absorb(self, batch: Sequence[StreamMessage], *, position: int, generation: int) -> None:
        """Write one batch that follows `position`; raises `PositionMoved` when another gateway did."""
        reports: list[tuple[int, ExecutionReported]] = []
        for message in batch:
            try:
                event = unpack(message.body, message.headers).event
            except UnreadableEvent as error:
                logger.error(
                    "unreadable report", action="projector", sequence=message.sequence, error=str(error)
                )
                continue
            if isinstance(event, ExecutionReported):
                reports.append((message.sequence, event))
        async with self._database.write() as connection:
            is_paused = bool(reports) and await self._write(connection, reports)
            await move_position(connection, self.position_column, before=position, after=batch[-1].sequence)
        if is_paused or any(_ends_a_turn(report) for _, report in reports):
            self._event_store.wake()

    async def _write(self, connection: AsyncConnection, reports: list[tuple[int, ExecutionReported]]) -> bool:
        """Write what the reports say; returns whether a job was paused because of it."""
        # Of two alike the first one counts, as it does where they come in two batches.
        upwards = sorted(reports, key=lambda pair: (_rank(pair[1]), -pair[0]))
        newest = {report.facts.execution_id: _execution_row(sequence, report) for sequence, report in upwards}
        insert = self._database.upsert(executions)
        await connection.execute(
            insert.on_conflict_do_update(
                index_elements=["id"],
                set_={name: insert.excluded[name] for name in _MOVES},
                where=or_(
                    executions.c.rank < insert.excluded.rank,
                    # Said again when a new store was seeded: the row must name its place in that one.
                    and_(
                        executions.c.rank == insert.excluded.rank,
                        executions.c.generation < insert.excluded.generation,
                    ),
                ),
            ),
            [newest[key] for key in sorted(newest)],
        )
        tried = {
            (report.facts.execution_id, report.redrive, report.attempt): _attempt_row(report)
            for _, report in upwards
            if report.attempt > 0
        }
        if tried:
            one = self._database.upsert(attempts)
            await connection.execute(
                one.on_conflict_do_update(
                    index_elements=["execution_id", "redrive", "attempt"],
                    set_={name: one.excluded[name] for name in _ATTEMPT_MOVES},
                    where=attempts.c.phase_order < one.excluded.phase_order,
                ),
                [tried[key] for key in sorted(tried)],
            )
        await _erase_orders(connection, (report for _, report in reports))
        failed = {report.facts.job_id for _, report in reports if report.phase in _FAILURES}
        return bool(failed) and await pause_failing(self._event_store, connection, failed, self._clock())


def _ends_a_turn(report: ExecutionReported) -> bool:
    """Whether the next backfill of the job may go."""
    return report.facts.kind is Kind.BACKFILL and report.phase in CLOSING_PHASES


async def _erase_orders(connection: AsyncConnection, reports: Iterable[ExecutionReported]) -> None:
    ended = [
        report.facts.execution_id for report in reports if report.phase in _ENDS.get(report.facts.kind, ())
    ]
    if ended:
        # It has run, so it was published, even where the relay could not note that.
        published = func.coalesce(runs.c.published_seq, 0)
        await connection.execute(
            update(runs)
            .where(runs.c.execution_id.in_(ended))
            .values(sealed_order=None, published_seq=published)
        )


def _rank(report: ExecutionReported) -> int:
    return rank(report.redrive, report.attempt, report.phase)


def _execution_row(sequence: int, report: ExecutionReported) -> dict[str, Any]:
    return {
        **facts_columns(report.facts),
        "status": status_of(report.phase).value,
        "rank": _rank(report),
        "redrive": report.redrive,
        "attempt": report.attempt,
        "started_at": report.started_at,
        "completed_at": report.at if report.phase in CLOSING_PHASES else None,
        "duration_seconds": report.duration_seconds,
        "response_status": report.response_status,
        "timed_out": report.timed_out,
        "error_message": report.error,
        "output": report.output,
        "is_open": report.phase not in CLOSING_PHASES,
        "generation": report.generation,
        "report_seq": sequence,
    }


def _attempt_row(report: ExecutionReported) -> dict[str, Any]:
    return {
        "execution_id": report.facts.execution_id,
        "redrive": report.redrive,
        "attempt": report.attempt,
        "phase": report.phase.value,
        "phase_order": phase_order(report.phase),
        "started_at": report.started_at,
        "completed_at": None if report.phase is Phase.STARTED else report.at,
        "duration_seconds": report.duration_seconds,
        "response_status": report.response_status,
        "error_message": report.error,
        "executor": report.executor,
    }
