"""From what the queries read to what v2 answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from services.gateway.api.v2.models.executions import AttemptView, ExecutionDetailView, ExecutionView
from services.gateway.api.v2.models.jobs import FieldChange, HistoryEntry, JobView, WebhookView
from services.gateway.domain.target import target_fields
from services.gateway.queries.executions import ExecutionDetail
from services.gateway.queries.history import JobChange
from shared.domain.job import Job

_ACTIONS: dict[str, Literal["created", "updated", "deleted", "restored"]] = {
    "job.created": "created",
    "job.updated": "updated",
    "job.deleted": "deleted",
    "job.restored": "restored",
}


def job_view(job: Job, last_execution_at: datetime | None, now: datetime) -> JobView:
    """A job as v2 shows it."""
    following = job.next_instant(now)
    zone = ZoneInfo(job.schedule.timezone)
    return JobView(
        **_settings(job),
        id=job.id,
        created_by=job.owner_id,
        created_at=job.created_at,
        updated_at=job.updated_at,
        last_execution_at=last_execution_at,
        next_execution_at=following.astimezone(zone) if following is not None else None,
        version=job.version,
    )


def execution_view(row: Mapping[str, Any]) -> ExecutionView:
    """An execution's row, or the part of it that a new one has."""
    return ExecutionView(**_execution(row))


def execution_detail_view(detail: ExecutionDetail) -> ExecutionDetailView:
    """An execution's row with its attempts."""
    attempts = [AttemptView.model_validate(row) for row in detail.attempts]
    return ExecutionDetailView(**_execution(detail.row._asdict()), attempts=attempts)


def history_entry(change: JobChange) -> HistoryEntry:
    """One change, field by field."""
    before = _settings(change.before) if change.before is not None else {}
    after = _settings(change.after) if change.after is not None else {}
    changes = {
        name: FieldChange(from_=before.get(name), to=after.get(name))
        for name in after or before
        if before.get(name) != after.get(name)
    }
    return HistoryEntry(
        version=change.version,
        action=_ACTIONS[change.type],
        at=change.at,
        actor=change.actor_name,
        actor_id=change.actor_id,
        changes=changes,
    )


def _settings(job: Job) -> dict[str, Any]:
    """What people set of a job: what its history compares."""
    target = target_fields(job.target)
    return {
        "name": job.name,
        "cron_expression": job.schedule.expression,
        "target_url": target["url"],
        "github_owner": target.get("github_owner"),
        "github_repo": target.get("github_repo"),
        "github_workflow_name": target.get("github_workflow_name"),
        "metadata": job.metadata,
        "category": job.category,
        "pic_team": job.pic_team,
        "end_date": job.schedule.end_date,
        "enable_email_notifications": job.notifications.email_enabled,
        "notification_emails": list(job.notifications.emails),
        "notify_on_success": job.notifications.on_success,
        "is_active": job.is_active,
        "timezone": job.schedule.timezone,
        "timeout_seconds": job.timeout_seconds,
        "webhook": WebhookView(method=job.target.method),
    }


def _execution(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "job_id": row["job_id"],
        "job_name": row["job_name"],
        "status": row["status"],
        "trigger_type": row["kind"],
        "started_at": row.get("started_at"),
        "completed_at": row.get("completed_at"),
        "duration_seconds": row.get("duration_seconds"),
        "execution_type": row["target_kind"],
        "target": row["target_label"],
        "response_status": row.get("response_status"),
        "error_message": row.get("error_message"),
        "output": row.get("output"),
        "planned_at": row.get("planned_at"),
        "planned_to": row.get("planned_to"),
        "planned_count": row.get("planned_count", 1),
        "queued_at": row["queued_at"],
        "attempt": row.get("attempt", 0),
        "job_version": row["job_version"],
        "reason": row.get("reason"),
        "into_execution_id": row.get("into_execution_id"),
    }
