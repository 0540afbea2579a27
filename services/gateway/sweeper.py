"""The sweeper: executions that nobody works on any more, although their rows are open.

What began and was not heard of for longer than its longest timeout is reported `lost`. What never began is published again
once its trigger is gone from the stream: claims make a second run of it harmless, and a lost one would never run.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError
from sqlalchemy import Row, and_, or_

from services.gateway.forgotten import ForgottenWaits
from services.gateway.metrics import Metrics
from services.gateway.seeding_executions import (
    ExecutionSeeds,
    again,
    is_published,
    reason_to_cancel,
    with_orders,
)
from services.gateway.store.database import Database
from services.gateway.store.execution_rows import facts_of
from services.gateway.store.tables import executions
from shared.bus import subjects
from shared.bus.connect import Bus, WrongLastSequence
from shared.bus.envelope import pack, unpack
from shared.bus.fence import Fence
from shared.clock import Clock
from shared.domain.execution import Phase, Status, phase_order, rank
from shared.domain.ids import report_message_id
from shared.domain.job import MAX_TIMEOUT_SECONDS
from shared.errors import Transient
from shared.events import ExecutionReported, RunTriggered, UnreadableEvent
from shared.observability import BUS_FAILURES

LOOK = 30.0  # seconds
SILENCE = timedelta(seconds=MAX_TIMEOUT_SECONDS + 60)
"""No attempt takes this long, nor does the report of its end."""
PAGE = 200
MAX_TRIGGERS = 50
"""Of one job, to look through for a trigger; behind more than these it waits in any case."""
MAX_AGAIN = 3
"""An order that was published so often and never claimed cannot be carried out."""
NOT_HEARD_OF = "Nothing was heard of this attempt for longer than it may take"
NEVER_CLAIMED = "It was published several times, and no executor began it"

_STARTED = phase_order(Phase.STARTED)
_PHASES = 16
"""What ranks count in (`shared.domain.execution.rank`)."""

logger = structlog.get_logger()


class Sweeper:
    """Looks through open executions; one gateway does."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        fence: Fence,
        seeds: ExecutionSeeds,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._database = database
        self._bus = bus
        self._fence = fence
        self._seeds = seeds
        self._forgotten = ForgottenWaits(database, bus, seeds, metrics, clock)
        self._metrics = metrics
        self._clock = clock
        self._published: Counter[UUID] = Counter()
        """How often this process has published what."""
        self._places: dict[Status, tuple[datetime, UUID] | None] = {}
        """Where the next look at those of a status begins."""

    async def run(self, generation: int) -> None:
        """Look every half minute, for ever, while the fence holds the generation."""
        while True:
            try:
                if self._fence.holds(generation):
                    await self.sweep(generation)
            except (Transient, *BUS_FAILURES) as error:
                logger.warning("the sweeper waits", action="sweep", error=repr(error))
            await asyncio.sleep(LOOK)

    async def sweep(self, generation: int) -> None:
        """One look; raises `Transient` or nats-py's errors when bus or database fail."""
        for row in await self._silent():
            await self._close(row, Phase.LOST, NOT_HEARD_OF, generation)
        waiting: dict[tuple[str, UUID], set[UUID] | None] = {}
        for status in (Status.QUEUED, Status.UNKNOWN):
            for row in await self._page(status):
                where = (row.queue, row.job_id)
                if where not in waiting:
                    waiting[where] = await self._triggers_ahead(*where, generation)
                ahead = waiting[where]
                if ahead is not None and row.id not in ahead:
                    await self._take_up(row, generation)
        await self._forgotten.look(generation)

    async def _silent(self) -> Sequence[Row[Any]]:
        """Those whose newest report says that an attempt began, long ago."""
        bound = self._clock() - SILENCE
        query = (
            with_orders.where(
                executions.c.status == Status.RUNNING.value,
                # Nothing begins before it was queued: this much the index knows.
                executions.c.queued_at < bound,
                executions.c.started_at < bound,
                executions.c.rank % _PHASES == _STARTED,
            )
            .order_by(executions.c.queued_at)
            .limit(PAGE)
        )
        async with self._database.read() as connection:
            return (await connection.execute(query)).all()

    async def _page(self, status: Status) -> Sequence[Row[Any]]:
        """The next of those that have had a trigger for long and have not ended."""
        query = with_orders.where(
            executions.c.status == status.value,
            executions.c.queued_at < self._clock() - SILENCE,
            is_published,
        )
        if (place := self._places.get(status)) is not None:
            queued_at, id_ = place
            same = and_(executions.c.queued_at == queued_at, executions.c.id > id_)
            query = query.where(or_(executions.c.queued_at > queued_at, same))
        async with self._database.read() as connection:
            ordered = query.order_by(executions.c.queued_at, executions.c.id).limit(PAGE)
            rows = (await connection.execute(ordered)).all()
        self._places[status] = (rows[-1].queued_at, rows[-1].id) if len(rows) == PAGE else None
        return rows

    async def _triggers_ahead(self, queue: str, job_id: UUID, generation: int) -> set[UUID] | None:
        """Executions of the job whose triggers the queue has yet to acknowledge; None when that cannot be told."""
        try:
            consumer = await self._bus.js.consumer_info(subjects.TRIGGERS, subjects.executor_durable(queue))
        except NotFoundError:
            return None
        place = (consumer.ack_floor.stream_seq if consumer.ack_floor else 0) or 0
        found: set[UUID] = set()
        for _ in range(MAX_TRIGGERS):
            message = await self._bus.next(subjects.TRIGGERS, subjects.trigger(queue, job_id), place + 1)
            if message is None:
                return found
            place = message.seq or place + 1
            order = _read(message)
            if isinstance(order, RunTriggered) and order.generation == generation:
                found.add(order.facts.execution_id)
        return None

    async def _take_up(self, row: Row[Any], generation: int) -> None:
        """Let it run, or end it: nothing in the stream will."""
        if row.status == Status.UNKNOWN.value and row.started_at is not None:
            if row.started_at < self._clock() - SILENCE:
                await self._close(row, Phase.LOST, NOT_HEARD_OF, generation)
            return
        called_off = reason_to_cancel(row)
        if called_off is not None:
            await self._close(row, Phase.CANCELLED, called_off, generation)
        elif self._published[row.id] >= MAX_AGAIN:
            await self._close(row, Phase.LOST, NEVER_CLAIMED, generation)
        else:
            await self._publish_again(row, generation)

    async def _publish_again(self, row: Row[Any], generation: int) -> None:
        last, _ = await self._last_report(row)
        if last is not None and _rank(last) > row.rank:
            return
        order = self._seeds.order(row, generation)
        if order is None:
            return
        self._published[row.id] += 1
        # The first one is for what a new generation publishes.
        await self._bus.publish(again(order, generation, 1 + self._published[row.id]))
        self._metrics.republished.inc()
        logger.warning("published again: its trigger was gone", action="sweep", execution=str(row.id))

    async def _close(self, row: Row[Any], phase: Phase, reason: str, generation: int) -> None:
        """Report the end, unless somebody has reported anything since."""
        last, expected = await self._last_report(row)
        if last is not None and _rank(last) > row.rank:
            return
        report = _end_of(row, last, phase, reason, self._clock(), generation)
        message = pack(
            report,
            subject=subjects.execution(row.job_id, row.id),
            source="gateway",
            event_id=report_message_id(row.id, report.redrive, report.attempt, phase),
            time=report.at,
            expected_last=expected,
        )
        try:
            await self._bus.publish(message)
        except WrongLastSequence:
            logger.info("it was heard of after all", action="sweep", execution=str(row.id))
            return
        self._published.pop(row.id, None)
        if phase is Phase.LOST:
            self._metrics.lost.inc()
        logger.warning("closed", action="sweep", execution=str(row.id), phase=phase.value, reason=reason)

    async def _last_report(self, row: Row[Any]) -> tuple[ExecutionReported | None, int]:
        """The newest report on the execution and its place."""
        subject = subjects.execution(row.job_id, row.id)
        message = await self._bus.last(subjects.EXECUTIONS, subject)
        if message is None:
            return None, 0
        report = _read(message)
        return report if isinstance(report, ExecutionReported) else None, message.seq or 0


def _end_of(
    row: Row[Any],
    last: ExecutionReported | None,
    phase: Phase,
    reason: str,
    now: datetime,
    generation: int,
) -> ExecutionReported:
    unseen = 1 if last is not None and last.phase is Phase.STARTED else 0
    return ExecutionReported(
        phase=phase,
        facts=last.facts if last is not None else facts_of(row),
        redrive=row.redrive,
        attempt=row.attempt,
        at=now,
        started_at=row.started_at,
        unknown_count=(last.unknown_count if last is not None else row.unknown_attempts) + unseen,
        error=reason,
        generation=generation,
    )


def _rank(report: ExecutionReported) -> int:
    return rank(report.redrive, report.attempt, report.phase)


def _read(message: RawStreamMsg) -> object:
    try:
        return unpack(message.data or b"", message.headers).event
    except UnreadableEvent as error:
        logger.error("unreadable message", action="sweep", sequence=message.seq, error=str(error))
        return None
