"""Planned instants that wait although the leader knows nothing of them: it would never let them run.

A leader's `decisions_seq` stays before the oldest decision that it has yet to carry out. One that stands before that place, or
nowhere, and waits all the same was stored late by a leader of another generation, or is gone from the stream. What was
promised is kept here then: it runs, or is cancelled where its job is gone or paused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, and_, or_, select
from sqlalchemy.sql import Select

from services.gateway.housekeeping import read_checkpoint
from services.gateway.metrics import Metrics
from services.gateway.relay import pack_trigger
from services.gateway.seeding_executions import ExecutionSeeds, reason_to_cancel, with_orders
from services.gateway.store.database import Database
from services.gateway.store.tables import bus_state, executions
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing, pack, unpack
from shared.clock import Clock
from shared.domain.execution import Status
from shared.domain.ids import released_message_id
from shared.events import RunCancelled, RunWaiting, UnreadableEvent

PATIENCE = timedelta(minutes=5)
"""So long after its slot, or after it was decided, an instant that waits is looked after."""
PAGE = 200
MAX_DECISIONS = 200
"""Of one job, to look through for those that wait; behind more than these one cannot tell."""

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a leader had carried out all decisions, and how far the stream reached after it had said so."""

    decisions_seq: int
    last_seq: int


def waiting_since(bound: datetime) -> Select[Any]:
    """The instants, with their orders, that wait since before then, and whose slot has come by then; the oldest first."""
    return (
        with_orders.where(
            executions.c.status == Status.WAITING.value,
            executions.c.queued_at < bound,
            # A backfill waits in the outbox.
            executions.c.planned_at.is_not(None),
            or_(executions.c.not_before.is_(None), executions.c.not_before < bound),
        )
        .order_by(executions.c.queued_at, executions.c.id)
        .limit(PAGE)
    )


class ForgottenWaits:
    """Looks through the instants that wait; one gateway does."""

    def __init__(
        self, database: Database, bus: Bus, seeds: ExecutionSeeds, metrics: Metrics, clock: Clock
    ) -> None:
        self._database = database
        self._bus = bus
        self._seeds = seeds
        self._metrics = metrics
        self._clock = clock
        self._noted: _Place | None = None
        self._after: tuple[datetime, UUID] | None = None

    async def look(self, generation: int) -> None:
        """One look; raises `Transient` or nats-py's errors when bus or database fail.

        It judges by what it noted the time before: whatever was let run until then is in the ledger by now.
        """
        noted, self._noted = self._noted, await self._place(generation)
        if noted is None or self._noted is None:
            return
        rows = await self._waiting(noted)
        known: dict[UUID, frozenset[UUID] | None] = {}
        for row in rows:
            if row.job_id not in known:
                known[row.job_id] = await self._known(row.job_id, noted, generation)
            waits = known[row.job_id]
            if waits is not None and row.id not in waits:
                await self._resolve(row, generation)

    async def _place(self, generation: int) -> _Place | None:
        checkpoint = await read_checkpoint(self._bus)
        if checkpoint is None or checkpoint.generation != generation:
            return None
        info = await self._bus.js.stream_info(subjects.TRIGGERS)
        return _Place(checkpoint.decisions_seq, info.state.last_seq)

    async def _waiting(self, noted: _Place) -> Sequence[Row[Any]]:
        """The next of those that wait for long, once the ledger has read as far as was noted."""
        query = waiting_since(self._clock() - PATIENCE)
        if self._after is not None:
            queued_at, id_ = self._after
            same = and_(executions.c.queued_at == queued_at, executions.c.id > id_)
            query = query.where(or_(executions.c.queued_at > queued_at, same))
        async with self._database.read() as connection:
            position = await connection.scalar(select(bus_state.c.ledger_position)) or 0
            if position < noted.last_seq:
                return []
            rows: Sequence[Row[Any]] = (await connection.execute(query)).all()
        self._after = (rows[-1].queued_at, rows[-1].id) if len(rows) == PAGE else None
        return rows

    async def _known(self, job_id: UUID, noted: _Place, generation: int) -> frozenset[UUID] | None:
        """Executions of the job whose waiting the leader knows of; None when that cannot be told."""
        found: set[UUID] = set()
        place = noted.decisions_seq
        for _ in range(MAX_DECISIONS):
            message = await self._bus.next(subjects.TRIGGERS, subjects.decision(job_id), place + 1)
            if message is None:
                return frozenset(found)
            place = message.seq or place + 1
            try:
                event = unpack(message.data or b"", message.headers).event
            except UnreadableEvent as error:
                logger.error("unreadable decision", action="forgotten", sequence=place, error=str(error))
                return None
            if isinstance(event, RunWaiting) and event.generation == generation:
                found.add(event.order.facts.execution_id)
        return None

    async def _resolve(self, row: Row[Any], generation: int) -> None:
        called_off = reason_to_cancel(row)
        if called_off is None:
            order = self._seeds.order(row, generation)
            if order is None:
                return
            message = pack_trigger(order, message_id=released_message_id(row.id), source="gateway")
            self._metrics.republished.inc()
        else:
            message = self._cancelled(row, called_off, generation)
        # Under the id that a leader would use: should one know of it after all, only one of the two is stored.
        await self._bus.publish(message)
        logger.warning(
            "nobody would have let it run", action="forgotten", execution=str(row.id), reason=called_off
        )

    def _cancelled(self, row: Row[Any], reason: str, generation: int) -> Outgoing:
        now, message_id = self._clock(), released_message_id(row.id)
        event = RunCancelled(
            job_id=row.job_id,
            job_version=row.job_version,
            job_name=row.job_name,
            account_id=row.account_id,
            owner_id=row.owner_id,
            execution_id=row.id,
            from_=row.planned_at,
            to=row.planned_at,
            reason=reason,
            target_kind=row.target_kind,
            target_label=row.target_label,
            queue=row.queue,
            decided_at=now,
            generation=generation,
        )
        return pack(
            event,
            subject=subjects.decision(row.job_id),
            source="gateway",
            event_id=message_id,
            time=now,
            message_id=message_id,
        )
