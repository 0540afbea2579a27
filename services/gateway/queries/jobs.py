"""Reading jobs: the row, and when its newest run started."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.sql import Select

from services.gateway.domain.job import JobNotFound
from services.gateway.store.database import Database
from services.gateway.store.tables import executions, jobs
from shared.domain.job import Job

NEWEST = 20
"""Of a job's runs in the order in which they were asked for, the one that started last is among this many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job and what its executions say of it."""

    job: Job
    last_execution_at: datetime | None


async def list_jobs(database: Database) -> list[JobView]:
    """All jobs, newest first."""
    newest_first = _jobs().order_by(jobs.c.created_at.desc(), jobs.c.id)
    async with database.read() as connection:
        return [_view(row) for row in await connection.execute(newest_first)]


async def get_job(database: Database, job_id: UUID) -> JobView:
    """One job; raises `JobNotFound`."""
    async with database.read() as connection:
        row = (await connection.execute(_jobs().where(jobs.c.id == job_id))).first()
    if row is None:
        raise JobNotFound(job_id)
    return _view(row)


async def last_execution_at(database: Database, job_id: UUID) -> datetime | None:
    """When the job's newest run started."""
    async with database.read() as connection:
        last: datetime | None = await connection.scalar(
            select(_last_started()).select_from(jobs).where(jobs.c.id == job_id)
        )
    return last


def _jobs() -> Select[Any]:
    return select(jobs.c.state, _last_started().label("last_execution_at"))


def _last_started() -> ColumnElement[datetime | None]:
    """For each job a short walk down the index of its executions, however many there are."""
    newest = (
        select(executions.c.started_at)
        .where(executions.c.job_id == jobs.c.id, executions.c.started_at.is_not(None))
        .order_by(executions.c.queued_at.desc())
        .limit(NEWEST)
        .correlate(jobs)
        .subquery()
    )
    return select(func.max(newest.c.started_at, type_=executions.c.started_at.type)).scalar_subquery()


def _view(row: Row[Any]) -> JobView:
    return JobView(job=Job.model_validate(row.state), last_execution_at=row.last_execution_at)
