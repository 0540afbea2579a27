"""What active jobs plan in a period, worked out in a thread: there may be a hundred thousand of them."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, select

from services.gateway.domain.planned import Planned, planned
from services.gateway.domain.planned_jobs import PlannedJob
from services.gateway.queries.jobs import JobFilter
from services.gateway.queries.period import InvalidDateRange, Period
from services.gateway.store.database import Database
from services.gateway.store.tables import jobs
from shared.domain.schedule import END_OF_TIME, EPOCH, LAST_YEAR, Schedule
from shared.errors import RuleViolation

MAX_PERIOD = timedelta(days=31)
DEFAULT_PERIOD = timedelta(hours=24)

_SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)
# One at a time, in the whole process: it is pure computing, and nobody is in a hurry.
_worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="planned")


class PeriodTooLong(RuleViolation):
    """More than a month."""

    title = InvalidDateRange.title

    def __init__(self) -> None:
        super().__init__(f"The period must have at most {MAX_PERIOD.days} days.")


class PeriodOutOfTime(RuleViolation):
    """Nothing is planned so early or so late."""

    title = InvalidDateRange.title

    def __init__(self) -> None:
        super().__init__(f"The period must lie in the years {EPOCH.year} to {LAST_YEAR}.")


async def planned_between(
    database: Database, wanted: JobFilter, start: datetime, end: datetime, limit: int
) -> tuple[int, Planned]:
    """How many active jobs match, and what they plan in [start, end)."""
    found = select(
        jobs.c.id,
        jobs.c.name,
        jobs.c.state["schedule"].as_string().label("schedule"),
        jobs.c.state["effective_at"].as_string().label("effective_at"),
    ).where(jobs.c.is_active, *wanted.conditions())
    async with database.read() as connection:
        rows = (await connection.execute(found)).all()
    work = asyncio.get_running_loop().run_in_executor(_worker, _planned, rows, start, end, limit)
    return len(rows), await work


def period_from(asked: Period, now: datetime) -> tuple[datetime, datetime]:
    """The period that is meant: by default the next day.

    Raises `InvalidDateRange`, `PeriodOutOfTime` and `PeriodTooLong`.
    """
    start = asked.start or now
    if not EPOCH <= start < END_OF_TIME:
        raise PeriodOutOfTime
    end = asked.end or start + DEFAULT_PERIOD
    if end <= start:
        raise InvalidDateRange
    if end - start > MAX_PERIOD:
        raise PeriodTooLong
    return start, end


def _planned(rows: Sequence[Row[Any]], start: datetime, end: datetime, limit: int) -> Planned:
    schedules: dict[str, Schedule] = {}
    found = []
    for row in rows:
        if row.schedule not in schedules:
            schedules[row.schedule] = _SCHEDULE.validate_json(row.schedule)
        found.append(
            PlannedJob(
                id=row.id,
                name=row.name,
                schedule=schedules[row.schedule],
                effective_at=datetime.fromisoformat(row.effective_at).astimezone(UTC),
            )
        )
    return planned(found, start, end, limit)
