"""What v2 answers: exactly the documented keys, and jetcron's additions."""

from datetime import date
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.domain.execution import Kind, Phase, Status
from shared.domain.job import HttpMethod


class View(BaseModel):
    """What all answers share: they can be made from a row, and never change."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class UserView(View):
    """A user as others may see one."""

    id: UUID
    username: str
    email: str
    role: Literal["admin", "user", "viewer"]
    is_active: bool
    created_at: AwareDatetime
    updated_at: AwareDatetime


class MeView(UserView):
    """The caller, at the top level and once more under `user`."""

    user: UserView


class TokensView(View):
    """A pair of tokens."""

    access_token: str = Field(description="To be sent as `Authorization: Bearer <token>`.")
    refresh_token: str = Field(description="Good for one refresh, which answers the next one.")


class LoginView(View):
    """A new session."""

    message: str = "Login successful"
    access_token: str
    refresh_token: str
    user: UserView


class HealthView(View):
    """Whether everything that a job needs is there."""

    status: Literal["healthy", "degraded"]
    scheduler_running: bool = Field(description="Whether a scheduler leads.")
    scheduled_jobs_count: int | None = Field(
        description="Active jobs; null while the database is out of reach."
    )
    database: Literal["ok", "unreachable"]
    bus: Literal["ok", "unreachable"]


class WebhookView(View):
    """How the target is called."""

    method: HttpMethod


class JobView(View):
    """A job."""

    id: UUID
    name: str
    cron_expression: str
    target_url: str | None
    github_owner: str | None
    github_repo: str | None
    github_workflow_name: str | None
    metadata: dict[str, Any]
    category: str
    pic_team: str | None
    end_date: date | None
    enable_email_notifications: bool
    notification_emails: list[str]
    notify_on_success: bool
    created_by: UUID
    is_active: bool
    created_at: AwareDatetime
    updated_at: AwareDatetime
    last_execution_at: AwareDatetime | None = Field(description="When the newest run started.")
    next_execution_at: AwareDatetime | None = Field(
        description="The next planned instant, in the job's time zone; null while it is paused and after its end."
    )
    timezone: str
    timeout_seconds: float
    webhook: WebhookView
    version: int = Field(description="Counts the job's changes; an execution names the version that it ran.")


class JobAnswer(View):
    """One job."""

    job: JobView


class JobChangedAnswer(View):
    """One job, and what happened to it."""

    message: str
    job: JobView


class JobsAnswer(View):
    """All jobs."""

    count: int
    jobs: list[JobView]


class JobReference(View):
    """Which job it is."""

    id: UUID
    name: str


class JobDeletedAnswer(View):
    """Which job is gone."""

    message: str = "Job deleted successfully"
    deleted_job: JobReference


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


class FieldChange(View):
    """A field's value before and after; null where the job did not exist."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    from_: Any = Field(alias="from")
    to: Any


class HistoryEntry(View):
    """One change of a job."""

    version: int
    action: Literal["created", "updated", "deleted"]
    at: AwareDatetime
    actor: str = Field(description="A user name, or `system`.")
    actor_id: UUID | None
    changes: dict[str, FieldChange]


class HistoryAnswer(View):
    """A job's changes, newest first."""

    job_id: UUID
    total: int
    history: list[HistoryEntry]


class NotificationView(View):
    """One message in the inbox."""

    id: UUID
    user_id: UUID
    title: str
    message: str
    type: Literal["info", "success", "warning", "error"]
    related_job_id: UUID | None
    related_execution_id: UUID | None
    is_read: bool
    read_at: AwareDatetime | None
    created_at: AwareDatetime


class PeriodView(View):
    """The period that was asked for, as it was understood; null is open."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    from_: AwareDatetime | None = Field(alias="from")
    to: AwareDatetime | None


class NotificationsAnswer(View):
    """A page of the inbox, newest first."""

    notifications: list[NotificationView]
    total: int
    page: int
    per_page: int
    total_pages: int
    range: PeriodView
