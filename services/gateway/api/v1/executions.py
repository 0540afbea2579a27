"""Executions as v1 shows them: one alone, with its job's name in it."""

from fastapi import APIRouter

from services.gateway.api.dependencies import ExecutionId, JobId, ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import AnyRole
from services.gateway.api.v2.execution_rendering import execution_detail_view
from services.gateway.api.v2.models.executions import ExecutionAnswer
from services.gateway.queries.executions import get_job_execution

router = APIRouter(prefix="/jobs/{job_id}", tags=["Executions"])


@router.get("/executions/{execution_id}", responses=error_responses(401, 404))
async def get_execution(
    gateway: ThisGateway, _caller: AnyRole, job_id: JobId, execution_id: ExecutionId
) -> ExecutionAnswer:
    """One execution of a job, with its attempts."""
    found = await get_job_execution(gateway.database, job_id, execution_id)
    return ExecutionAnswer(execution=execution_detail_view(found))
