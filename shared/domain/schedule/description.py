"""What a schedule of any kind does, in plain English. Times of day are the schedule's own zone's."""

from datetime import datetime
from zoneinfo import ZoneInfo

from shared.domain.schedule.models import CronSchedule, Exclusion, IntervalSchedule, Schedule
from shared.domain.schedule.words import describe

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_SKIPPED = {
    "run": "times that the clock skips run once, right after it",
    "skip": "times that the clock skips do not run",
}
_REPEATED = {
    "first": "times that come twice run the first time only",
    "last": "times that come twice run the second time only",
    "both": "times that come twice run both times",
}


def describe_schedule(schedule: Schedule) -> str:
    """The schedule in words, such as "Every 90 seconds, through 2026-12-31, except in 2 stretches of time".

    Raises InvalidSchedule if its cron expression, and ZoneInfoNotFoundError if its zone cannot be read.
    """
    parts = [_rhythm(schedule), *_bounds(schedule), *_exceptions(schedule)]
    if schedule.jitter_seconds:
        parts.append(f"spread over {_duration(schedule.jitter_seconds)}")
    if isinstance(schedule, CronSchedule):
        parts += [words[policy] for words, policy in _policies(schedule) if policy in words]
    return ", ".join(parts)


def _rhythm(schedule: Schedule) -> str:
    if isinstance(schedule, CronSchedule):
        return describe(schedule.expression, schedule.seconds)
    if isinstance(schedule, IntervalSchedule):
        return f"Every {_duration(schedule.every_seconds).removeprefix('1 ')}"
    at = _local(schedule, schedule.at)
    return f"Once, on {at:%Y-%m-%d} at {_time(at)}"


def _bounds(schedule: Schedule) -> list[str]:
    bounds = []
    if schedule.start_at is not None:
        bounds.append(f"from {_moment(_local(schedule, schedule.start_at))} on")
    if schedule.end_date is not None:
        bounds.append(f"through {schedule.end_date}")
    return bounds


def _exceptions(schedule: Schedule) -> list[str]:
    calendars = [use.slug for use in schedule.calendars]
    excluded = [_stretches(schedule.exclusions)] if schedule.exclusions else []
    if calendars:
        excluded.append(f"as {' and '.join(calendars)} {'say' if len(calendars) > 1 else 'says'}")
    return [f"except {' and '.join(excluded)}"] if excluded else []


def _stretches(exclusions: tuple[Exclusion, ...]) -> str:
    if len(exclusions) > 1:
        return f"in {len(exclusions)} stretches of time"
    (only,) = exclusions
    return f"from {_moment(only.begin)} to {_moment(only.end)}"


def _policies(schedule: CronSchedule) -> tuple[tuple[dict[str, str], str], ...]:
    return (_SKIPPED, schedule.gap), (_REPEATED, schedule.fold)


def _duration(seconds: int) -> str:
    """In the largest unit that measures it whole."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    number = seconds // size
    return f"{number} {unit}" + ("s" if number != 1 else "")


def _local(schedule: Schedule, instant: datetime) -> datetime:
    return instant.astimezone(ZoneInfo(schedule.timezone))


def _moment(local: datetime) -> str:
    return f"{local:%Y-%m-%d} {_time(local)}"


def _time(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
