"""Pausing and resuming a job, and what becomes of the time between."""

from typing import Annotated

from fastapi import APIRouter, Body, Response

from services.gateway.api.dependencies import JobId, ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.headers import Versions
from services.gateway.api.permissions import Editor
from services.gateway.api.v2.jobs import changed
from services.gateway.api.v2.models.jobs import JobChangedAnswer
from services.gateway.api.v2.models.pausing import JobResumedAnswer, MadeUpView, ResumeRequest
from services.gateway.commands import pausing as commands

v2_router = APIRouter(prefix="/jobs/{job_id}", tags=["Jobs"])


@v2_router.post("/pause", responses=error_responses(400, 401, 403, 404, 409, 412))
async def pause_job(
    gateway: ThisGateway, caller: Editor, job_id: JobId, versions: Versions, response: Response
) -> JobChangedAnswer:
    """Let a job plan nothing until it is resumed; its runs that were asked for go on."""
    job = await commands.pause_job(gateway, job_id, caller.actor, versions=versions)
    return await changed(gateway, job, "Job paused successfully", response)


@v2_router.post("/resume", responses=error_responses(400, 401, 403, 404, 409, 412, 413))
async def resume_job(
    gateway: ThisGateway,
    caller: Editor,
    job_id: JobId,
    versions: Versions,
    response: Response,
    body: Annotated[ResumeRequest | None, Body()] = None,
) -> JobResumedAnswer:
    """Let a paused job plan again; what its pause left out is skipped unless it is asked for."""
    missed = (body or ResumeRequest()).missed
    resumed = await commands.resume_job(
        gateway, job_id, caller.actor, caller.user.id, missed, versions=versions
    )
    answer = await changed(gateway, resumed.job, "Job resumed successfully", response)
    made = resumed.made_up
    return JobResumedAnswer(
        message=answer.message,
        job=answer.job,
        made_up=MadeUpView(
            missed=missed,
            backfill_id=made.id,
            count=len(made.instants),
            instants=made.instants,
            execution_ids=made.execution_ids,
        ),
    )
