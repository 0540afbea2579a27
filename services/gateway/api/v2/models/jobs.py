"""Jobs, as they are written and shown."""

from datetime import date
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from services.gateway.api.v2.fields import (
    CronExpression,
    Emails,
    EndDate,
    Flag,
    GitHubName,
    JobName,
    Metadata,
    OneLine,
    TargetUrl,
    TaxonomyName,
    TimeoutSeconds,
    TimeZone,
)
from services.gateway.api.v2.models.common import Input, View
from shared.domain.job import DEFAULT_TIMEOUT_SECONDS, HttpMethod

# Where the flat fields of v2 stand in a job; the others have the same name in both.
_NESTED = {
    "cron_expression": ("schedule", "expression"),
    "timezone": ("schedule", "timezone"),
    "end_date": ("schedule", "end_date"),
    "target_url": ("target", "url"),
    "enable_email_notifications": ("notifications", "email_enabled"),
    "notification_emails": ("notifications", "emails"),
    "notify_on_success": ("notifications", "on_success"),
}
_GITHUB = {"github_owner", "github_repo", "github_workflow_name"}


class WebhookOptions(Input):
    """How the target is called."""

    method: HttpMethod = Field(
        default=HttpMethod.GET, description="A POST sends job, execution and metadata as JSON."
    )


class JobCreate(Input):
    """A new job."""

    name: JobName
    cron_expression: CronExpression
    end_date: EndDate
    pic_team: TaxonomyName = Field(description="The team in charge: its slug or its name.")
    target_url: TargetUrl | None = None
    webhook: WebhookOptions = WebhookOptions()
    category: TaxonomyName = Field(default="general", description="Its category: slug or name.")
    metadata: Metadata = Field(default_factory=dict)
    timezone: TimeZone | None = None
    timeout_seconds: TimeoutSeconds = DEFAULT_TIMEOUT_SECONDS
    enable_email_notifications: Flag = Field(
        default=False, description="Tell `notification_emails` of failures."
    )
    notification_emails: Emails = Field(default_factory=list)
    notify_on_success: Flag = Field(default=False, description="Tell them of successes too.")
    is_active: Flag = Field(default=True, description="Whether it runs on its schedule.")
    github_owner: GitHubName | None = None
    github_repo: GitHubName | None = Field(default=None, description="Its name, or `owner/name`.")
    github_workflow_name: GitHubName | None = Field(
        default=None, description="The workflow's file, such as `deploy.yml`."
    )

    def fields(self) -> dict[str, Any]:
        """The same as fields of a job."""
        return _as_job_fields(self.model_dump(exclude_none=True))


def _not_given() -> Any:
    """Stands where an update leaves a field alone; which ones it sets is told by `exclude_unset`, not by a value."""
    return None


class JobUpdate(Input):
    """Changes of a job: what is not given stays as it is."""

    name: JobName = Field(default_factory=_not_given)
    cron_expression: CronExpression = Field(default_factory=_not_given)
    end_date: EndDate = Field(default_factory=_not_given)
    pic_team: TaxonomyName = Field(default_factory=_not_given, description="The team in charge.")
    target_url: TargetUrl | None = Field(default_factory=_not_given)
    webhook: WebhookOptions = Field(default_factory=_not_given)
    category: TaxonomyName = Field(default_factory=_not_given, description="Its category: slug or name.")
    metadata: Metadata = Field(default_factory=_not_given)
    timezone: TimeZone = Field(default_factory=_not_given)
    timeout_seconds: TimeoutSeconds = Field(default_factory=_not_given)
    enable_email_notifications: Flag = Field(
        default_factory=_not_given, description="Tell `notification_emails` of failures."
    )
    notification_emails: Emails = Field(default_factory=_not_given)
    notify_on_success: Flag = Field(default_factory=_not_given, description="Tell them of successes too.")
    is_active: Flag = Field(default_factory=_not_given, description="Whether it runs on its schedule.")
    github_owner: GitHubName | None = None
    github_repo: GitHubName | None = Field(default=None, description="Its name, or `owner/name`.")
    github_workflow_name: GitHubName | None = Field(
        default=None, description="The workflow's file, such as `deploy.yml`."
    )

    def fields(self) -> dict[str, Any]:
        """The same as fields of a job, as far as they are given."""
        return _as_job_fields(self.model_dump(exclude_unset=True))


class RunRequest(Input):
    """What this run has of its own, in place of the job's: never stored in the job, and in no answer."""

    metadata: Metadata = Field(default_factory=dict, description="Laid over the job's metadata.")
    inputs: Metadata = Field(default_factory=dict, description="Workflow inputs, laid over the metadata.")
    target_url: TargetUrl | None = None
    github_owner: GitHubName | None = None
    github_repo: GitHubName | None = None
    github_workflow_name: GitHubName | None = None
    github_token: OneLine | None = Field(
        default=None, max_length=255, description="Dispatches this run instead of the installation's token."
    )


def _as_job_fields(flat: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in flat.items():
        if name == "webhook":
            fields.setdefault("target", {}).update(value)
        elif name in _GITHUB:
            fields.setdefault("target", {})[name] = value
        elif name in _NESTED:
            part, field = _NESTED[name]
            fields.setdefault(part, {})[field] = tuple(value) if isinstance(value, list) else value
        else:
            fields[name] = value
    return fields


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


class FieldChange(View):
    """A field's value before and after; null where the job did not exist."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    from_: Any = Field(alias="from")
    to: Any


class HistoryEntry(View):
    """One change of a job."""

    version: int
    action: Literal["created", "updated", "deleted", "restored"]
    at: AwareDatetime
    actor: str = Field(description="A user name, or `system`.")
    actor_id: UUID | None
    changes: dict[str, FieldChange]


class HistoryAnswer(View):
    """A job's changes, newest first."""

    job_id: UUID
    total: int
    history: list[HistoryEntry]
