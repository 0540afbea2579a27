"""What a schedule will do: its next runs, and those around the next change of the zone's clock."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from shared.domain.cron import parse
from shared.domain.schedule import (
    ClockChange,
    CronSchedule,
    InvalidSchedule,
    check,
    fires_between,
    next_clock_change,
)

HORIZON = timedelta(days=366 * 100)
"""How far a preview looks: of 29 February on a Monday, a hundred runs would be 2,800 years."""
AROUND = timedelta(days=2)
RUNS_BEFORE = 2
RUNS_AFTER = 3

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePreview:
    """A change of the clock, in words, and the runs around it."""

    at: datetime
    description: str
    runs_around: list[datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class CronPreview:
    """The next runs, and the next change of the clock if the zone has one; all in the zone's time."""

    next_runs: list[datetime]
    change: ChangePreview | None


def problem_of(schedule: CronSchedule, now: datetime) -> InvalidSchedule | None:
    """Why the schedule cannot be kept; None if it can."""
    try:
        check(schedule, now)
    except InvalidSchedule as problem:
        return problem
    return None


def preview(schedule: CronSchedule, count: int, now: datetime) -> CronPreview:
    """The first `count` runs after `now`; raises `InvalidSchedule`."""
    check(schedule, now)
    zone = ZoneInfo(schedule.timezone)
    runs = islice(fires_between(schedule, now, now + HORIZON), count)
    change = next_clock_change(schedule.timezone, now)
    return CronPreview(
        next_runs=[run.astimezone(zone) for run in runs],
        change=_change_preview(schedule, change, zone) if change is not None else None,
    )


def _change_preview(schedule: CronSchedule, change: ClockChange, zone: ZoneInfo) -> ChangePreview:
    before = fires_between(schedule, change.at - AROUND, change.at - _TICK)
    after = fires_between(schedule, change.at - _TICK, change.at + AROUND)
    around = [*deque(before, maxlen=RUNS_BEFORE), *islice(after, RUNS_AFTER)]
    return ChangePreview(
        at=change.at.astimezone(zone),
        description=f"{_change_in_words(change)} {_effect_in_words(schedule, change)}",
        runs_around=[run.astimezone(zone) for run in around],
    )


def _change_in_words(change: ClockChange) -> str:
    old, new = ((change.at + offset).strftime("%H:%M") for offset in (change.before, change.after))
    day = (change.at + change.before).date()
    direction = "forward" if change.is_forward else "back"
    return f"On {day} the clock goes {direction} from {old} to {new}."


def _effect_in_words(schedule: CronSchedule, change: ClockChange) -> str:
    if parse(schedule.expression).wildcard or change.is_correction:
        return "The runs follow the new time at once."
    if change.is_forward:
        return "A run in the time that is skipped happens once, right after the change."
    return "A run in the time that is repeated happens once."
