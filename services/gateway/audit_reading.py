"""What the auditor reads: pages of jobs with the versions that were in force within a window, and the rows of that time."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

import structlog
from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, and_, case, exists, extract, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain.audit import Range, Tally, Version
from services.gateway.store.database import Database
from services.gateway.store.event_store import stored_event
from services.gateway.store.tables import events, executions, jobs
from services.gateway.store.tables.executions import RANGES
from shared.domain.job import Job
from shared.domain.schedule import InvalidSchedule, Schedule
from shared.events import JobDeleted, JobEvent

CLOCK_ERROR = timedelta(minutes=10)
"""By how much a version may come into force after its change was recorded: two gateways' clocks may disagree."""
PAGE = 500
CHANGES = 20
"""Changes that are read at a time."""
UNREADABLE = (InvalidSchedule, ZoneInfoNotFoundError, ValueError)
"""What comes of a schedule or a change that a newer gateway has written."""

_SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Window:
    """(after, until], as known in a generation of the store."""

    after: datetime
    until: datetime
    generation: int

    @property
    def changed_since(self) -> datetime:
        """Changes that were recorded before it came into force before the window."""
        return self.after - CLOCK_ERROR


@dataclass(slots=True)
class Audited:
    """What one job planned, and what it has rows for."""

    versions: list[Version] = field(default_factory=list)
    single: Tally = field(default_factory=Tally)
    ranges: list[Range] = field(default_factory=list)


async def pages_of_jobs(database: Database, window: Window) -> AsyncIterator[list[UUID]]:
    """All jobs that may have planned something: those that are active or changed, and those that were deleted."""
    last: UUID | None = None
    query = (
        select(jobs.c.id)
        .where(or_(jobs.c.is_active, jobs.c.updated_at > window.changed_since))
        .order_by(jobs.c.id)
        .limit(PAGE)
    )
    while True:
        page = query if last is None else query.where(jobs.c.id > last)
        async with database.read() as connection:
            ids = list((await connection.scalars(page)).all())
        if not ids:
            break
        last = ids[-1]
        yield ids
    gone = select(events.c.aggregate_id).where(
        events.c.aggregate == "job",
        events.c.recorded_at > window.changed_since,
        events.c.type == "job.deleted",
    )
    async with database.read() as connection:
        ids = sorted(set((await connection.scalars(gone)).all()))
    for start in range(0, len(ids), PAGE):
        yield ids[start : start + PAGE]


async def is_covered(connection: AsyncConnection, window: Window, events_seq: int) -> bool:
    """Whether the newest checkpoint covers every change of a job that may plan something within the window."""
    of_jobs = (events.c.aggregate == "job", events.c.recorded_at <= window.until)
    # Nothing else in its condition: SQLite would look through all changes there ever were instead.
    unpublished = select(func.count(case((and_(*of_jobs), 1)))).where(events.c.published_seq.is_(None))
    if await connection.scalar(unpublished):
        return False
    later = exists().where(
        events.c.recorded_at > window.changed_since, events.c.published_seq > events_seq, *of_jobs
    )
    return not await connection.scalar(select(later))


async def read_jobs(connection: AsyncConnection, ids: Sequence[UUID], window: Window) -> dict[UUID, Audited]:
    """Versions and rows of a page of jobs. Their states come first: a change in between is among the events then."""
    audited: defaultdict[UUID, Audited] = defaultdict(Audited)
    states = select(
        jobs.c.id, jobs.c.version, jobs.c.is_active, jobs.c.state["schedule"].label("schedule")
    ).where(jobs.c.id.in_(ids))
    newest: dict[UUID, Any] = {row.id: row for row in (await connection.execute(states)).all()}
    changes = (
        select(events)
        .where(
            events.c.aggregate_id.in_(ids),
            events.c.aggregate == "job",
            events.c.recorded_at > window.changed_since,
        )
        .order_by(events.c.aggregate_id, events.c.version)
    )
    unreadable: set[UUID] = set()
    # One that carries calendars is long, and each change of a calendar is one of all jobs that follow it.
    async with connection.stream(changes) as streamed:
        async for rows in streamed.partitions(CHANGES):
            unreadable |= await asyncio.to_thread(_follow_all, rows, audited)
    for job_id, row in newest.items():
        if not audited[job_id].versions and row.is_active:
            audited[job_id].versions.append(Version(row.version, window.after, _schedule(row)))
    await _read_rows(connection, ids, window, audited)
    return {job_id: one for job_id, one in audited.items() if job_id not in unreadable}


async def single_instants(connection: AsyncConnection, job_id: UUID, window: Window) -> Sequence[datetime]:
    """Those of the window that have a row each."""
    query = select(executions.c.planned_at).where(
        executions.c.job_id == job_id, _within(window), executions.c.planned_count == 1
    )
    return (await connection.scalars(query)).all()


async def _read_rows(
    connection: AsyncConnection, ids: Sequence[UUID], window: Window, audited: dict[UUID, Audited]
) -> None:
    seconds = func.sum(extract("epoch", executions.c.planned_at))
    tallies = (
        select(executions.c.job_id, func.count().label("instants"), seconds.label("seconds"))
        .where(executions.c.job_id.in_(ids), _within(window))
        .group_by(executions.c.job_id)
    )
    for row in (await connection.execute(tallies)).all():
        audited[row.job_id].single = Tally(row.instants, int(row.seconds))
    ranges = select(executions.c.job_id, executions.c.planned_at, executions.c.planned_to).where(
        executions.c.job_id.in_(ids),
        literal_column(RANGES),
        executions.c.planned_to > window.after,
        executions.c.planned_at <= window.until,
    )
    for row in (await connection.execute(ranges)).all():
        one = audited[row.job_id]
        one.ranges.append(Range(row.planned_at, row.planned_to))
        if row.planned_at > window.after:
            one.single = one.single.without(Tally.of([row.planned_at]))


def _within(window: Window) -> ColumnElement[bool]:
    return and_(executions.c.planned_at > window.after, executions.c.planned_at <= window.until)


def _schedule(row: Row[Any]) -> Schedule | None:
    try:
        return _SCHEDULE.validate_python(row.schedule)
    except UNREADABLE as error:
        logger.error("a schedule cannot be read", action="audit", job=str(row.id), error=repr(error))
        return None


def _follow_all(rows: Sequence[Row[Any]], audited: defaultdict[UUID, Audited]) -> set[UUID]:
    """Put the changes behind those before them; returns the jobs of those that cannot be read."""
    unreadable: set[UUID] = set()
    for row in rows:
        try:
            _follow(audited[row.aggregate_id].versions, stored_event(row))
        except UNREADABLE as error:
            logger.error("a change cannot be read", action="audit", event=str(row.id), error=str(error))
            unreadable.add(row.aggregate_id)
    return unreadable


def _follow(versions: list[Version], event: object) -> None:
    """Put a change behind those before it; the first one says what was in force until then, too."""
    if not isinstance(event, JobEvent):
        return
    if not versions and event.before is not None:
        versions.append(_version(event.before))
    if isinstance(event, JobDeleted):
        versions.append(Version(event.version, event.effective_at, None))
    elif event.job is not None:
        versions.append(_version(event.job))


def _version(job: Job) -> Version:
    return Version(job.version, job.effective_at, job.schedule if job.is_active else None)
