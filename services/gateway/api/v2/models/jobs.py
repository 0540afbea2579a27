"""Jobs, as they are shown."""

from datetime import date
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue

from services.gateway.api.v2.models.common import View
from services.gateway.api.v2.models.job_schedules import ScheduleView
from shared.domain.job import HttpMethod, MisfirePolicy, OverlapPolicy

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
SHOWN: dict[str, JsonValue] = {
    **NIGHTLY,
    "github_owner": None,
    "github_repo": None,
    "github_workflow_name": None,
    "id": "550e8400-e29b-41d4-a716-446655440000",
    "notify_on_success": False,
    "schedule": {
        "kind": "cron",
        "expression": "0 2 * * *",
        "seconds": False,
        "gap": "debian",
        "fold": "debian",
        "timezone": "Asia/Tokyo",
        "start_at": None,
        "end_date": "2027-12-31",
        "jitter_seconds": 0,
        "exclusions": [],
    },
    "misfire_policy": "run_latest",
    "misfire_grace_seconds": 3600,
    "max_instances": 1,
    "overlap_policy": "skip",
    "pause_after_failures": None,
    "created_by": "4f5b0b52-54d0-4d36-9f5e-1d2c6c5a8f70",
    "is_active": True,
    "created_at": "2026-01-15T10:30:00Z",
    "updated_at": "2026-01-15T10:30:00Z",
    "last_execution_at": "2026-01-15T17:00:00Z",
    "next_execution_at": "2026-01-17T02:00:00+09:00",
    "next_run_at": None,
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
    cron_expression: str | None = Field(description="Null where the schedule is none of cron.")
    schedule: ScheduleView
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
    next_run_at: AwareDatetime | None = Field(
        description="When that one begins, where the job spreads its runs (`jitter_seconds`); else null."
    )
    timezone: str
    timeout_seconds: float
    misfire_policy: MisfirePolicy
    misfire_grace_seconds: int
    max_instances: int
    overlap_policy: OverlapPolicy
    pause_after_failures: int | None
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
