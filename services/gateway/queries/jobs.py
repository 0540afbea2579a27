"""Reading jobs: the row, and when its newest run started."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Row, func, select
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


class SortBy(StrEnum):
    """What a list may be sorted by."""

    NAME = "name"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs, and in which order; what is None does not matter."""

    search: str | None = None
    category: str | None = None
    pic_team: str | None = None
    is_active: bool | None = None
    owner_id: UUID | None = None
    target_kind: str | None = None
    sort_by: SortBy = SortBy.CREATED_AT
    descending: bool = True

    def conditions(self) -> list[ColumnElement[bool]]:
        """What a row must fulfil."""
        wanted = {
            jobs.c.category: self.category,
            jobs.c.pic_team: self.pic_team,
            jobs.c.is_active: self.is_active,
            jobs.c.owner_id: self.owner_id,
            jobs.c.target_kind: self.target_kind,
        }
        conditions = [column == value for column, value in wanted.items() if value is not None]
        if self.search is not None:
            conditions.append(jobs.c.name.icontains(self.search, autoescape=True))
        return conditions

    def order(self) -> tuple[ColumnElement[Any], Column[UUID]]:
        """The order, in which no two jobs are equal."""
        column = jobs.c[self.sort_by.value]
        return (column.desc() if self.descending else column.asc(), jobs.c.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list; the first page has the number 1."""

    number: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """Jobs, and how many match."""

    jobs: list[JobView]
    total: int


async def list_jobs(database: Database, wanted: JobFilter, page: Page | None) -> JobList:
    """The jobs that match: all of them, or a page."""
    conditions = wanted.conditions()
    listed = _jobs().where(*conditions).order_by(*wanted.order())
    if page is not None:
        listed = listed.limit(page.size).offset((page.number - 1) * page.size)
    async with database.read() as connection:
        rows = (await connection.execute(listed)).all()
        total = len(rows)
        if page is not None:
            counted = select(func.count()).select_from(jobs).where(*conditions)
            total = await connection.scalar(counted) or 0
    return JobList(jobs=await asyncio.to_thread(_views, rows), total=total)


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


def _views(rows: Sequence[Row[Any]]) -> list[JobView]:
    return [_view(row) for row in rows]


def _view(row: Row[Any]) -> JobView:
    return JobView(job=Job.model_validate(row.state), last_execution_at=row.last_execution_at)
