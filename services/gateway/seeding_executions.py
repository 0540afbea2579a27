"""The part of seeding that is about executions: what must run again, what must not be decided twice."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import structlog
from nats.js.api import PubAck
from sqlalchemy import Row, and_, func, literal_column, select, union
from sqlalchemy.sql import Select

from services.gateway.ledger import wait_named
from services.gateway.relay import open_order, pack_trigger
from services.gateway.store.database import Database
from services.gateway.store.execution_rows import facts_of
from services.gateway.store.tables import attempts, events, executions, jobs, runs
from services.gateway.store.tables.executions import RANGES
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing, pack
from shared.clock import Clock
from shared.domain.execution import Kind, Phase, Status
from shared.domain.ids import again_message_id, decision_message_id, report_message_id
from shared.domain.job import Job
from shared.events import ExecutionReported, InstantSettled, RunFacts, RunTriggered, RunWaiting
from shared.secretbox import SecretBox, UnknownKey

PAGE = 500
BUS_WAS_LOST = "The message bus lost its store: whether this attempt called its target is not known"

logger = structlog.get_logger()

_unknown_attempts = (
    select(func.count())
    .where(attempts.c.execution_id == executions.c.id, attempts.c.phase == Phase.UNKNOWN.value)
    .scalar_subquery()
)
with_orders = (
    select(
        executions,
        events.c.data["job"].label("job_state"),
        jobs.c.is_active.label("job_is_active"),
        runs.c.execution_id,
        runs.c.sealed_order,
        _unknown_attempts.label("unknown_attempts"),
    )
    .outerjoin(
        events,
        and_(events.c.aggregate_id == executions.c.job_id, events.c.version == executions.c.job_version),
    )
    .outerjoin(jobs, jobs.c.id == executions.c.job_id)
    .outerjoin(runs, runs.c.execution_id == executions.c.id)
)
"""Executions with all that their orders are made from."""
is_published = ~and_(runs.c.execution_id.is_not(None), runs.c.published_seq.is_(None))
"""Not those that the relay has yet to publish."""
_open_ids = select(executions.c.id).where(executions.c.is_open)
# Found apart, so that the order does not lead SQLite through all that has ended.
_open = with_orders.where(executions.c.id.in_(_open_ids), is_published).order_by(executions.c.id).limit(PAGE)


class ExecutionSeeds:
    """Publishes unfinished executions again and settled instants as settled."""

    def __init__(self, database: Database, bus: Bus, box: SecretBox, clock: Clock) -> None:
        self._database = database
        self._bus = bus
        self._box = box
        self._clock = clock

    async def publish(self, generation: int, undecided_since: datetime) -> None:
        """Everything that the new generation must know of executions; raises `Transient` when the bus fails."""
        async for rows in self._pages(_open):
            waiting = [self._waiting(row, generation) for row in rows if _waits(row)]
            await self._publish_all([message for message in waiting if message is not None])
            begun = [row for row in rows if not _waits(row)]
            # Reports first: the claim of the next attempt looks at them.
            await self._publish_all([self._last_report(row, generation) for row in begun])
            cancelled = [row for row in begun if is_called_off(row)]
            await self._publish_all(
                [self._settled(row, generation) for row in cancelled if row.planned_at is not None]
            )
            orders = [self.order(row, generation) for row in begun if not is_called_off(row)]
            await self._publish_all([again(order, generation) for order in orders if order is not None])
        async for rows in self._pages(_settled_since(undecided_since)):
            await self._publish_all([self._settled(row, generation) for row in rows])

    async def _pages(self, query: Select[Any]) -> AsyncIterator[Sequence[Row[Any]]]:
        page = query
        while True:
            async with self._database.read() as connection:
                rows = (await connection.execute(page)).all()
            if not rows:
                return
            yield rows
            page = query.where(executions.c.id > rows[-1].id)

    async def _publish_all(self, messages: Sequence[Outgoing]) -> None:
        for ack in await self._bus.publish_all(messages):
            if not isinstance(ack, PubAck):
                raise ack

    def _last_report(self, row: Row[Any], generation: int) -> Outgoing:
        """Where the execution stands: cancelled, or its last attempt (the first, if it may have begun) unknown."""
        phase = Phase.CANCELLED if is_called_off(row) else Phase.UNKNOWN
        attempt = row.attempt if phase is Phase.CANCELLED else max(row.attempt, 1)
        message_id = report_message_id(row.id, row.redrive, attempt, phase)
        already_unknown = row.status == Status.UNKNOWN.value
        report = ExecutionReported(
            phase=phase,
            facts=facts_of(row),
            redrive=row.redrive,
            attempt=attempt,
            at=self._clock(),
            started_at=row.started_at,
            unknown_count=row.unknown_attempts + (0 if already_unknown else 1),
            error=reason_to_cancel(row) if phase is Phase.CANCELLED else BUS_WAS_LOST,
            generation=generation,
        )
        return pack(
            report,
            subject=subjects.execution(row.job_id, row.id),
            source="gateway",
            event_id=message_id,
            time=report.at,
            message_id=message_id,
        )

    def order(self, row: Row[Any], generation: int) -> RunTriggered | None:
        """What a row of `with_orders` is to run.

        None where that cannot be read here: it is sealed with an unknown key, or a newer gateway has written the job.
        """
        try:
            if row.sealed_order is None:
                return _order_of_version(row, generation)
            order = open_order(self._box, row)
        except (UnknownKey, ValueError) as error:
            logger.error(
                "a run cannot be read", action="again", execution=str(row.id), error=type(error).__name__
            )
            return None
        return order.model_copy(update={"generation": generation, "redrive": row.redrive})

    def _waiting(self, row: Row[Any], generation: int) -> Outgoing | None:
        """A planned instant that still waits; the leader releases it, or cancels it where its job is gone or paused."""
        order = self.order(row, generation)
        if order is None:
            return None
        event = RunWaiting(order=order, reason=wait_named(row.reason))
        message_id = decision_message_id(row.job_id, row.planned_at)
        return pack(
            event,
            subject=subjects.decision(row.job_id),
            source="gateway",
            event_id=message_id,
            time=self._clock(),
            message_id=message_id,
        )

    def _settled(self, row: Row[Any], generation: int) -> Outgoing:
        event = InstantSettled(
            job_id=row.job_id,
            execution_id=row.id,
            planned_at=row.planned_at,
            to=row.planned_to if row.planned_count > 1 else None,
            job_version=row.job_version,
            generation=generation,
        )
        message_id = decision_message_id(row.job_id, row.planned_at)
        return pack(
            event,
            subject=subjects.decision(row.job_id),
            source="gateway",
            event_id=message_id,
            time=self._clock(),
            message_id=message_id,
        )


def _order_of_version(row: Row[Any], generation: int) -> RunTriggered:
    """The order to run the version of the job that an execution names; `job_state` is that version."""
    job = Job.model_validate(row.job_state)
    facts = RunFacts.of(job, row.id, Kind(row.kind), row.queued_at, row.planned_at)
    facts = facts.model_copy(update={"not_before": row.not_before, "backfills": row.backfills})
    return RunTriggered.of(job, facts, generation, row.redrive)


def again(order: RunTriggered, generation: int, count: int = 1) -> Outgoing:
    """The trigger of an execution whose message is gone: with its generation, or out of its stream."""
    message_id = again_message_id(order.facts.execution_id, generation, count)
    return pack_trigger(order, message_id=message_id, source="gateway")


def _settled_since(instant: datetime) -> Select[Any]:
    """The closed rows of planned instants later than that, of ranges also where only their end is."""
    begin_later = select(executions.c.id).where(executions.c.planned_at > instant)
    end_later = select(executions.c.id).where(literal_column(RANGES), executions.c.planned_to > instant)
    return (
        select(executions)
        .where(executions.c.id.in_(union(begin_later, end_later)), ~executions.c.is_open)
        .order_by(executions.c.id)
        .limit(PAGE)
    )


def _waits(row: Row[Any]) -> bool:
    """Whether the leader has yet to say when it runs; a backfill that waits for its turn waits in the outbox."""
    return bool(row.status == Status.WAITING.value and row.planned_at is not None)


def is_called_off(row: Row[Any]) -> bool:
    """Whether it must not run any more."""
    return reason_to_cancel(row) is not None


def reason_to_cancel(row: Row[Any]) -> str | None:
    """Why a row of `with_orders` must not run any more; None where it may."""
    if row.job_is_active is None:
        return "The job was deleted before it ran"
    if not row.job_is_active and row.kind == Kind.SCHEDULED.value:
        return "The job was paused before it ran"
    return None
