"""Pausing and resuming a job."""

from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from services.gateway.api.v2.models.common import Input, View
from services.gateway.api.v2.models.jobs import JobChangedAnswer
from services.gateway.domain.backfill import MAX_CATCH_UP
from shared.domain.job import MisfirePolicy


class ResumeRequest(Input):
    """What becomes of the instants that the pause left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"missed": "run_latest"}, {"missed": "skip"}]})

    missed: MisfirePolicy = Field(
        default=MisfirePolicy.SKIP,
        description="`skip`: none of them runs; `run_latest`: the latest one; "
        f"`run_all`: each one, the latest {MAX_CATCH_UP} at most.",
    )


class MadeUpView(View):
    """The instants of the pause that run after all, in their order."""

    missed: MisfirePolicy = Field(description="As it was asked for.")
    backfill_id: UUID | None = Field(description="Cancels what still waits of them; null if there are none.")
    count: int
    instants: list[AwareDatetime]
    execution_ids: list[UUID] = Field(description="Of their runs, as the instants.")


class JobResumedAnswer(JobChangedAnswer):
    """The job, and what of its pause runs after all."""

    made_up: MadeUpView
