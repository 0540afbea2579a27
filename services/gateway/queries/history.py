"""Who changed a thing, when, and from what to what: its events, which outlive it."""

import asyncio
from collections.abc import Sequence
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
from shared.events import DomainEvent, JobCreated

SYSTEM_NAME = "system"
_USER_PREFIX = "user:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One event of a thing, and who caused it."""

    version: int
    type: str
    at: datetime
    actor_id: UUID | None
    actor_name: str
    event: DomainEvent


async def job_history(
    database: Database, job_id: UUID, *, limit: int, before_version: int | None
) -> tuple[int, Sequence[Recorded]]:
    """How many changes there are of a job that is there or was deleted, and some of them, newest first.

    Raises `JobNotFound` when there never was one.
    """
    total, changes = await recorded(database, JOBS.name, job_id, limit=limit, before_version=before_version)
    if not total:
        raise JobNotFound(job_id)
    return total, changes


async def recorded(
    database: Database, aggregate: str, aggregate_id: UUID, *, limit: int, before_version: int | None
) -> tuple[int, Sequence[Recorded]]:
    """How many events of a thing there are, and some of them, newest first."""
    of_thing = (events.c.aggregate_id == aggregate_id, events.c.aggregate == aggregate)
    newest_first = select(events).where(*of_thing).order_by(events.c.version.desc()).limit(limit)
    if before_version is not None:
        newest_first = newest_first.where(events.c.version < before_version)
    async with database.read() as connection:
        total = await connection.scalar(select(func.count()).select_from(events).where(*of_thing)) or 0
        rows = (await connection.execute(newest_first)).all()
        actors = {actor_id for row in rows if (actor_id := _actor_id(row)) is not None}
        named = await connection.execute(select(users.c.id, users.c.username).where(users.c.id.in_(actors)))
        names: dict[UUID, str] = {row.id: row.username for row in named}
    # A job carries its calendars: some hundred changes of it are a lot to read.
    return total, await asyncio.to_thread(_all_recorded, rows, names)


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


def _all_recorded(rows: Sequence[Row[Any]], names: dict[UUID, str]) -> list[Recorded]:
    return [_recorded(row, names) for row in rows]


def _recorded(row: Row[Any], names: dict[UUID, str]) -> Recorded:
    actor_id = _actor_id(row)
    # A user who is gone is still told apart from others.
    name = names.get(actor_id, str(actor_id)) if actor_id is not None else SYSTEM_NAME
    return Recorded(
        version=row.version,
        type=row.type,
        at=row.recorded_at,
        actor_id=actor_id,
        actor_name=name,
        event=stored_event(row),
    )


def _actor_id(row: Row[Any]) -> UUID | None:
    actor: str = row.actor
    return UUID(actor.removeprefix(_USER_PREFIX)) if actor.startswith(_USER_PREFIX) else None
