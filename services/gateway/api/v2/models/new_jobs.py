"""New jobs, as they are written."""

from typing import Any, Self

from pydantic import ConfigDict, Field, JsonValue, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticKnownError

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
from services.gateway.api.v2.models.common import Input
from services.gateway.api.v2.models.job_inputs import (
    MISFIRE,
    OVERLAP,
    WebhookOptions,
    as_job_fields,
    with_schedule,
)
from services.gateway.api.v2.models.job_schedules import (
    ONCE,
    WEEKDAYS,
    NewSchedule,
    OnceInput,
    ScheduleChange,
    check_given_once,
    contradiction,
)
from services.gateway.api.v2.models.jobs import NIGHTLY
from shared.domain.job import (
    DEFAULT_MISFIRE_GRACE_SECONDS,
    DEFAULT_TIMEOUT_SECONDS,
    MisfirePolicy,
    OverlapPolicy,
)

_ABSENT = object()

WORKFLOW: dict[str, JsonValue] = {
    "name": "Nightly tests",
    "cron_expression": "0 3 * * *",
    "pic_team": "devops",
    "end_date": "2027-12-31",
    "github_owner": "myorg",
    "github_repo": "myrepo",
    "github_workflow_name": "tests.yml",
}
SPREAD: dict[str, JsonValue] = {
    "name": "Warm the caches",
    "schedule": {**WEEKDAYS, "end_date": "2027-12-31"},
    "pic_team": "devops",
    "target_url": "https://api.example.com/warm",
    "misfire_policy": "skip",
    "overlap_policy": "queue",
    "pause_after_failures": 5,
}
ONE_SHOT: dict[str, JsonValue] = {
    "name": "Move the database",
    "schedule": ONCE,
    "pic_team": "devops",
    "target_url": "https://api.example.com/move",
}


def _absent() -> Any:
    """Tells what is not given from null."""
    return _ABSENT


class JobFields(Input):
    """What every new job may have; the contracts differ in what it must have."""

    name: JobName
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
        return as_job_fields(self.model_dump(exclude_none=True, exclude={"schedule"}))


class JobCreate(JobFields):
    """A new job: with a `cron_expression` or a `schedule`, and with a last day unless it runs only once."""

    model_config = ConfigDict(json_schema_extra={"examples": [NIGHTLY, WORKFLOW, SPREAD, ONE_SHOT]})

    schedule: NewSchedule | None = Field(
        default=None, description="In place of `cron_expression`, where that does not suffice."
    )
    cron_expression: CronExpression | None = Field(default_factory=_absent, validate_default=True)
    end_date: EndDate | None = Field(default_factory=_absent, validate_default=True)
    pic_team: TaxonomyName = Field(description="The team in charge: its slug or its name.")
    misfire_policy: MisfirePolicy = Field(default=MisfirePolicy.RUN_LATEST, description=MISFIRE)
    misfire_grace_seconds: MisfireGraceSeconds = DEFAULT_MISFIRE_GRACE_SECONDS
    max_instances: MaxInstances = 1
    overlap_policy: OverlapPolicy = Field(default=OverlapPolicy.SKIP, description=OVERLAP)
    pause_after_failures: PauseAfterFailures = None

    @field_validator("schedule")
    @classmethod
    def _has_one_zone(cls, schedule: ScheduleChange | None, info: ValidationInfo) -> ScheduleChange | None:
        check_given_once("timezone", info.data.get("timezone"), schedule)
        return schedule

    @field_validator("cron_expression", mode="before")
    @classmethod
    def _stands_for_the_schedule(cls, expression: object, info: ValidationInfo) -> object:
        if "schedule" not in info.data:  # that is wrong, and told
            return None
        if info.data["schedule"] is None:
            return _present(expression)
        if expression is not _ABSENT and expression is not None:
            raise contradiction("give either cron_expression or schedule")
        return None

    @field_validator("end_date", mode="before")
    @classmethod
    def _may_stand_in_the_schedule(cls, end_date: object, info: ValidationInfo) -> object:
        schedule = info.data.get("schedule", _ABSENT)
        is_elsewhere = isinstance(schedule, ScheduleChange) and schedule.end_date is not None
        may_be_absent = is_elsewhere or isinstance(schedule, OnceInput) or schedule is _ABSENT
        if may_be_absent and (end_date is _ABSENT or end_date is None):
            return None
        return _present(end_date)

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if self.end_date is not None and self.schedule is not None and self.schedule.end_date is not None:
            check_given_once("end_date", self.end_date, self.schedule)
        return self

    def fields(self) -> dict[str, Any]:
        """The same as fields of a job."""
        return with_schedule(super().fields(), self.schedule)


def _present(value: object) -> object:
    """The value, which must be given."""
    if value is _ABSENT:
        raise PydanticKnownError("missing")
    if value is None:
        raise PydanticKnownError("string_type")
    return value
