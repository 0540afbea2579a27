"""Looking at a schedule before it becomes a job's: nothing is changed."""

import asyncio
from datetime import datetime, timedelta

from fastapi import APIRouter

from services.gateway.api.dependencies import ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import AnyRole
from services.gateway.api.v2.models.schedule_preview import PreviewAnswer, PreviewRequest
from services.gateway.api.v2.schedule_rendering import preview_answer
from services.gateway.commands.following import follow
from services.gateway.domain.schedule_input import changed_schedule, instant_of, new_schedule
from services.gateway.domain.schedule_preview import simulate
from services.gateway.gateway import Gateway
from services.gateway.queries.jobs import get_job
from shared.domain.job import DEFAULT_TIMEOUT_SECONDS, Job
from shared.domain.schedule import Schedule
from shared.domain.spread import slot

v2_router = APIRouter(prefix="/schedules", tags=["Schedules"])


@v2_router.post("/preview", responses=error_responses(400, 401, 404, 413))
async def preview_schedule(gateway: ThisGateway, _caller: AnyRole, body: PreviewRequest) -> PreviewAnswer:
    """What a schedule would do: its next instants, the next change of the clock, and what may not be meant."""
    now = gateway.clock()
    job = (await get_job(gateway.database, body.job_id)).job if body.job_id is not None else None
    schedule = await _wanted(gateway, body, job, now)
    after = instant_of(body.from_, schedule.timezone) if body.from_ is not None else now
    timeout = body.timeout_seconds or (job.timeout_seconds if job is not None else DEFAULT_TIMEOUT_SECONDS)
    found = await asyncio.to_thread(simulate, schedule, body.count, after, timeout)
    return preview_answer(schedule, found, _slot(schedule, job))


async def _wanted(gateway: Gateway, body: PreviewRequest, job: Job | None, now: datetime) -> Schedule:
    given = body.fields()
    names = given.pop("calendar_names", None)
    if job is None:
        schedule = new_schedule(given, gateway.settings.scheduler_timezone, now)
    else:
        schedule = changed_schedule(job.schedule, given, now)
    async with gateway.database.read() as connection:
        return await follow(connection, schedule, names)


def _slot(schedule: Schedule, job: Job | None) -> timedelta | None:
    if schedule.jitter_seconds == 0:
        return timedelta(0)
    return slot(job.id, schedule.jitter_seconds) if job is not None else None
