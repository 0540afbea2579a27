"""Jobs as v1 takes them: without a last day and without a team, if need be."""

from fastapi import APIRouter, Response, status
from pydantic import ConfigDict, Field

from services.gateway.api.dependencies import JobId, ThisGateway
from services.gateway.api.headers import Retrying, Versions
from services.gateway.api.permissions import Editor
from services.gateway.api.v2.fields import CronExpression, EndDate, TaxonomyName
from services.gateway.api.v2.jobs import CREATE_ERRORS, UPDATE_ERRORS, changed, created
from services.gateway.api.v2.models.common import not_given
from services.gateway.api.v2.models.job_changes import ONLY_V2, JobChanges
from services.gateway.api.v2.models.jobs import JobChangedAnswer
from services.gateway.api.v2.models.new_jobs import JobFields
from services.gateway.commands.jobs import update_job as change_job

router = APIRouter(prefix="/jobs", tags=["Jobs"])


class JobCreateV1(JobFields):
    """A new job; without a last day it never ends."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Hourly Health Check",
                    "cron_expression": "0 * * * *",
                    "target_url": "https://api.example.com/health",
                }
            ]
        }
    )

    cron_expression: CronExpression
    end_date: EndDate | None = None
    pic_team: TaxonomyName | None = Field(
        default=None, description="The team in charge: its slug or its name."
    )


class JobUpdateV1(JobChanges):
    """Changes of a job: what is not given stays as it is; null takes away a target, the last day or the team."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"cron_expression": "*/15 * * * *"}, {"end_date": None}]}
    )

    fixed = JobChanges.fixed | ONLY_V2

    cron_expression: CronExpression | None = Field(
        default_factory=not_given, description="Five fields; null only where the job has none."
    )
    end_date: EndDate | None = None
    pic_team: TaxonomyName | None = Field(default=None, description="The team in charge.")


@router.post("", status_code=status.HTTP_201_CREATED, responses=CREATE_ERRORS)
async def create_job(
    gateway: ThisGateway, caller: Editor, body: JobCreateV1, retry: Retrying
) -> JobChangedAnswer:
    """Create a job; it belongs to the caller."""
    return await created(gateway, caller, body, retry)


@router.put("/{job_id}", responses=UPDATE_ERRORS)
async def update_job(
    gateway: ThisGateway,
    caller: Editor,
    job_id: JobId,
    body: JobUpdateV1,
    versions: Versions,
    response: Response,
) -> JobChangedAnswer:
    """Change the given fields of a job; users may change their own jobs only."""
    job = await change_job(gateway, job_id, body.fields(), caller.actor, versions=versions)
    return await changed(gateway, job, "Job updated successfully", response)
