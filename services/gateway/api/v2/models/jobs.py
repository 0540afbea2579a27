"""Jobs, as they are written and shown."""

from datetime import date
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue

from services.gateway.api.v2.fields import (
    CronExpression,
    Emails,
    EndDate,
    Flag,
    GitHubName,
    JobName,
    Metadata,
    TargetUrl,
    TaxonomyName,
    TimeoutSeconds,
    TimeZone,
)
from services.gateway.api.v2.models.common import Input, Update, View, not_given
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


NIGHTLY: dict[str, JsonValue] = {
    "name": "Daily Backup Job",
    "cron_expression": "0 2 * * *",
    "category": "maintenance",
    "pic_team": "devops",
    "end_date": "2027-12-31",
    "target_url": "https://api.example.com/webhook",
    "metadata": {"env": "production"},
    "enable_email_notifications": True,
    "notification_emails": ["admin@example.com"],
}
WORKFLOW: dict[str, JsonValue] = {
    "name": "Nightly tests",
    "cron_expression": "0 3 * * *",
    "pic_team": "devops",
    "end_date": "2027-12-31",
    "github_owner": "myorg",
    "github_repo": "myrepo",
    "github_workflow_name": "tests.yml",
}


class WebhookOptions(Input):
    """How the target is called."""

    method: HttpMethod = Field(
        default=HttpMethod.GET, description="A POST sends job, execution and metadata as JSON."
    )


class JobFields(Input):
    """What every new job may have; the contracts differ in what it must have."""

    name: JobName
    cron_expression: CronExpression
    target_url: TargetUrl | None = None
    webhook: WebhookOptions = WebhookOptions()
    category: TaxonomyName | None = Field(
        default=None, description="Its category: slug or name; by default `general`."
    )
    metadata: Metadata = Field(default_factory=dict)
    timezone: TimeZone | None = None
    timeout_seconds: TimeoutSeconds = DEFAULT_TIMEOUT_SECONDS
    enable_email_notifications: Flag = Field(
        default=False, description="Tell `notification_emails` of failures."
    )
    notification_emails: Emails = Field(
        default_factory=list, description="Who is told; kept only while that is enabled."
    )
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


class JobCreate(JobFields):
    """A new job."""

    model_config = ConfigDict(json_schema_extra={"examples": [NIGHTLY, WORKFLOW]})

    end_date: EndDate
    pic_team: TaxonomyName = Field(description="The team in charge: its slug or its name.")


class JobChanges(Update):
    """What every contract may change; what is not given stays as it is."""

    fixed = frozenset(
        {
            "id",
            "created_by",
            "created_at",
            "updated_at",
            "last_execution_at",
            "next_execution_at",
            "version",
        }
    )

    name: JobName = Field(default_factory=not_given)
    cron_expression: CronExpression = Field(default_factory=not_given)
    target_url: TargetUrl | None = Field(default_factory=not_given)
    webhook: WebhookOptions = Field(default_factory=not_given)
    category: TaxonomyName = Field(default_factory=not_given, description="Its category: slug or name.")
    metadata: Metadata = Field(default_factory=not_given)
    timezone: TimeZone = Field(default_factory=not_given)
    timeout_seconds: TimeoutSeconds = Field(default_factory=not_given)
    enable_email_notifications: Flag = Field(
        default_factory=not_given,
        description="Tell `notification_emails` of failures; disabling clears those.",
    )
    notification_emails: Emails = Field(default_factory=not_given)
    notify_on_success: Flag = Field(default_factory=not_given, description="Tell them of successes too.")
    is_active: Flag = Field(default_factory=not_given, description="Whether it runs on its schedule.")
    github_owner: GitHubName | None = None
    github_repo: GitHubName | None = Field(default=None, description="Its name, or `owner/name`.")
    github_workflow_name: GitHubName | None = Field(
        default=None, description="The workflow's file, such as `deploy.yml`."
    )

    def fields(self) -> dict[str, Any]:
        """The same as fields of a job, as far as they are given."""
        return _as_job_fields(self.model_dump(exclude_unset=True))


class JobUpdate(JobChanges):
    """Changes of a job: what is not given stays as it is; null takes away a target."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"cron_expression": "30 3 * * *"}, {"is_active": False}]}
    )

    end_date: EndDate = Field(default_factory=not_given)
    pic_team: TaxonomyName = Field(default_factory=not_given, description="The team in charge.")


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


SHOWN: dict[str, JsonValue] = {
    **NIGHTLY,
    "github_owner": None,
    "github_repo": None,
    "github_workflow_name": None,
    "id": "550e8400-e29b-41d4-a716-446655440000",
    "notify_on_success": False,
    "created_by": "4f5b0b52-54d0-4d36-9f5e-1d2c6c5a8f70",
    "is_active": True,
    "created_at": "2026-01-15T10:30:00Z",
    "updated_at": "2026-01-15T10:30:00Z",
    "last_execution_at": "2026-01-15T17:00:00Z",
    "next_execution_at": "2026-01-17T02:00:00+09:00",
    "timezone": "Asia/Tokyo",
    "timeout_seconds": 30.0,
    "webhook": {"method": "GET"},
    "version": 1,
}


class WebhookView(View):
    """How the target is called."""

    method: HttpMethod


class JobView(View):
    """A job."""

    model_config = ConfigDict(json_schema_extra={"examples": [SHOWN]})

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
    """Jobs."""

    count: int = Field(description="How many are listed here.")
    jobs: list[JobView]


class JobsPage(JobsAnswer):
    """One page of jobs."""

    total: int = Field(description="How many match, on all pages.")
    page: int
    per_page: int
    total_pages: int


class JobReference(View):
    """Which job it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": "8c19f741-1a44-4d4b-b71e-638bb614d184", "name": "Daily Backup"}]
        }
    )

    id: UUID
    name: str


class JobDeletedAnswer(View):
    """Which job is gone."""

    message: str = "Job deleted successfully"
    deleted_job: JobReference
