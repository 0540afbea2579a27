"""When a job is planned: its expression, its zone, its last day, and the instants that follow from them.

Clock changes follow Debian cron 3.0pl1 (cron(8) and main() in cron.c). Jobs with a wildcard minute or hour
go by the new clock at once. For the others time goes on evenly: what a gap skipped runs once, right after it,
and what a repeated hour repeats does not run again. A jump beyond three hours is a correction of the clock:
all jobs go by the new time.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise, takewhile
from typing import Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict

from shared.domain.cron import LAST_YEAR, Cron, InvalidSchedule, parse
from shared.domain.cron_words import describe

__all__ = [
    "ClockChange",
    "CronSchedule",
    "InvalidSchedule",
    "Schedule",
    "check",
    "describe",
    "fires_between",
    "next_clock_change",
    "next_fire",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER = datetime.max.replace(tzinfo=UTC)
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
_CORRECTION = timedelta(hours=3)  # MINUTE_COUNT * 3 in cron.c
_NOT_PLACES = frozenset({"Factory", "localtime"})  # in the zone directory, but not IANA's or not anywhere


class CronSchedule(BaseModel):
    """Five fields in a zone. Built without checks, since the bus carries only schedules that `check` let through."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["cron"] = "cron"
    expression: str
    timezone: str
    """An IANA name."""
    end_date: date | None = None
    """The last day, in that zone, that still runs; None never ends."""

    @property
    def ends_at(self) -> datetime | None:
        """The instant at which the last day is over; None never comes."""
        return None if self.end_date is None else _midnight_after(self.end_date, self.timezone)


Schedule: TypeAlias = CronSchedule


class ClockChange(NamedTuple):
    """An instant at which a zone takes another offset from UTC."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def is_forward(self) -> bool:
        """Whether local times are skipped; else they come twice."""
        return self.after > self.before

    @property
    def is_correction(self) -> bool:
        """Whether all jobs go by the new time, since the jump is too large for a summer time."""
        return _is_correction(self.after - self.before)


class _Stretch(NamedTuple):
    """A piece of a year, [begin, end), in which the zone keeps one offset from UTC."""

    begin: datetime
    end: datetime
    offset: timedelta


def check(schedule: CronSchedule, now: datetime) -> None:
    """Raises InvalidSchedule unless the schedule can be kept: fields, zone, and a first run after `now`.

    `end_date` is not looked at: whether a day is too early is for the caller to say. ValueError if `now` is naive.
    """
    parse(schedule.expression)
    if schedule.timezone not in _zones():
        raise InvalidSchedule(f"Unknown time zone: {schedule.timezone!r}", title="Invalid time zone")
    if _first(schedule.expression, schedule.timezone, _utc(now)) is None:
        raise InvalidSchedule(f"Cron expression never fires: {schedule.expression}")


def next_fire(schedule: CronSchedule, after: datetime) -> datetime | None:
    """The first planned instant strictly later than `after`, in UTC; None if there is none up to the last day.

    Nothing is planned before 1970 or after 9997. Raises ValueError if `after` is naive; a schedule that `check`
    refuses raises InvalidSchedule or ZoneInfoNotFoundError here.
    """
    instant = _first(schedule.expression, schedule.timezone, _utc(after))
    return instant if instant is not None and instant < _end(schedule) else None


def fires_between(schedule: CronSchedule, after: datetime, until: datetime) -> Iterator[datetime]:
    """All planned instants in (after, until], ascending: what repeated calls of `next_fire` give, but faster.

    Raises as `next_fire` does.
    """
    last, end = _utc(until), _end(schedule)
    walk = _walk(schedule.expression, schedule.timezone, _utc(after))
    return takewhile(lambda instant: instant <= last and instant < end, walk)


def next_clock_change(timezone: str, after: datetime) -> ClockChange | None:
    """The zone's first change of offset strictly after `after`, up to the end of the next year; None if there is none.

    Raises ZoneInfoNotFoundError, and ValueError if `after` is naive.
    """
    instant = _utc(after)
    for year in (instant.year, instant.year + 1):
        for old, new in pairwise(_stretches(timezone, year)):
            if new.begin > instant:
                return ClockChange(new.begin, old.offset, new.offset)
    return None


@lru_cache(maxsize=16_384)
def _first(expression: str, timezone: str, after: datetime) -> datetime | None:
    return next(_walk(expression, timezone, after), None)


def _walk(expression: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """The instants after `after`: minutes that match on the local clock, carried across the changes of its offset."""
    cron = parse(expression)
    if after.year > LAST_YEAR:
        return
    stretch, done = _begin(cron, timezone, max(after, _EPOCH))
    local = cron.following(done)
    while local is not None and local.year <= LAST_YEAR:
        instant = (local - stretch.offset).replace(tzinfo=UTC)
        if instant < stretch.end:
            yield instant
            local = cron.following(local)
            continue
        change, old = stretch.end, stretch  # the clock changes, or a year ends, before it reads `local`
        stretch = _stretch(timezone, change)
        resumes = _local(change, stretch)
        if stretch.offset == old.offset:
            continue
        if cron.wildcard or _is_correction(stretch.offset - old.offset):
            local = cron.following(resumes - _SECOND)
        elif local < resumes:
            yield change
            local = cron.following(resumes)


def _begin(cron: Cron, timezone: str, after: datetime) -> tuple[_Stretch, datetime]:
    """The stretch that holds `after`, and the local time up to which everything has run by then.

    That is what the clock reads, or where it stood before it was turned back if a job does not run again.
    """
    stretch = _stretch(timezone, after - _CORRECTION - _MINUTE)
    turned_back = None
    while stretch.end <= after:
        change, old = stretch.end, stretch
        stretch = _stretch(timezone, change)
        jump = stretch.offset - old.offset
        if jump < timedelta(0) and not cron.wildcard and not _is_correction(jump):
            turned_back = _local(change, old) - _SECOND
    reads = _local(after, stretch)
    return stretch, reads if turned_back is None else max(reads, turned_back)


def _is_correction(jump: timedelta) -> bool:
    """Whether the jump is too large for a summer time; cron.c counts from the minute before it."""
    return abs(jump + _MINUTE) > _CORRECTION


def _local(instant: datetime, stretch: _Stretch) -> datetime:
    return (instant + stretch.offset).replace(tzinfo=None)


def _stretch(timezone: str, instant: datetime) -> _Stretch:
    return next(stretch for stretch in _stretches(timezone, instant.year) if instant < stretch.end)


@lru_cache(maxsize=8192)
def _stretches(timezone: str, year: int) -> tuple[_Stretch, ...]:
    """A year's stretches. Changes are looked for by day: since 1970 no zone has had two of them within two days."""
    zone = ZoneInfo(timezone)
    begin, year_end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    offset, day = _offset(zone, begin), begin
    stretches = []
    while day < year_end:
        next_day = day + _DAY
        if _offset(zone, next_day) != offset:
            change = _first_change(zone, day, next_day)
            stretches.append(_Stretch(begin, change, offset))
            begin, offset = change, _offset(zone, change)
        day = next_day
    return (*stretches, _Stretch(begin, year_end, offset))


def _first_change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The second in (low, high] at which the zone takes the offset that it has at `high`."""
    target = _offset(zone, high)
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        low, high = (low, middle) if _offset(zone, middle) == target else (middle, high)
    return high


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).replace(tzinfo=UTC) - instant


def _end(schedule: CronSchedule) -> datetime:
    """The instant at which the last day is over."""
    return schedule.ends_at or _FOREVER


@lru_cache(maxsize=8192)
def _midnight_after(day: date, timezone: str) -> datetime:
    """When the clock first leaves the day. It may come back (St. John's turned it at 00:01), but that is over too."""
    if day.year > LAST_YEAR:
        return _FOREVER
    return datetime.combine(day + _DAY, time(), tzinfo=ZoneInfo(timezone)).astimezone(UTC)


def _utc(instant: datetime) -> datetime:
    if instant.utcoffset() is None:
        raise ValueError(f"A planned instant needs a time zone: {instant}")
    return instant.astimezone(UTC)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NOT_PLACES
