"""Jobs, what happened to them, and asking for a run."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Body, Response, status

from services.gateway.api.dependencies import JobId, ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.headers import Retry, Retrying, Versions, set_version
from services.gateway.api.permissions import AnyRole, Caller, Editor
from services.gateway.api.v2.execution_rendering import execution_view
from services.gateway.api.v2.history import MAX_HISTORY, BeforeVersion, HistoryLimit
from services.gateway.api.v2.job_filters import InJobFilter, InPage
from services.gateway.api.v2.models.executions import TriggeredAnswer
from services.gateway.api.v2.models.history import HistoryAnswer, HistoryEntry
from services.gateway.api.v2.models.job_changes import JobUpdate
from services.gateway.api.v2.models.jobs import (
    JobAnswer,
    JobChangedAnswer,
    JobDeletedAnswer,
    JobReference,
    JobsAnswer,
    JobsPage,
    JobView,
)
from services.gateway.api.v2.models.new_jobs import JobCreate, JobFields
from services.gateway.api.v2.models.runs import RunRequest
from services.gateway.api.v2.rendering import job_history_entry, job_view, jobs_page
from services.gateway.commands import jobs as commands
from services.gateway.commands.runs import run_once
from services.gateway.gateway import Gateway
from services.gateway.queries import jobs as queries
from services.gateway.queries.history import Recorded, job_history
from shared.domain.job import Job

CREATE_ERRORS = error_responses(400, 401, 403, 409, 413)
UPDATE_ERRORS = error_responses(400, 401, 403, 404, 409, 412, 413)

router = APIRouter(prefix="/jobs", tags=["Jobs"])
v2_router = APIRouter(prefix="/jobs", tags=["Jobs"])


@v2_router.post("", status_code=status.HTTP_201_CREATED, responses=CREATE_ERRORS)
async def create_job(
    gateway: ThisGateway, caller: Editor, body: JobCreate, retry: Retrying
) -> JobChangedAnswer:
    """Create a job; it belongs to the caller."""
    return await created(gateway, caller, body, retry)


@router.get("", responses=error_responses(400, 401))
async def list_jobs(
    gateway: ThisGateway, _caller: AnyRole, wanted: InJobFilter, page: InPage
) -> JobsPage | JobsAnswer:
    """Jobs, newest first if not asked otherwise; all of them, or a page where one is asked for."""
    found = await queries.list_jobs(gateway.database, wanted, page)
    jobs = await asyncio.to_thread(_job_views, found.jobs, gateway.clock())
    return jobs_page(jobs, found.total, page) if page is not None else JobsAnswer(count=len(jobs), jobs=jobs)


@router.get("/{job_id}", responses=error_responses(401, 404))
async def get_job(gateway: ThisGateway, _caller: AnyRole, job_id: JobId, response: Response) -> JobAnswer:
    """One job; its `ETag` is its version."""
    found = await queries.get_job(gateway.database, job_id)
    set_version(response, found.job.version)
    return JobAnswer(job=job_view(found.job, found.last_execution_at, gateway.clock()))


@v2_router.put("/{job_id}", responses=UPDATE_ERRORS)
async def update_job(
    gateway: ThisGateway,
    caller: Editor,
    job_id: JobId,
    body: JobUpdate,
    versions: Versions,
    response: Response,
) -> JobChangedAnswer:
    """Change the given fields of a job; users may change their own jobs only."""
    job = await commands.update_job(
        gateway, job_id, body.fields(), caller.actor, versions=versions, must_end=True
    )
    return await changed(gateway, job, "Job updated successfully", response)


@router.delete("/{job_id}", responses=error_responses(400, 401, 403, 404, 409, 412))
async def delete_job(
    gateway: ThisGateway, caller: Editor, job_id: JobId, versions: Versions
) -> JobDeletedAnswer:
    """Delete a job; its history and its executions stay. Users may delete their own jobs only."""
    name = await commands.delete_job(gateway, job_id, caller.actor, versions=versions)
    return JobDeletedAnswer(deleted_job=JobReference(id=job_id, name=name))


@router.post("/{job_id}/restore", responses=error_responses(400, 401, 403, 404, 409))
async def restore_job(
    gateway: ThisGateway, caller: Editor, job_id: JobId, response: Response
) -> JobChangedAnswer:
    """Bring a deleted job back, paused if its last day is over; users may restore their own jobs only."""
    job = await commands.restore_job(gateway, job_id, caller.actor)
    return await changed(gateway, job, "Job restored successfully", response)


@router.post("/{job_id}/execute", responses=error_responses(400, 401, 403, 404, 409, 413))
async def execute_job(
    gateway: ThisGateway,
    caller: Editor,
    job_id: JobId,
    retry: Retrying,
    body: Annotated[RunRequest | None, Body()] = None,
) -> TriggeredAnswer:
    """Run a job now, paused or not; users may run their own jobs only. What is sent counts for this run alone."""
    outcome = await run_once(
        gateway,
        job_id,
        caller.actor,
        caller.user.id,
        uuid4(),
        overrides=body.overrides() if body is not None else {},
        keyed=retry.keyed(caller, "execute job", body),
    )
    retry.tell(outcome)
    return TriggeredAnswer(job_id=job_id, execution=execution_view(outcome.value))


@router.get("/{job_id}/history", responses=error_responses(400, 401, 404))
async def get_job_history(
    gateway: ThisGateway,
    _caller: AnyRole,
    job_id: JobId,
    limit: HistoryLimit = 50,
    before_version: BeforeVersion = None,
) -> HistoryAnswer:
    """Who changed a job, when, and from what to what; newest first, also for deleted jobs."""
    total, changes = await job_history(
        gateway.database, job_id, limit=min(limit, MAX_HISTORY), before_version=before_version
    )
    history = await asyncio.to_thread(_history_entries, changes)
    return HistoryAnswer(job_id=job_id, total=total, history=history)


def _job_views(found: Sequence[queries.JobView], now: datetime) -> list[JobView]:
    return [job_view(one.job, one.last_execution_at, now) for one in found]


def _history_entries(changes: Sequence[Recorded]) -> list[HistoryEntry]:
    return [job_history_entry(change) for change in changes]


async def created(gateway: Gateway, caller: Caller, body: JobFields, retry: Retry) -> JobChangedAnswer:
    """Create a job from what either contract takes, and answer it."""
    keyed = retry.keyed(caller, "create job", body)
    outcome = await commands.create_job_once(gateway, body.fields(), caller.user.id, caller.actor, keyed)
    job = outcome.value
    retry.tell(outcome)
    retry.response.headers["Location"] = f"{retry.path}/{job.id}"
    set_version(retry.response, job.version)
    return JobChangedAnswer(message="Job created successfully", job=job_view(job, None, gateway.clock()))


async def changed(gateway: Gateway, job: Job, message: str, response: Response) -> JobChangedAnswer:
    """Answer a job that was just changed."""
    last = await queries.last_execution_at(gateway.database, job.id)
    set_version(response, job.version)
    return JobChangedAnswer(message=message, job=job_view(job, last, gateway.clock()))
