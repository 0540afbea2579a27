"""Looking at the schedulers."""

from fastapi import APIRouter

from services.gateway.api.dependencies import ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import AnyRole
from services.gateway.api.v2.models.scheduler import NextJobView, SchedulerInstanceView, SchedulerStatusView
from services.gateway.queries.scheduler_status import read_scheduler_status

v2_router = APIRouter(prefix="/scheduler", tags=["Scheduler"])


@v2_router.get("/status", responses=error_responses(401, 403))
async def scheduler_status(gateway: ThisGateway, _caller: AnyRole) -> SchedulerStatusView:
    """Who leads, who else is there, how far everything is decided and recorded, and what is due next."""
    found = await read_scheduler_status(gateway)
    leader = found.leader
    return SchedulerStatusView(
        scheduler_enabled=found.is_expected,
        running=found.is_running,
        leader=SchedulerInstanceView.model_validate(leader) if leader is not None else None,
        leader_since=leader.leader_since if leader is not None else None,
        last_heartbeat=leader.last_heartbeat if leader is not None else None,
        term=leader.term if leader is not None else None,
        version=leader.version if leader is not None else None,
        decided_until=found.decided_until,
        ledgered_until=found.ledgered_until,
        lag_seconds=round(found.lag_seconds, 3) if found.lag_seconds is not None else None,
        total_jobs=found.total_jobs,
        active_jobs=found.active_jobs,
        running_jobs=found.running_jobs,
        next_job=NextJobView.model_validate(found.next_job) if found.next_job is not None else None,
        instances=[SchedulerInstanceView.model_validate(one) for one in found.instances],
    )
