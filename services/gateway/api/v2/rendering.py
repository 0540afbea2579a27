"""From what the queries read to what v2 answers."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.gateway.api.v2.history import field_changes, history_entry
from services.gateway.api.v2.models.cron import ClockChangeView, CronPreviewAnswer
from services.gateway.api.v2.models.history import FieldChange, HistoryEntry
from services.gateway.api.v2.models.jobs import JobsPage, JobView, WebhookView
from services.gateway.api.v2.schedule_rendering import in_zone, schedule_view
from services.gateway.domain.cron_preview import CronPreview
from services.gateway.domain.metadata import is_same
from services.gateway.domain.target import target_fields
from services.gateway.queries.history import Recorded
from services.gateway.queries.jobs import Page
from shared.domain.job import Job
from shared.domain.schedule import CronSchedule
from shared.events import JobEvent

_TOLD_BY_OTHERS = {"expression", "timezone", "end_date"}


def job_view(job: Job, last_execution_at: datetime | None, now: datetime) -> JobView:
    """A job as v2 shows it."""
    following = job.next_instant(now)
    zone = ZoneInfo(job.schedule.timezone)
    run_at = following + job.slot if following is not None and job.schedule.jitter_seconds else None
    return JobView(
        **_settings(job),
        schedule=schedule_view(job.schedule),
        id=job.id,
        created_by=job.owner_id,
        created_at=job.created_at,
        updated_at=job.updated_at,
        last_execution_at=last_execution_at,
        next_execution_at=in_zone(following, zone),
        next_run_at=in_zone(run_at, zone),
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


def job_history_entry(change: Recorded) -> HistoryEntry:
    """One change of a job, field by field."""
    event = change.event
    states = (event.before, event.job) if isinstance(event, JobEvent) else (None, None)
    before, after = (_recorded(state) for state in states)
    changes = field_changes(before, after)
    if "schedule" in changes and before and after:
        changes["schedule"] = _difference(before["schedule"], after["schedule"])
    return history_entry(change, changes)


def _recorded(job: Job | None) -> dict[str, Any]:
    """What history compares; of the schedule, what no other field tells."""
    if job is None:
        return {}
    schedule = schedule_view(job.schedule).model_dump(mode="json", exclude=_TOLD_BY_OTHERS)
    return {**_settings(job), "schedule": schedule}


def _difference(before: dict[str, Any], after: dict[str, Any]) -> FieldChange:
    """The fields in which two schedules differ."""
    names = [name for name in {**before, **after} if not is_same(before.get(name), after.get(name))]
    return FieldChange(
        from_={name: before[name] for name in names if name in before},
        to={name: after[name] for name in names if name in after},
    )


def _settings(job: Job) -> dict[str, Any]:
    """What people set of a job, beside its schedule as a whole."""
    target = target_fields(job.target)
    return {
        "name": job.name,
        "cron_expression": job.schedule.cron_expression,
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
        "misfire_policy": job.misfire_policy,
        "misfire_grace_seconds": job.misfire_grace_seconds,
        "max_instances": job.max_instances,
        "overlap_policy": job.overlap_policy,
        "pause_after_failures": job.pause_after_failures,
        "webhook": WebhookView(method=job.target.method),
    }
