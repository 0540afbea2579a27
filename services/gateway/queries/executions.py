"""Reading executions: what ran, what did not, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain.job import JobNotFound
from services.gateway.queries.period import ALWAYS, Period
from services.gateway.store.database import Database
from services.gateway.store.tables import attempts, executions, jobs
from shared.domain.execution import Kind, Status
from shared.errors import NotFound


class ExecutionNotFound(NotFound):
    """There is no such execution, or the job has none such."""

    title = "Execution not found"

    def __init__(self, execution_id: UUID) -> None:
        super().__init__(f"No execution found with ID: {execution_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFilter:
    """Which executions; what is not given does not matter."""

    job_id: UUID | None = None
    statuses: frozenset[Status] = frozenset()
    kind: Kind | None = None
    target_kind: str | None = None
    period: Period = ALWAYS
    """By the instant at which they were decided or asked for: that of an execution never changes."""

    def conditions(self, *, with_statuses: bool = True) -> list[ColumnElement[bool]]:
        """What a row must fulfil."""
        conditions = self.period.conditions(executions.c.queued_at)
        if self.job_id is not None:
            conditions.append(executions.c.job_id == self.job_id)
        if self.statuses and with_statuses:
            conditions.append(executions.c.status.in_(sorted(self.statuses)))
        if self.kind is not None:
            conditions.append(executions.c.kind == self.kind.value)
        if self.target_kind is not None:
            conditions.append(executions.c.target_kind == self.target_kind)
        return conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class JobExecutions:
    """Some of a job's executions, newest first, and how many match."""

    job_name: str
    total: int
    rows: Sequence[Row[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionDetail:
    """One execution with its attempts in their order."""

    row: Row[Any]
    attempts: Sequence[Row[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobExecutionDetail(ExecutionDetail):
    """One execution of a job, which may have another name by now."""

    job_name: str


async def list_job_executions(
    database: Database, job_id: UUID, wanted: ExecutionFilter, limit: int
) -> JobExecutions:
    """A job's executions by the instant at which they were decided or asked for; raises `JobNotFound`."""
    conditions = [executions.c.job_id == job_id, *wanted.conditions()]
    newest_first = (
        select(executions)
        .where(*conditions)
        .order_by(executions.c.queued_at.desc(), executions.c.planned_at.desc().nulls_last(), executions.c.id)
        .limit(limit)
    )
    async with database.read() as connection:
        job_name = await name_of_job(connection, job_id)
        total = await connection.scalar(select(func.count()).select_from(executions).where(*conditions))
        rows = (await connection.execute(newest_first)).all()
    return JobExecutions(job_name=job_name, total=total or 0, rows=rows)


async def get_job_execution(database: Database, job_id: UUID, execution_id: UUID) -> JobExecutionDetail:
    """One execution of a job; raises `JobNotFound` and `ExecutionNotFound`."""
    async with database.read() as connection:
        job_name = await name_of_job(connection, job_id)
        row, tried = await _row_and_attempts(connection, execution_id)
    if row.job_id != job_id:
        raise ExecutionNotFound(execution_id)
    return JobExecutionDetail(job_name=job_name, row=row, attempts=tried)


async def get_execution(database: Database, execution_id: UUID) -> ExecutionDetail:
    """One execution of any job, also of one that was deleted; raises `ExecutionNotFound`."""
    async with database.read() as connection:
        row, tried = await _row_and_attempts(connection, execution_id)
    return ExecutionDetail(row=row, attempts=tried)


async def name_of_job(connection: AsyncConnection, job_id: UUID) -> str:
    """The name that a job has now; raises `JobNotFound`."""
    name: str | None = await connection.scalar(select(jobs.c.name).where(jobs.c.id == job_id))
    if name is None:
        raise JobNotFound(job_id)
    return name


async def _row_and_attempts(
    connection: AsyncConnection, execution_id: UUID
) -> tuple[Row[Any], Sequence[Row[Any]]]:
    one = select(executions).where(executions.c.id == execution_id)
    tried = (
        select(attempts)
        .where(attempts.c.execution_id == execution_id)
        .order_by(attempts.c.redrive, attempts.c.attempt)
    )
    row = (await connection.execute(one)).first()
    if row is None:
        raise ExecutionNotFound(execution_id)
    return row, (await connection.execute(tried)).all()
