"""Who changed a job, when, and from what to what: its events, which outlive it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from services.gateway.domain.job import JobNotFound
from services.gateway.store.aggregates import JOBS
from services.gateway.store.database import Database
from services.gateway.store.event_store import stored_event
from services.gateway.store.tables import events, users
from shared.domain.job import Job
from shared.events import JobCreated, JobEvent

SYSTEM_NAME = "system"
_USER_PREFIX = "user:"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChange:
    """One change of a job. Before its creation and after its deletion there is no state."""

    version: int
    type: str
    at: datetime
    actor_id: UUID | None
    actor_name: str
    before: Job | None
    after: Job | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHistory:
    """Some of a job's changes, newest first, and how many there are."""

    total: int
    changes: list[JobChange]


async def job_history(
    database: Database, job_id: UUID, *, limit: int, before_version: int | None
) -> JobHistory:
    """The changes of a job that is there or was deleted; raises `JobNotFound` when there never was one."""
    of_job = (events.c.aggregate_id == job_id, events.c.aggregate == JOBS.name)
    newest_first = select(events).where(*of_job).order_by(events.c.version.desc()).limit(limit)
    if before_version is not None:
        newest_first = newest_first.where(events.c.version < before_version)
    async with database.read() as connection:
        total = await connection.scalar(select(func.count()).select_from(events).where(*of_job))
        rows = (await connection.execute(newest_first)).all()
        actors = {actor_id for row in rows if (actor_id := _actor_id(row)) is not None}
        named = await connection.execute(select(users.c.id, users.c.username).where(users.c.id.in_(actors)))
        names: dict[UUID, str] = {row.id: row.username for row in named}
    if not total:
        raise JobNotFound(job_id)
    return JobHistory(total=total, changes=[_change(row, names) for row in rows])


async def job_as_created(database: Database, job_id: UUID) -> Job:
    """The job as its creation left it, whatever has become of it; raises `JobNotFound`."""
    first = select(events).where(
        events.c.aggregate_id == job_id, events.c.aggregate == JOBS.name, events.c.version == 1
    )
    async with database.read() as connection:
        row = (await connection.execute(first)).first()
    event = stored_event(row) if row is not None else None
    if not isinstance(event, JobCreated):
        raise JobNotFound(job_id)
    return event.job


def _change(row: Row[Any], names: dict[UUID, str]) -> JobChange:
    event = stored_event(row)
    actor_id = _actor_id(row)
    # A user who is gone is still told apart from others.
    name = names.get(actor_id, str(actor_id)) if actor_id is not None else SYSTEM_NAME
    return JobChange(
        version=row.version,
        type=row.type,
        at=row.recorded_at,
        actor_id=actor_id,
        actor_name=name,
        before=event.before if isinstance(event, JobEvent) else None,
        after=event.job if isinstance(event, JobEvent) else None,
    )


def _actor_id(row: Row[Any]) -> UUID | None:
    actor: str = row.actor
    return UUID(actor.removeprefix(_USER_PREFIX)) if actor.startswith(_USER_PREFIX) else None
