"""What a cron expression will do: its next runs, and those around the next change of the zone's clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from services.gateway.domain.clock_preview import ChangePreview, preview_next_change
from shared.domain.schedule import CronSchedule, InvalidSchedule, check, check_classic, fires_between

HORIZON = timedelta(days=366 * 100)
"""How far a preview looks: of 29 February on a Monday, a hundred runs would be 2,800 years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CronPreview:
    """The next runs, and the next change of the clock if the zone has one; all in the zone's time."""

    next_runs: list[datetime]
    change: ChangePreview | None


def problem_of(schedule: CronSchedule, now: datetime) -> InvalidSchedule | None:
    """Why the expression cannot be kept, of which five fields are wanted; None if it can."""
    try:
        _check(schedule, now)
    except InvalidSchedule as problem:
        return problem
    return None


def preview(schedule: CronSchedule, count: int, now: datetime) -> CronPreview:
    """The first `count` runs after `now`; raises `InvalidSchedule`."""
    _check(schedule, now)
    zone = ZoneInfo(schedule.timezone)
    runs = islice(fires_between(schedule, now, now + HORIZON), count)
    return CronPreview(
        next_runs=[run.astimezone(zone) for run in runs],
        change=preview_next_change(schedule, now),
    )


def _check(schedule: CronSchedule, now: datetime) -> None:
    check_classic(schedule.expression)
    check(schedule, now)
