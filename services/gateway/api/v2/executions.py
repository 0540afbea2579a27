"""A job's executions."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.gateway.api.dependencies import ExecutionId, JobId, ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import AnyRole
from services.gateway.api.v2.execution_filters import MAX_LIMIT, InFilter
from services.gateway.api.v2.execution_rendering import (
    execution_detail_view,
    execution_view,
    job_statistics_view,
)
from services.gateway.api.v2.models.executions import (
    JobExecutionAnswer,
    JobExecutionsAnswer,
    JobStatisticsAnswer,
)
from services.gateway.api.v2.models.jobs import JobReference
from services.gateway.queries.executions import get_job_execution, list_job_executions
from services.gateway.queries.statistics import job_statistics

router = APIRouter(prefix="/jobs/{job_id}", tags=["Executions"])
v2_router = APIRouter(prefix="/jobs/{job_id}", tags=["Executions"])


@router.get("/executions", responses=error_responses(400, 401, 404))
async def list_executions(
    gateway: ThisGateway,
    _caller: AnyRole,
    job_id: JobId,
    wanted: InFilter,
    limit: Annotated[int, Query(ge=1, description=f"At most {MAX_LIMIT}; a higher one means that.")] = 50,
) -> JobExecutionsAnswer:
    """A job's executions, newest first; instants that did not run are among them, with the reason."""
    found = await list_job_executions(gateway.database, job_id, wanted, min(limit, MAX_LIMIT))
    return JobExecutionsAnswer(
        job_id=job_id,
        job_name=found.job_name,
        total_executions=found.total,
        executions=[execution_view(row._asdict()) for row in found.rows],
    )


@router.get("/executions/stats", responses=error_responses(401, 404))
async def get_statistics(gateway: ThisGateway, _caller: AnyRole, job_id: JobId) -> JobStatisticsAnswer:
    """How a job's runs ended, and its newest run."""
    found = await job_statistics(gateway.database, job_id)
    return JobStatisticsAnswer(
        job_id=job_id,
        job_name=found.job_name,
        statistics=job_statistics_view(found.statistics),
        latest_execution=execution_view(found.latest._asdict()) if found.latest is not None else None,
    )


@v2_router.get("/executions/{execution_id}", responses=error_responses(401, 404))
async def get_execution(
    gateway: ThisGateway, _caller: AnyRole, job_id: JobId, execution_id: ExecutionId
) -> JobExecutionAnswer:
    """One execution of a job, with its attempts."""
    found = await get_job_execution(gateway.database, job_id, execution_id)
    return JobExecutionAnswer(
        job=JobReference(id=job_id, name=found.job_name), execution=execution_detail_view(found)
    )
