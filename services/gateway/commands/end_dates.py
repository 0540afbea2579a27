"""Jobs whose last day is over are paused, by an ordinary command that the gateway gives itself.

The scheduler stops at the end date on its own account: this is about what people see, and whom it is told.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import Row, select
from sqlalchemy.exc import IntegrityError

from services.gateway.commands.own_pauses import pause
from services.gateway.domain.actor import SYSTEM
from services.gateway.gateway import Gateway
from services.gateway.store.event_store import Change, Context
from services.gateway.store.tables import jobs
from shared.domain.job import Job

LOOK = 30.0  # seconds
BATCH = 200

logger = structlog.get_logger()


async def keep_pausing(gateway: Gateway) -> None:
    """Look for ended jobs, for ever. Several gateways may do so at once."""
    while True:
        while await pause_ended_jobs(gateway) == BATCH:
            continue
        await asyncio.sleep(LOOK)


async def pause_ended_jobs(gateway: Gateway) -> int:
    """Pause up to `BATCH` active jobs whose last day is over; returns how many were paused."""
    now = gateway.clock()
    ended = (
        select(jobs.c.state)
        .where(jobs.c.is_active, jobs.c.ends_at <= now)
        .order_by(jobs.c.ends_at)
        .limit(BATCH)
    )
    context = Context(actor=SYSTEM.name, at=now, correlation_id=str(uuid4()))
    try:
        async with gateway.database.write() as connection:
            rows = (await connection.execute(ended)).all()
            changes = [change for row in rows for change in _pause(row, context)]
            await gateway.event_store.append(connection, changes, context)
    except IntegrityError:
        # Somebody, or another gateway, changed one of them meanwhile: the next look sees what is left.
        return 0
    if changes:
        gateway.event_store.wake()
        logger.info("paused jobs whose last day is over", action="end_dates", jobs=len(changes))
    return len(changes)


def _pause(row: Row[Any], context: Context) -> Sequence[Change]:
    try:
        job = Job.model_validate(row.state)
    except ValueError as error:
        # A newer gateway has written it, and pauses it too.
        job_id = str(row.state.get("id"))
        logger.error("a job cannot be read", action="end_dates", job=job_id, error=type(error).__name__)
        return []
    return pause(job, "ended", context)
