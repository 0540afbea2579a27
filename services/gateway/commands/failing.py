"""Jobs that fail too often in a row are paused, by an ordinary command that the gateway gives itself.

That happens in the transaction in which the last failure is written: who dies in between has written neither, and there
is nothing to catch up with. Jobs that do not ask for it cost one look by their key, and only when they fail.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Row, func, literal, select, union_all
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Select

from services.gateway.commands.own_pauses import pause
from services.gateway.domain.actor import SYSTEM
from services.gateway.store.event_store import Context, EventStore
from services.gateway.store.tables import executions, jobs
from shared.domain.execution import STATUSES_OF, Outcome
from shared.domain.job import Job
from shared.errors import Transient

_FAILED = sorted(STATUSES_OF[Outcome.FAILED])
_ENDED = sorted(STATUSES_OF[Outcome.FAILED] | STATUSES_OF[Outcome.SUCCESS])
"""What was called off says nothing about how the job does."""
_BATCH = 100
"""Jobs in one statement; SQLite takes at most 500 parts."""

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Watched:
    """A job that is paused after so many failures."""

    job: Job
    limit: int


async def pause_failing(
    event_store: EventStore, connection: AsyncConnection, failed: Collection[UUID], now: datetime
) -> bool:
    """Pause those of the jobs whose newest runs since their last change all failed; returns whether there are any.

    In the caller's transaction, which has written the failures; waking the relay is the caller's, after the commit.
    Raises `Transient` when somebody changed such a job at the same time: then everything must be done again.
    """
    watched = await _watched(connection, sorted(failed))
    failing: list[_Watched] = []
    for begin in range(0, len(watched), _BATCH):
        batch = watched[begin : begin + _BATCH]
        query = union_all(*(_failures(one) for one in batch))
        counts = {row.job_id: row.failures for row in await connection.execute(query)}
        failing += [one for one in batch if counts[one.job.id] >= one.limit]
    if not failing:
        return False
    context = Context(actor=SYSTEM.name, at=now, correlation_id=str(uuid4()))
    try:
        await event_store.append(
            connection, [change for one in failing for change in pause(one.job, "failing", context)], context
        )
    except IntegrityError as error:
        raise Transient("a job that fails was changed at the same time") from error
    logger.info("paused jobs that keep failing", action="failing", jobs=[str(one.job.id) for one in failing])
    return True


async def _watched(connection: AsyncConnection, job_ids: Sequence[UUID]) -> list[_Watched]:
    limit = jobs.c.state["pause_after_failures"].as_integer()
    asked = select(jobs.c.state, limit.label("limit")).where(
        jobs.c.id.in_(job_ids), jobs.c.is_active, limit > 0
    )
    rows: Sequence[Row[Any]] = (await connection.execute(asked)).all()
    watched = []
    for row in rows:
        try:
            watched.append(_Watched(Job.model_validate(row.state), row.limit))
        except ValueError as error:
            # A newer gateway has written it: this one must not keep all reports waiting for it.
            job_id = str(row.state.get("id"))
            logger.error("a job cannot be read", action="failing", job=job_id, error=type(error).__name__)
    return watched


def _failures(watched: _Watched) -> Select[Any]:
    """How many of a job's newest runs failed, of as many as count."""
    newest = (
        select(executions.c.status)
        .where(
            executions.c.job_id == watched.job.id,
            executions.c.queued_at >= watched.job.updated_at,
            executions.c.status.in_(_ENDED),
        )
        .order_by(executions.c.queued_at.desc())
        .limit(watched.limit)
        .subquery()
    )
    job_id = literal(watched.job.id, jobs.c.id.type).label("job_id")
    return (
        select(job_id, func.count().label("failures")).select_from(newest).where(newest.c.status.in_(_FAILED))
    )
