"""From what the queries read to what v2 answers."""

from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from services.gateway.api.v2.models.cron import ClockChangeView, CronPreviewAnswer
from services.gateway.api.v2.models.history import FieldChange, HistoryEntry
from services.gateway.api.v2.models.jobs import JobsPage, JobView, WebhookView
from services.gateway.domain.cron_preview import CronPreview
from services.gateway.domain.metadata import is_same
from services.gateway.domain.target import target_fields
from services.gateway.queries.history import JobChange
from services.gateway.queries.jobs import Page
from shared.domain.job import Job
from shared.domain.schedule import CronSchedule

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


def jobs_page(jobs: list[JobView], total: int, page: Page) -> JobsPage:
    """A page of jobs, and where it stands."""
    return JobsPage(
        count=len(jobs),
        jobs=jobs,
        total=total,
        page=page.number,
        per_page=page.size,
        total_pages=-(-total // page.size),
    )


def cron_preview_answer(schedule: CronSchedule, found: CronPreview) -> CronPreviewAnswer:
    """What a cron expression will do."""
    return CronPreviewAnswer(
        cron_expression=schedule.expression,
        next_runs=found.next_runs,
        timezone=schedule.timezone,
        count=len(found.next_runs),
        dst_change=ClockChangeView.model_validate(found.change) if found.change is not None else None,
    )


def history_entry(change: JobChange) -> HistoryEntry:
    """One change, field by field."""
    before = _settings(change.before) if change.before is not None else {}
    after = _settings(change.after) if change.after is not None else {}
    changes = {
        name: FieldChange(from_=before.get(name), to=after.get(name))
        for name in after or before
        if not is_same(before.get(name), after.get(name))
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
