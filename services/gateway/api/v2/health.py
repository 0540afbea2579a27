"""Whether everything that a job needs is there."""

from fastapi import APIRouter

from services.gateway.api.dependencies import ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import PUBLIC
from services.gateway.api.v2.models.health import HealthView
from services.gateway.queries.health import read_health

router = APIRouter(tags=["Health"])


# What others answer with 503 is what this one tells.
@router.get("/health", dependencies=[PUBLIC], responses={"default": error_responses()["default"]})
async def health(gateway: ThisGateway) -> HealthView:
    """Answers 200 for as long as the process lives; `status` and the other fields say what works."""
    found = await read_health(gateway)
    return HealthView(
        status="healthy" if found.is_healthy else "degraded",
        scheduler_running=found.scheduler_leads,
        scheduled_jobs_count=found.active_jobs,
        database="ok" if found.active_jobs is not None else "unreachable",
        bus="ok" if found.bus_is_connected else "unreachable",
    )
