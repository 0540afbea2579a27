"""Whether a schedule can be kept."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared.domain.schedule.cron import InvalidSchedule, parse
from shared.domain.schedule.exclusions import all_exclusions
from shared.domain.schedule.matching import HORIZON as RAREST_YEARS
from shared.domain.schedule.models import CronSchedule, IntervalSchedule, OneShotSchedule, Schedule
from shared.domain.schedule.planning import fires_between, next_fire
from shared.domain.schedule.zones import END_OF_TIME, EPOCH, LAST_YEAR, utc, zone_names

MAX_EVERY_SECONDS = 366 * 86_400
MAX_JITTER_SECONDS = 86_400
MAX_EXCLUSIONS = 500
"""Of a schedule with all calendars that it follows."""
_TITLE = "Invalid schedule"
_HORIZON = timedelta(days=366 * RAREST_YEARS)


class NeverFires(InvalidSchedule):
    """All is right with it, but there is no instant left."""


def check(schedule: Schedule, now: datetime) -> None:
    """Raises InvalidSchedule unless the schedule can be kept: each of its parts, its zone, and a first run after `now`.

    Whether `end_date` has passed, or comes before the first run, is for the caller to say. Exclusions must leave a run
    within fifty years. Takes some milliseconds at most. ValueError if `now` is naive.
    """
    begin = utc(now)
    _check_rule(schedule)
    if schedule.timezone not in zone_names():
        raise InvalidSchedule(f"Unknown time zone: {schedule.timezone!r}", title="Invalid time zone")
    _check_number("jitter_seconds", schedule.jitter_seconds, 0, MAX_JITTER_SECONDS)
    _check_exclusions(schedule)
    _check_bounds(schedule)
    _check_fires(schedule, begin)


def _check_rule(schedule: Schedule) -> None:
    if isinstance(schedule, CronSchedule):
        parse(schedule.expression, schedule.seconds)
    elif isinstance(schedule, IntervalSchedule):
        _check_number("every_seconds", schedule.every_seconds, 1, MAX_EVERY_SECONDS)
        _check_whole("anchor", schedule.anchor)
    else:
        _check_whole("at", schedule.at)


def _check_whole(name: str, instant: datetime) -> None:
    _check_year(name, instant)
    if utc(instant).microsecond:
        raise _invalid(f"{name} must be a whole second: {instant.isoformat()}")


def _check_exclusions(schedule: Schedule) -> None:
    count = len(schedule.exclusions) + sum(len(use.exclusions) for use in schedule.calendars)
    if count > MAX_EXCLUSIONS:
        raise _invalid(
            f"A schedule may have at most {MAX_EXCLUSIONS} exclusions, those of its calendars included; it has {count}"
        )
    for one in all_exclusions(schedule):
        if one.end <= one.begin:
            raise _invalid(
                f"An exclusion must end after it begins: {one.begin.isoformat()} to {one.end.isoformat()}"
            )


def _check_bounds(schedule: Schedule) -> None:
    if schedule.start_at is not None:
        _check_year("start_at", schedule.start_at)
    ends_at = schedule.ends_at
    if ends_at is None:
        return
    if schedule.start_at is not None and schedule.start_at >= ends_at:
        raise _invalid(f"start_at must not be after the last day: {_shown(schedule, schedule.start_at)}")
    if isinstance(schedule, OneShotSchedule) and schedule.at >= ends_at:
        raise _invalid(f"at must not be after the last day: {_shown(schedule, schedule.at)}")


def _check_fires(schedule: Schedule, now: datetime) -> None:
    bare = {"end_date": None, "exclusions": (), "calendars": ()}
    first = next_fire(schedule.model_copy(update=bare), now)
    if first is None:
        raise _never(schedule, now)
    if schedule.exclusions or schedule.calendars:
        endless = schedule.model_copy(update={"end_date": None})
        until = min(first, END_OF_TIME - _HORIZON) + _HORIZON
        if next(fires_between(endless, now, until), None) is None:
            raise NeverFires("The schedule never fires: all of its times lie in exclusions", title=_TITLE)


def _never(schedule: Schedule, now: datetime) -> NeverFires:
    if isinstance(schedule, CronSchedule):
        return NeverFires(f"Cron expression never fires: {schedule.expression}")
    if isinstance(schedule, OneShotSchedule) and schedule.at <= now:
        return NeverFires(
            f"The schedule never fires: {_shown(schedule, schedule.at)} has passed", title=_TITLE
        )
    if isinstance(schedule, OneShotSchedule):
        return NeverFires("The schedule never fires: at is before start_at", title=_TITLE)
    return NeverFires("The schedule never fires", title=_TITLE)


def _shown(schedule: Schedule, instant: datetime) -> str:
    return instant.astimezone(ZoneInfo(schedule.timezone)).isoformat()


def _check_number(name: str, number: int, low: int, high: int) -> None:
    if not low <= number <= high:
        raise _invalid(f"{name} must be from {low} to {high}, not {number}")


def _check_year(name: str, instant: datetime) -> None:
    if not EPOCH.year <= instant.year <= LAST_YEAR:
        raise _invalid(f"{name} must be in the years {EPOCH.year} to {LAST_YEAR}: {instant.isoformat()}")


def _invalid(message: str) -> InvalidSchedule:
    return InvalidSchedule(message, title=_TITLE)
