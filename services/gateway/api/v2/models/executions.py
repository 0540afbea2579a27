"""Executions, as they are shown."""

from uuid import UUID

from pydantic import AwareDatetime, Field

from services.gateway.api.v2.models.common import View
from services.gateway.api.v2.models.jobs import JobReference
from shared.domain.execution import Kind, Phase, Status


class ExecutionView(View):
    """An execution, or a planned instant (or a range of them) that did not run, with the reason."""

    id: UUID
    job_id: UUID
    job_name: str
    status: Status
    trigger_type: Kind
    started_at: AwareDatetime | None = Field(description="Of the newest attempt.")
    completed_at: AwareDatetime | None
    duration_seconds: float | None
    execution_type: str = Field(description="The kind of target, such as `webhook`.")
    target: str = Field(description="What is called.")
    response_status: int | None
    error_message: str | None
    output: str | None
    planned_at: AwareDatetime | None = Field(description="The planned instant; null for manual runs.")
    planned_to: AwareDatetime | None = Field(
        description="The last instant of a range; else the same as `planned_at`."
    )
    planned_count: int = Field(description="How many planned instants this row stands for.")
    queued_at: AwareDatetime = Field(description="When it was decided or asked for.")
    attempt: int = Field(description="The newest attempt; 0 before the first one.")
    job_version: int
    reason: str | None = Field(description="Why it did not run.")
    into_execution_id: UUID | None = Field(description="The run that stands for a missed one.")


class AttemptView(View):
    """One attempt at an execution."""

    attempt: int
    phase: Phase
    started_at: AwareDatetime | None
    completed_at: AwareDatetime | None
    duration_seconds: float | None
    response_status: int | None
    error_message: str | None


class ExecutionDetailView(ExecutionView):
    """An execution with its attempts."""

    attempts: list[AttemptView]


class ExecutionAnswer(View):
    """One execution of a job."""

    job: JobReference
    execution: ExecutionDetailView


class ExecutionsAnswer(View):
    """A job's executions, newest first."""

    job_id: UUID
    job_name: str
    total_executions: int = Field(description="How many match, whatever the limit.")
    executions: list[ExecutionView]


class TriggeredAnswer(View):
    """The run that was asked for."""

    message: str = "Job triggered successfully"
    job_id: UUID
    execution: ExecutionView
