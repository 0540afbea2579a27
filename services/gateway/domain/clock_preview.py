"""What the next change of a zone's clock does to a schedule."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from shared.domain.schedule import (
    ClockChange,
    CronSchedule,
    OneShotSchedule,
    Schedule,
    fires_between,
    next_clock_change,
    next_fire,
)
from shared.domain.schedule.cron import parse

AROUND = timedelta(days=2)
RUNS_BEFORE = 2
RUNS_AFTER = 3
TICK = timedelta(microseconds=1)

_HOUR, _NOTHING = timedelta(hours=1), timedelta(0)
_ALL_HOURS = (1 << 24) - 1

_FOLDS = {
    "first": "A run in the time that is repeated happens once, the first time.",
    "last": "A run in the time that is repeated happens once, the second time.",
    "both": "A run in the time that is repeated happens twice.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePreview:
    """A change of the clock, in words, and the runs around it."""

    at: datetime
    description: str
    runs_around: list[datetime]


def preview_next_change(schedule: Schedule, after: datetime) -> ChangePreview | None:
    """The first change of the zone's clock after an instant, in the zone's time; None where none is known."""
    change = next_clock_change(schedule.timezone, after)
    if change is None:
        return None
    zone = ZoneInfo(schedule.timezone)
    earlier = fires_between(schedule, change.at - AROUND, change.at - TICK)
    later = fires_between(schedule, change.at - TICK, change.at + AROUND)
    around = [*deque(earlier, maxlen=RUNS_BEFORE), *islice(later, RUNS_AFTER)]
    return ChangePreview(
        at=change.at.astimezone(zone),
        description=f"{_change_in_words(change)} {effect_in_words(schedule, change)}",
        runs_around=[run.astimezone(zone) for run in around],
    )


def changes_after(timezone: str, after: datetime, count: int) -> Iterator[ClockChange]:
    """The zone's next changes of the clock, as many as are known."""
    at: datetime | None = after
    for _ in range(count):
        change = next_clock_change(timezone, at) if at is not None else None
        if change is None:
            return
        yield change
        at = change.at


def is_affected(schedule: CronSchedule, change: ClockChange) -> bool:
    """Whether the expression names local times that the change skips or repeats, on a day on which the schedule is kept.

    One whose runs go on in their rhythm is not, such as an hourly one.
    """
    if _keeps_its_rhythm(schedule, change):
        return False
    begin, end = sorted((change.at + change.before, change.at + change.after))
    # Time without zones runs evenly, as UTC's does.
    plain = schedule.model_copy(
        update={"timezone": "UTC", "start_at": None, "end_date": None, "jitter_seconds": 0}
    )
    is_kept = (schedule.start_at is None or schedule.start_at <= change.at) and (
        schedule.ends_at is None or change.at < schedule.ends_at
    )
    return is_kept and next(fires_between(plain, begin - TICK, end - TICK), None) is not None


def note_on(schedule: Schedule, instant: datetime) -> str | None:
    """How a change of the clock affects this planned instant; None if none does."""
    if not isinstance(schedule, CronSchedule):
        return None
    local = instant.astimezone(ZoneInfo(schedule.timezone))
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        which = "second" if local.fold else "first"
        return f"The clock reads {local:%H:%M} twice on that day; this is the {which} time."
    change = next_clock_change(schedule.timezone, instant - TICK)
    if change is None or change.at != instant or not change.is_forward:
        return None
    strict = schedule.model_copy(update={"gap": "skip"})
    if next_fire(strict, instant - TICK) == instant:
        return None
    skipped = instant + change.before
    return (
        f"The clock skips from {skipped:%H:%M} to {local:%H:%M}; the run in between happens right after that."
    )


def effect_in_words(schedule: Schedule, change: ClockChange) -> str:
    """What the change does to runs in the time that it skips or repeats."""
    if isinstance(schedule, OneShotSchedule):
        return "It does not move a single instant."
    if not isinstance(schedule, CronSchedule):
        return "An interval goes on as before."
    policy = schedule.gap if change.is_forward else schedule.fold
    is_wildcard = parse(schedule.expression, schedule.seconds).wildcard
    if policy == "debian" and (is_wildcard or change.is_correction):
        return "The runs follow the new time at once."
    if not change.is_forward:
        return _FOLDS.get(policy, "A run in the time that is repeated happens once.")
    if policy == "skip":
        return "A run in the time that is skipped does not happen."
    return "A run in the time that is skipped happens once, right after the change."


def _keeps_its_rhythm(schedule: CronSchedule, change: ClockChange) -> bool:
    policy = schedule.gap if change.is_forward else schedule.fold
    cron = parse(schedule.expression, schedule.seconds)
    is_hourly = (
        cron.wildcard and cron.hours == _ALL_HOURS and (change.after - change.before) % _HOUR == _NOTHING
    )
    return policy == "debian" and is_hourly


def reading(instant: datetime, offset: timedelta) -> datetime:
    """What a clock with this offset reads then."""
    return (instant.astimezone(UTC) + offset).replace(tzinfo=None)


def _change_in_words(change: ClockChange) -> str:
    old, new = (reading(change.at, offset) for offset in (change.before, change.after))
    direction = "forward" if change.is_forward else "back"
    return f"On {old.date()} the clock goes {direction} from {old:%H:%M} to {new:%H:%M}."
