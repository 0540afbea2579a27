"""What new jobs and changes of jobs share: how their flat fields become those of a job."""

from typing import Any

from pydantic import Field

from services.gateway.api.v2.models.common import Input
from services.gateway.api.v2.models.job_schedules import ScheduleChange
from shared.domain.job import HttpMethod

MISFIRE = "Planned runs whose time passed during an outage: the latest one runs, all of them do, or none."
OVERLAP = (
    "A planned run that comes while `max_instances` are unfinished: it is skipped, waits, or ends the oldest."
)

# Where the flat fields of v2 stand in a job; the others have the same name in both.
_NESTED = {
    "cron_expression": ("schedule", "cron_expression"),
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


def with_schedule(fields: dict[str, Any], schedule: ScheduleChange | None) -> dict[str, Any]:
    """Fields of a job with those of its schedule, whose rule says what an expression beside it says."""
    if schedule is None:
        return fields
    flat = fields.get("schedule", {})
    if "kind" in schedule.model_fields_set:
        flat.pop("cron_expression", None)
    return {**fields, "schedule": {**schedule.fields(), **flat}}


def as_job_fields(flat: dict[str, Any]) -> dict[str, Any]:
    """The same as fields of a job."""
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
