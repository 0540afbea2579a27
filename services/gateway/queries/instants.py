"""Planned instants of one job as a backfill sees them: which did not run, which somebody made up for, which a pause left out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain.backfill import MAX_COUNTED, NotRun, Stretch
from services.gateway.store.aggregates import JOBS
from services.gateway.store.event_store import stored_event
from services.gateway.store.tables import events, executions
from services.gateway.store.tables.executions import NOT_RUN, RANGES
from shared.domain.execution import OPEN_STATUSES, Status
from shared.domain.schedule import Schedule
from shared.events import JobEvent

_MADE_UP = sorted(OPEN_STATUSES | {Status.SUCCESS})
"""What a backfill must be, or become, to make up for its instant."""


async def rows_not_run(
    connection: AsyncConnection, job_id: UUID, statuses: frozenset[Status], begin: datetime, end: datetime
) -> list[NotRun]:
    """The job's rows with one of the statuses that begin before `end` and do not end before `begin`."""
    of_job = (executions.c.job_id == job_id, executions.c.status.in_(sorted(statuses)))
    columns = (
        executions.c.planned_at,
        executions.c.planned_to,
        executions.c.planned_count,
        executions.c.job_version,
    )
    single = (
        select(*columns)
        .where(
            *of_job,
            literal_column(NOT_RUN),
            executions.c.planned_at >= begin,
            executions.c.planned_at < end,
            executions.c.planned_count == 1,
        )
        .order_by(executions.c.planned_at)
        .limit(2 * MAX_COUNTED)
    )
    ranges = select(*columns).where(*of_job, *ranges_within(begin, end))
    found = [*(await connection.execute(single)).all(), *(await connection.execute(ranges)).all()]
    return [
        NotRun(
            first=row.planned_at,
            last=row.planned_to or row.planned_at,
            count=row.planned_count,
            job_version=row.job_version,
        )
        for row in found
    ]


def ranges_within(begin: datetime, end: datetime) -> list[ColumnElement[bool]]:
    """What a row that stands for many instants must fulfil to have some between `begin` and just before `end`."""
    # Written out, as the condition of the index is.
    is_range: ColumnElement[bool] = literal_column(RANGES)
    return [is_range, executions.c.planned_to >= begin, executions.c.planned_at < end]


async def schedules_of(
    connection: AsyncConnection, job_id: UUID, versions: Sequence[int]
) -> dict[int, Schedule]:
    """The schedules of these versions of a job that is there or was deleted."""
    if not versions:
        return {}
    wanted = select(events).where(
        events.c.aggregate_id == job_id, events.c.aggregate == JOBS.name, events.c.version.in_(versions)
    )
    return {
        row.version: event.current.schedule
        for row in await connection.execute(wanted)
        if isinstance(event := stored_event(row), JobEvent)
    }


async def made_up(
    connection: AsyncConnection, job_id: UUID, begin: datetime, end: datetime
) -> frozenset[datetime]:
    """The instants for which there is a backfill that has not failed."""
    found = select(executions.c.backfills).where(
        executions.c.job_id == job_id,
        executions.c.backfills >= begin,
        executions.c.backfills < end,
        executions.c.status.in_(_MADE_UP),
    )
    return frozenset((await connection.execute(found)).scalars())


async def paused_stretches(connection: AsyncConnection, job_id: UUID, until: datetime) -> list[Stretch]:
    """The versions of the pause that a job is in, in their order; none where it is active."""
    of_job = (events.c.aggregate_id == job_id, events.c.aggregate == JOBS.name)
    # That of a deletion has no job, and is no pause either.
    is_active = events.c.data["job"]["is_active"].as_boolean()
    before = (
        select(events.c.version)
        .where(*of_job, is_active.is_not(False))
        .order_by(events.c.version.desc())
        .limit(1)
        .scalar_subquery()
    )
    paused = (
        select(events)
        .where(*of_job, events.c.version > func.coalesce(before, 0))
        .order_by(events.c.version.desc())
    )
    return _stretches((await connection.execute(paused)).all(), until)


def _stretches(rows: Sequence[Row[Any]], until: datetime) -> list[Stretch]:
    found: list[Stretch] = []
    end = until
    for row in rows:
        event = stored_event(row)
        if isinstance(event, JobEvent) and event.job is not None:
            found.append(Stretch(schedule=event.job.schedule, begin=event.job.effective_at, end=end))
            end = event.job.effective_at
    return found[::-1]
