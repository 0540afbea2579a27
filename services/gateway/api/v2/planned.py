"""What all jobs plan in a period."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query

from services.gateway.api.dependencies import InPeriod, ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import AnyRole
from services.gateway.api.v2.fields import OneLine
from services.gateway.api.v2.models.jobs import JobReference
from services.gateway.api.v2.models.planned import (
    BusiestView,
    BusyMinuteView,
    PlannedAnswer,
    PlannedInstantView,
)
from services.gateway.domain.busy_minutes import BusyMinute
from services.gateway.domain.planned import PlannedInstant
from services.gateway.queries.jobs import JobFilter
from services.gateway.queries.planned import period_from, planned_between

MAX_INSTANTS = 10_000

_Text: TypeAlias = Annotated[OneLine | None, Query(max_length=255)]

v2_router = APIRouter(prefix="/calendar", tags=["Schedules"])


@v2_router.get("", responses=error_responses(400, 401))
async def list_planned(
    gateway: ThisGateway,
    _caller: AnyRole,
    period: InPeriod,
    category: Annotated[_Text, Query(description="A category's slug.")] = None,
    pic_team: Annotated[_Text, Query(description="A team's slug.")] = None,
    q: Annotated[_Text, Query(description="A part of the job's name, in capitals or not.")] = None,
    limit: Annotated[
        int, Query(ge=1, le=MAX_INSTANTS, description="How many instants to list.")
    ] = MAX_INSTANTS,
) -> PlannedAnswer:
    """What active jobs plan, by default in the next 24 hours and at most in 31 days, and the busiest minutes."""
    start, end = period_from(period, gateway.clock())
    wanted = JobFilter(search=q, category=category or None, pic_team=pic_team or None, is_active=True)
    jobs, found = await planned_between(gateway.database, wanted, start, end, limit)
    left_out = found.busiest.jobs_left_out
    return PlannedAnswer(
        from_=start,
        to=end,
        jobs=jobs,
        total=found.total,
        count=len(found.instants),
        truncated=len(found.instants) < found.total,
        instants=await asyncio.to_thread(_instant_views, found.instants),
        sampled=left_out > 0,
        jobs_counted=jobs - left_out,
        busiest=BusiestView(
            by_planned=_views(found.busiest.by_planned), by_actual=_views(found.busiest.by_actual)
        ),
    )


def _instant_views(instants: Sequence[PlannedInstant]) -> list[PlannedInstantView]:
    return [_instant_view(one) for one in instants]


def _instant_view(one: PlannedInstant) -> PlannedInstantView:
    zone = ZoneInfo(one.job.schedule.timezone)
    return PlannedInstantView(
        job_id=one.job.id,
        job_name=one.job.name,
        planned=one.planned.astimezone(zone),
        actual=one.actual.astimezone(zone),
        timezone=one.job.schedule.timezone,
    )


def _views(minutes: Sequence[BusyMinute]) -> list[BusyMinuteView]:
    return [
        BusyMinuteView(
            minute=one.minute,
            count=one.count,
            jobs=[JobReference(id=job.id, name=job.name) for job in one.jobs],
        )
        for one in minutes
    ]
