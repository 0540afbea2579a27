"""A job's executions: asking for one, and what happened to them."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Body, Depends, Query

from services.gateway.api.dependencies import ExecutionId, InPeriod, JobId, ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import AnyRole, Editor
from services.gateway.api.v2.models.executions import ExecutionAnswer, ExecutionsAnswer, TriggeredAnswer
from services.gateway.api.v2.models.jobs import JobReference, RunRequest
from services.gateway.api.v2.rendering import execution_detail_view, execution_view
from services.gateway.commands.runs import run_now
from services.gateway.queries.executions import ExecutionFilter, get_job_execution, list_job_executions
from shared.domain.execution import Kind, Status
from shared.errors import RuleViolation

MAX_LIMIT = 200

router = APIRouter(prefix="/jobs/{job_id}", tags=["Executions"])
v2_router = APIRouter(prefix="/jobs/{job_id}", tags=["Executions"])


def _statuses(
    status: Annotated[
        str | None, Query(description=f"One of {', '.join(Status)}; several are separated by commas.")
    ] = None,
) -> frozenset[Status]:
    try:
        return frozenset(Status(part.strip()) for part in (status or "").split(",") if part.strip())
    except ValueError as error:
        raise RuleViolation(f"status must be of: {', '.join(Status)}", title="Invalid status") from error


def _filter(
    statuses: Annotated[frozenset[Status], Depends(_statuses)],
    period: InPeriod,
    limit: Annotated[int, Query(ge=1, description=f"At most {MAX_LIMIT}; a higher one means that.")] = 50,
    trigger_type: Annotated[Kind | None, Query(description="Who asked for the execution.")] = None,
) -> ExecutionFilter:
    return ExecutionFilter(limit=min(limit, MAX_LIMIT), statuses=statuses, kind=trigger_type, period=period)


@router.post("/execute", responses=error_responses(400, 401, 403, 404, 413))
async def execute_job(
    gateway: ThisGateway, caller: Editor, job_id: JobId, _body: Annotated[RunRequest | None, Body()] = None
) -> TriggeredAnswer:
    """Run a job now, paused or not; users may run their own jobs only."""
    row = await run_now(gateway, job_id, caller.actor, caller.user.id, uuid4())
    return TriggeredAnswer(job_id=job_id, execution=execution_view(row))


@router.get("/executions", responses=error_responses(400, 401, 404))
async def list_executions(
    gateway: ThisGateway,
    _caller: AnyRole,
    job_id: JobId,
    wanted: Annotated[ExecutionFilter, Depends(_filter)],
) -> ExecutionsAnswer:
    """A job's executions, newest first; instants that did not run are among them, with the reason."""
    found = await list_job_executions(gateway.database, job_id, wanted)
    return ExecutionsAnswer(
        job_id=job_id,
        job_name=found.job_name,
        total_executions=found.total,
        executions=[execution_view(row._asdict()) for row in found.rows],
    )


@v2_router.get("/executions/{execution_id}", responses=error_responses(401, 404))
async def get_execution(
    gateway: ThisGateway, _caller: AnyRole, job_id: JobId, execution_id: ExecutionId
) -> ExecutionAnswer:
    """One execution with its attempts."""
    found = await get_job_execution(gateway.database, job_id, execution_id)
    return ExecutionAnswer(
        job=JobReference(id=job_id, name=found.job_name), execution=execution_detail_view(found)
    )
