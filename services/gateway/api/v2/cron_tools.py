"""Looking at a cron expression before it becomes a job's."""

from fastapi import APIRouter

from services.gateway.api.dependencies import ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import AnyRole
from services.gateway.api.v2.models.cron import (
    CronCheckRequest,
    CronPreviewAnswer,
    CronPreviewRequest,
    InvalidCron,
    ValidCron,
)
from services.gateway.api.v2.rendering import cron_preview_answer
from services.gateway.domain.cron_preview import preview, problem_of
from services.gateway.gateway import Gateway
from shared.domain.schedule import CronSchedule, describe

router = APIRouter(prefix="/jobs", tags=["Cron"])


@router.post("/validate-cron", responses=error_responses(400, 401, 413))
async def validate_cron(
    gateway: ThisGateway, _caller: AnyRole, body: CronCheckRequest
) -> ValidCron | InvalidCron:
    """Whether a cron expression can be kept, and what it says; 200 for those that cannot, too."""
    schedule = _schedule(gateway, body)
    expression, zone = schedule.expression, schedule.timezone
    problem = problem_of(schedule, gateway.clock())
    if problem is not None:
        return InvalidCron(
            error=problem.title, message=problem.message, cron_expression=expression, timezone=zone
        )
    return ValidCron(cron_expression=expression, description=describe(expression), timezone=zone)


@router.post("/cron-preview", responses=error_responses(400, 401, 413))
async def preview_cron(gateway: ThisGateway, _caller: AnyRole, body: CronPreviewRequest) -> CronPreviewAnswer:
    """When a cron expression would run next, and what the next change of the clock does to it."""
    schedule = _schedule(gateway, body)
    return cron_preview_answer(schedule, preview(schedule, body.count, gateway.clock()))


def _schedule(gateway: Gateway, body: CronCheckRequest) -> CronSchedule:
    zone = body.timezone or gateway.settings.scheduler_timezone
    return CronSchedule(expression=body.cron_expression, timezone=zone)
