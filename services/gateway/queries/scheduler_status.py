"""Who schedules and how far: the schedulers' own word from the bus, and what stands in SQL."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.gateway import Gateway
from services.gateway.store.read_models import count_active_jobs
from services.gateway.store.tables import bus_state, executions, jobs
from shared.bus.instances import Instance, NextJob, Schedulers, look_at_schedulers
from shared.domain.execution import Status
from shared.errors import Transient

PATIENCE = 1.0  # seconds

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStatus:
    """What was found. While the bus is out of reach: no schedulers, and nobody leads as far as can be told."""

    is_expected: bool
    is_running: bool
    """Whether somebody holds the leaders' lease."""
    leader: Instance | None
    """None also for the moment until a new leader has told of itself."""
    instances: list[Instance]
    decided_until: datetime | None
    ledgered_until: datetime | None
    lag_seconds: float | None
    """How far the record lies behind now."""
    total_jobs: int
    active_jobs: int
    running_jobs: int
    next_job: NextJob | None
    """As the leader last told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recorded:
    """What SQL knows."""

    ledgered_until: datetime | None
    total_jobs: int
    active_jobs: int
    running_jobs: int


async def read_scheduler_status(gateway: Gateway) -> SchedulerStatus:
    """Ask the bus, for a second at most, and SQL; raises `Transient` only when SQL does not answer."""
    seen, recorded = await asyncio.gather(_schedulers(gateway), _recorded(gateway))
    until = recorded.ledgered_until
    leader = seen.leader
    return SchedulerStatus(
        is_expected=gateway.settings.scheduler_enabled,
        is_running=seen.holder is not None,
        leader=leader,
        instances=seen.instances,
        decided_until=seen.decided_until,
        ledgered_until=until,
        lag_seconds=(gateway.clock() - until).total_seconds() if until is not None else None,
        total_jobs=recorded.total_jobs,
        active_jobs=recorded.active_jobs,
        running_jobs=recorded.running_jobs,
        next_job=leader.next_job if leader is not None else None,
    )


async def _schedulers(gateway: Gateway) -> Schedulers:
    try:
        return await look_at_schedulers(gateway.bus, PATIENCE)
    except Transient as error:
        logger.debug("the schedulers cannot be seen", action="scheduler_status", error=error.message)
        return Schedulers(holder=None, decided_until=None, instances=[])


async def _recorded(gateway: Gateway) -> _Recorded:
    async with gateway.database.read() as connection:
        return _Recorded(
            ledgered_until=await connection.scalar(select(bus_state.c.ledgered_until)),
            total_jobs=await connection.scalar(select(func.count()).select_from(jobs)) or 0,
            active_jobs=await count_active_jobs(connection),
            running_jobs=await _running_jobs(connection),
        )


async def _running_jobs(connection: AsyncConnection) -> int:
    of_running = select(func.count(executions.c.job_id.distinct())).where(
        executions.c.status == Status.RUNNING
    )
    return await connection.scalar(of_running) or 0
