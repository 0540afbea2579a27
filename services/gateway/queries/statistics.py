"""How executions ended, counted and averaged."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.queries.executions import ExecutionFilter, name_of_job
from services.gateway.store.database import Database
from services.gateway.store.tables import executions
from shared.domain.execution import RUN_OUTCOMES, STATUSES_OF, Outcome, Status, outcome_of

_RUNS = frozenset().union(*(STATUSES_OF[outcome] for outcome in RUN_OUTCOMES))
_PERCENT_DIGITS = 2
_SECONDS_DIGITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What became of some executions. What never ran is counted, but is none of the total."""

    success: int
    failed: int
    running: int
    missed: int
    skipped: int
    cancelled: int
    average_duration_seconds: float | None
    """Of the newest attempts of the runs that ended; None where there are none."""

    @property
    def total(self) -> int:
        """All that runs, or ran to its end."""
        return self.success + self.failed + self.running

    @property
    def success_rate(self) -> float:
        """How many of the total succeeded, in percent; 0 where there are none."""
        return round(self.success / self.total * 100, _PERCENT_DIGITS) if self.total else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatistics:
    """A job's statistics and its newest run, whatever became of it."""

    job_name: str
    statistics: Statistics
    latest: Row[Any] | None


async def execution_statistics(database: Database, wanted: ExecutionFilter) -> Statistics:
    """Statistics of the executions of all jobs, also of those that were deleted."""
    async with database.read() as connection:
        return await _statistics(connection, wanted)


async def job_statistics(database: Database, job_id: UUID) -> JobStatistics:
    """Statistics of one job; raises `JobNotFound`."""
    of_job = ExecutionFilter(job_id=job_id, statuses=_RUNS)
    newest = (
        select(executions)
        .where(*of_job.conditions())
        .order_by(executions.c.queued_at.desc(), executions.c.planned_at.desc().nulls_last(), executions.c.id)
        .limit(1)
    )
    async with database.read() as connection:
        return JobStatistics(
            job_name=await name_of_job(connection, job_id),
            statistics=await _statistics(connection, ExecutionFilter(job_id=job_id)),
            latest=(await connection.execute(newest)).first(),
        )


async def _statistics(connection: AsyncConnection, wanted: ExecutionFilter) -> Statistics:
    """One pass over an index; no row is read."""
    statuses = sorted(wanted.statuses or Status)
    by_status = (
        select(
            executions.c.status,
            func.count().label("number"),
            func.count(executions.c.duration_seconds).label("measured"),
            func.sum(executions.c.duration_seconds).label("seconds"),
        )
        # All of them, if need be: so that the index that begins with the status can be entered at the period.
        .where(executions.c.status.in_(statuses), *wanted.conditions(with_statuses=False))
        .group_by(executions.c.status)
    )
    return _summed((await connection.execute(by_status)).all())


def _summed(rows: Iterable[Row[Any]]) -> Statistics:
    counts = dict.fromkeys(Outcome, 0)
    measured, seconds = 0, 0.0
    for row in rows:
        outcome = outcome_of(Status(row.status))
        counts[outcome] += row.number
        if outcome in (Outcome.SUCCESS, Outcome.FAILED):
            measured += row.measured
            seconds += row.seconds or 0.0
    return Statistics(
        **{outcome.value: count for outcome, count in counts.items()},
        average_duration_seconds=round(seconds / measured, _SECONDS_DIGITS) if measured else None,
    )
