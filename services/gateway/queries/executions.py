"""Reading executions: what ran, what did not, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from services.gateway.domain.job import JobNotFound
from services.gateway.queries.period import Period
from services.gateway.store.database import Database
from services.gateway.store.tables import attempts, executions, jobs
from shared.domain.execution import Kind, Status
from shared.errors import NotFound


class ExecutionNotFound(NotFound):
    """The job has no such execution."""

    title = "Execution not found"

    def __init__(self, execution_id: UUID) -> None:
        super().__init__(f"No execution found with ID: {execution_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFilter:
    """Which executions of a job, and how many of them."""

    limit: int
    statuses: frozenset[Status]
    """Empty: all."""
    kind: Kind | None
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class JobExecutions:
    """Some of a job's executions, newest first, and how many match."""

    job_name: str
    total: int
    rows: Sequence[Row[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionDetail:
    """One execution with its attempts in their order."""

    job_name: str
    row: Row[Any]
    attempts: Sequence[Row[Any]]


async def list_job_executions(database: Database, job_id: UUID, wanted: ExecutionFilter) -> JobExecutions:
    """A job's executions by the instant at which they were decided or asked for; raises `JobNotFound`."""
    conditions = [executions.c.job_id == job_id, *wanted.period.conditions(executions.c.queued_at)]
    if wanted.statuses:
        conditions.append(executions.c.status.in_(sorted(status.value for status in wanted.statuses)))
    if wanted.kind is not None:
        conditions.append(executions.c.kind == wanted.kind.value)
    newest_first = (
        select(executions)
        .where(*conditions)
        .order_by(executions.c.queued_at.desc(), executions.c.planned_at.desc().nulls_last(), executions.c.id)
        .limit(wanted.limit)
    )
    async with database.read() as connection:
        job_name = await connection.scalar(select(jobs.c.name).where(jobs.c.id == job_id))
        if job_name is None:
            raise JobNotFound(job_id)
        total = await connection.scalar(select(func.count()).select_from(executions).where(*conditions))
        rows = (await connection.execute(newest_first)).all()
    return JobExecutions(job_name=job_name, total=total or 0, rows=rows)


async def get_job_execution(database: Database, job_id: UUID, execution_id: UUID) -> ExecutionDetail:
    """One execution of a job; raises `JobNotFound` and `ExecutionNotFound`."""
    one = select(executions).where(executions.c.id == execution_id, executions.c.job_id == job_id)
    tried = (
        select(attempts)
        .where(attempts.c.execution_id == execution_id)
        .order_by(attempts.c.redrive, attempts.c.attempt)
    )
    async with database.read() as connection:
        job_name = await connection.scalar(select(jobs.c.name).where(jobs.c.id == job_id))
        if job_name is None:
            raise JobNotFound(job_id)
        row = (await connection.execute(one)).first()
        if row is None:
            raise ExecutionNotFound(execution_id)
        return ExecutionDetail(job_name=job_name, row=row, attempts=(await connection.execute(tried)).all())
