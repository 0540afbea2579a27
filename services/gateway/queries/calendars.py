"""Calendars: as they are listed, who follows them, and which ones the texts in a job mean."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain.calendar import MAX_CALENDARS, CalendarNotFound, in_order
from services.gateway.domain.job import InvalidJob
from services.gateway.domain.slug import slugify
from services.gateway.queries.history import Recorded, recorded
from services.gateway.store.aggregates import CALENDARS
from services.gateway.store.database import Database
from services.gateway.store.tables import calendars, job_calendars, jobs
from shared.domain.calendar import Calendar
from shared.domain.schedule import CalendarUse

_TITLE = "Invalid calendar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Followers:
    """The jobs that follow a calendar: how many there are, and some of them by name."""

    count: int
    shown: tuple[tuple[UUID, str], ...]
    """Ids and names."""


async def list_calendars(database: Database) -> list[tuple[Calendar, int]]:
    """All calendars by name, each with the number of jobs that follow it."""
    count = (
        select(job_calendars.c.calendar_id, func.count().label("jobs_count"))
        .group_by(job_calendars.c.calendar_id)
        .subquery()
    )
    counted = select(calendars, func.coalesce(count.c.jobs_count, 0).label("jobs_count")).outerjoin(
        count, count.c.calendar_id == calendars.c.id
    )
    async with database.read() as connection:
        rows = (await connection.execute(counted)).all()
    # The databases do not agree on which letters are alike.
    rows = sorted(rows, key=lambda row: (row.name.casefold(), row.slug))
    return [(_calendar(row), row.jobs_count) for row in rows]


async def calendar_id_of(database: Database, text: str) -> UUID:
    """The id of the calendar with this id or this slug; raises `CalendarNotFound`.

    What is written like an id is taken for one, even if there is no such calendar (any more).
    """
    with suppress(ValueError):
        if str(given := UUID(text)) == text.lower():
            return given
    async with database.read() as connection:
        found: UUID | None = await connection.scalar(select(calendars.c.id).where(calendars.c.slug == text))
    if found is None:
        raise CalendarNotFound(text)
    return found


async def get_calendar(database: Database, calendar_id: UUID, *, limit: int) -> tuple[Calendar, Followers]:
    """A calendar and up to `limit` of the jobs that follow it; raises `CalendarNotFound`."""
    async with database.read() as connection:
        row = (await connection.execute(select(calendars).where(calendars.c.id == calendar_id))).first()
        if row is None:
            raise CalendarNotFound(calendar_id)
        return _calendar(row), await followers_of(connection, calendar_id, limit=limit)


async def jobs_count(database: Database, calendar_id: UUID) -> int:
    """How many jobs follow a calendar."""
    async with database.read() as connection:
        return await _count(connection, calendar_id)


async def followers_of(connection: AsyncConnection, calendar_id: UUID, *, limit: int) -> Followers:
    """The jobs that follow a calendar."""
    by_name = (
        select(jobs.c.id, jobs.c.name)
        .join(job_calendars, job_calendars.c.job_id == jobs.c.id)
        .where(job_calendars.c.calendar_id == calendar_id)
        .order_by(jobs.c.name, jobs.c.id)
        .limit(limit)
    )
    shown = (await connection.execute(by_name)).all()
    return Followers(
        count=await _count(connection, calendar_id),
        shown=tuple((row.id, row.name) for row in shown),
    )


async def calendar_history(
    database: Database, calendar_id: UUID, *, limit: int, before_version: int | None
) -> tuple[int, Sequence[Recorded]]:
    """How many changes there are of a calendar that is there or was deleted, and some of them, newest first.

    Raises `CalendarNotFound` when there never was one.
    """
    total, changes = await recorded(
        database, CALENDARS.name, calendar_id, limit=limit, before_version=before_version
    )
    if not total:
        raise CalendarNotFound(calendar_id)
    return total, changes


async def resolve_calendars(connection: AsyncConnection, names: Iterable[str]) -> tuple[CalendarUse, ...]:
    """The calendars that slugs or names mean, as a job carries them; raises `InvalidJob`.

    None of them changes before the transaction ends.
    """
    wanted = list(names)
    if not wanted:
        return ()
    known = (await connection.execute(_oldest_first())).all()
    meant = {_meant(text, known) for text in wanted}
    if len(meant) > MAX_CALENDARS:
        raise InvalidJob(f"A job follows at most {MAX_CALENDARS} calendars", title=_TITLE)
    uses = await present_calendars(connection, meant)
    if len(uses) < len(meant):
        raise InvalidJob("A calendar was deleted just now.", title=_TITLE)
    return uses


async def present_calendars(connection: AsyncConnection, ids: Iterable[UUID]) -> tuple[CalendarUse, ...]:
    """Those of the calendars that are there, as a job carries them. None of them changes before the transaction ends."""
    # In one order everywhere. Whoever is changing one comes first; the row says what it is then.
    held = select(calendars).where(calendars.c.id.in_(list(ids))).order_by(calendars.c.id)
    rows = (await connection.execute(held.with_for_update(read=True))).all()
    return in_order(tuple(_calendar(row).use for row in rows))


async def _count(connection: AsyncConnection, calendar_id: UUID) -> int:
    following = select(func.count()).where(job_calendars.c.calendar_id == calendar_id)
    return await connection.scalar(following) or 0


def _oldest_first() -> Select[Any]:
    named = select(calendars.c.id, calendars.c.slug, calendars.c.name)
    return named.order_by(calendars.c.created_at, calendars.c.id)


def _meant(text: str, rows: Sequence[Row[Any]]) -> UUID:
    """The one with the slug, or else the oldest one with the name."""
    slug, name = slugify(text), text.strip().casefold()
    found = [row for row in rows if row.slug == slug] or [row for row in rows if row.name.casefold() == name]
    if not found:
        raise InvalidJob(f'There is no calendar "{text.strip()}".', title=_TITLE)
    calendar_id: UUID = found[0].id
    return calendar_id


def _calendar(row: Row[Any]) -> Calendar:
    return Calendar.model_validate(row, from_attributes=True)
