"""Jobs, and what happened to them."""

from typing import Annotated

from fastapi import APIRouter, Query, status

from services.gateway.api.dependencies import JobId, ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import AnyRole, Editor
from services.gateway.api.v2.models.jobs import (
    HistoryAnswer,
    JobAnswer,
    JobChangedAnswer,
    JobCreate,
    JobDeletedAnswer,
    JobReference,
    JobsAnswer,
    JobUpdate,
)
from services.gateway.api.v2.rendering import history_entry, job_view
from services.gateway.commands import jobs as commands
from services.gateway.queries import jobs as queries
from services.gateway.queries.history import job_history

MAX_HISTORY = 200

router = APIRouter(prefix="/jobs", tags=["Jobs"])
v2_router = APIRouter(prefix="/jobs", tags=["Jobs"])


@v2_router.post("", status_code=status.HTTP_201_CREATED, responses=error_responses(400, 401, 403, 413))
async def create_job(gateway: ThisGateway, caller: Editor, body: JobCreate) -> JobChangedAnswer:
    """Create a job; it belongs to the caller."""
    job = await commands.create_job(gateway, body.fields(), caller.user.id, caller.actor)
    return JobChangedAnswer(message="Job created successfully", job=job_view(job, None, gateway.clock()))


@router.get("", responses=error_responses(401))
async def list_jobs(gateway: ThisGateway, _caller: AnyRole) -> JobsAnswer:
    """All jobs, newest first."""
    now = gateway.clock()
    jobs = [
        job_view(one.job, one.last_execution_at, now) for one in await queries.list_jobs(gateway.database)
    ]
    return JobsAnswer(count=len(jobs), jobs=jobs)


@router.get("/{job_id}", responses=error_responses(401, 404))
async def get_job(gateway: ThisGateway, _caller: AnyRole, job_id: JobId) -> JobAnswer:
    """One job."""
    found = await queries.get_job(gateway.database, job_id)
    return JobAnswer(job=job_view(found.job, found.last_execution_at, gateway.clock()))


@v2_router.put("/{job_id}", responses=error_responses(400, 401, 403, 404, 409, 413))
async def update_job(
    gateway: ThisGateway, caller: Editor, job_id: JobId, body: JobUpdate
) -> JobChangedAnswer:
    """Change the given fields of a job; users may change their own jobs only."""
    job = await commands.update_job(gateway, job_id, body.fields(), caller.actor)
    last = await queries.last_execution_at(gateway.database, job_id)
    return JobChangedAnswer(message="Job updated successfully", job=job_view(job, last, gateway.clock()))


@router.delete("/{job_id}", responses=error_responses(401, 403, 404, 409))
async def delete_job(gateway: ThisGateway, caller: Editor, job_id: JobId) -> JobDeletedAnswer:
    """Delete a job; its history and its executions stay. Users may delete their own jobs only."""
    name = await commands.delete_job(gateway, job_id, caller.actor)
    return JobDeletedAnswer(deleted_job=JobReference(id=job_id, name=name))


@router.get("/{job_id}/history", responses=error_responses(400, 401, 404))
async def get_job_history(
    gateway: ThisGateway,
    _caller: AnyRole,
    job_id: JobId,
    limit: Annotated[int, Query(ge=1, description=f"At most {MAX_HISTORY}.")] = 50,
    before_version: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="Only changes before this version: the next page.")
    ] = None,
) -> HistoryAnswer:
    """Who changed a job, when, and from what to what; newest first, also for deleted jobs."""
    found = await job_history(
        gateway.database, job_id, limit=min(limit, MAX_HISTORY), before_version=before_version
    )
    return HistoryAnswer(
        job_id=job_id, total=found.total, history=[history_entry(change) for change in found.changes]
    )
