"""Changes of jobs, as they are written."""

from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from services.gateway.api.v2.fields import (
    CronExpression,
    Emails,
    EndDate,
    Flag,
    GitHubName,
    JobName,
    MaxInstances,
    Metadata,
    MisfireGraceSeconds,
    PauseAfterFailures,
    TargetUrl,
    TaxonomyName,
    TimeoutSeconds,
    TimeZone,
)
from services.gateway.api.v2.models.common import Update, not_given
from services.gateway.api.v2.models.job_inputs import (
    MISFIRE,
    OVERLAP,
    WebhookOptions,
    as_job_fields,
    with_schedule,
)
from services.gateway.api.v2.models.job_schedules import (
    EVERY_90_SECONDS,
    ChangedSchedule,
    ScheduleChange,
    check_expression,
    check_given_once,
)
from shared.domain.job import MisfirePolicy, OverlapPolicy

ONLY_V2 = frozenset(
    {
        "schedule",
        "misfire_policy",
        "misfire_grace_seconds",
        "max_instances",
        "overlap_policy",
        "pause_after_failures",
    }
)
"""What the older contract shows and does not take."""


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
            "next_run_at",
            "version",
        }
    )

    name: JobName = Field(default_factory=not_given)
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
        return as_job_fields(self.model_dump(exclude_unset=True, exclude={"schedule"}))


class JobUpdate(JobChanges):
    """Changes of a job: what is not given stays as it is; null takes away a target."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"cron_expression": "30 3 * * *"},
                {"is_active": False},
                {"schedule": EVERY_90_SECONDS},
                {"schedule": {"jitter_seconds": 300}},
            ]
        }
    )

    schedule: ChangedSchedule = Field(
        default_factory=not_given,
        description="What is not given in it stays as it is; a `kind` comes with its rule.",
    )
    cron_expression: CronExpression | None = Field(
        default_factory=not_given, description="Five fields; null only where the job has none."
    )
    end_date: EndDate | None = Field(
        default_factory=not_given,
        description="The last day that still runs, in the job's time zone; null only where the job runs once.",
    )
    pic_team: TaxonomyName = Field(default_factory=not_given, description="The team in charge.")
    misfire_policy: MisfirePolicy = Field(default_factory=not_given, description=MISFIRE)
    misfire_grace_seconds: MisfireGraceSeconds = Field(default_factory=not_given)
    max_instances: MaxInstances = Field(default_factory=not_given)
    overlap_policy: OverlapPolicy = Field(default_factory=not_given, description=OVERLAP)
    pause_after_failures: PauseAfterFailures = Field(default_factory=not_given)

    @model_validator(mode="after")
    def _says_nothing_twice_and_differently(self) -> Self:
        given = self.model_fields_set
        schedule: ScheduleChange | None = self.schedule if "schedule" in given else None
        if "cron_expression" in given:
            check_expression(self.cron_expression, schedule)
        for name in ("timezone", "end_date"):
            if name in given:
                check_given_once(name, getattr(self, name), schedule)
        return self

    def fields(self) -> dict[str, Any]:
        """The same as fields of a job, as far as they are given."""
        return with_schedule(super().fields(), self.schedule if "schedule" in self.model_fields_set else None)
