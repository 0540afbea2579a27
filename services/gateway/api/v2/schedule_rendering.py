"""Schedules, as v2 shows them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.gateway.api.v2.models.cron import ClockChangeView
from services.gateway.api.v2.models.job_schedules import (
    CronView,
    FollowedCalendarView,
    IntervalView,
    OnceView,
    ScheduleView,
)
from services.gateway.api.v2.models.schedule_preview import (
    PassedOverView,
    PlannedRunView,
    PreviewAnswer,
    WarningView,
    WindowView,
)
from services.gateway.api.v2.models.schedules import exclusion_view
from services.gateway.domain.schedule_preview import PlannedRun, SchedulePreview
from shared.domain.schedule import CronSchedule, IntervalSchedule, Schedule


def schedule_view(schedule: Schedule) -> ScheduleView:
    """A schedule in the form in which it is taken; local times with the zone's offset, the anchor in UTC."""
    zone = ZoneInfo(schedule.timezone)
    common: dict[str, Any] = {
        "timezone": schedule.timezone,
        "start_at": in_zone(schedule.start_at, zone),
        "end_date": schedule.end_date,
        "jitter_seconds": schedule.jitter_seconds,
        "exclusions": [
            *(exclusion_view(one) for one in schedule.exclusions),
            *(FollowedCalendarView(calendar=use.slug, version=use.version) for use in schedule.calendars),
        ],
    }
    if isinstance(schedule, CronSchedule):
        return CronView(
            **common,
            expression=schedule.expression,
            seconds=schedule.seconds,
            gap=schedule.gap,
            fold=schedule.fold,
        )
    if isinstance(schedule, IntervalSchedule):
        return IntervalView(**common, every_seconds=schedule.every_seconds, anchor=schedule.anchor)
    return OnceView(**common, at=schedule.at.astimezone(zone))


def preview_answer(schedule: Schedule, found: SchedulePreview, slot: timedelta | None) -> PreviewAnswer:
    """What a schedule will do; `slot` is how much later than planned its runs begin, None where only a job says that."""
    return PreviewAnswer(
        description=found.description,
        timezone=schedule.timezone,
        count=len(found.runs),
        runs=[_run_view(run, schedule.jitter_seconds, slot) for run in found.runs],
        excluded=[
            PassedOverView(
                planned=one.planned, exclusion=exclusion_view(one.exclusion), calendar=one.calendar
            )
            for one in found.passed_over
        ],
        dst_change=ClockChangeView.model_validate(found.change) if found.change is not None else None,
        warnings=[WarningView.model_validate(one) for one in found.warnings],
    )


def _run_view(run: PlannedRun, jitter_seconds: int, slot: timedelta | None) -> PlannedRunView:
    planned, zone = run.planned, run.planned.tzinfo
    # In UTC, since the clock may change within the window.
    instant = planned.astimezone(UTC)
    window = (instant, instant + timedelta(seconds=jitter_seconds))
    return PlannedRunView(
        planned=planned,
        planned_utc=instant,
        offset=planned.isoformat()[len("2026-12-01T09:00:00") :],
        actual=(instant + slot).astimezone(zone) if slot is not None else None,
        actual_window=WindowView(from_=window[0].astimezone(zone), to=window[1].astimezone(zone))
        if slot is None
        else None,
        note=run.note,
    )


def in_zone(instant: datetime | None, zone: ZoneInfo) -> datetime | None:
    """The instant with the zone's offset."""
    return instant.astimezone(zone) if instant is not None else None
