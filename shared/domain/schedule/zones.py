"""Zones: which offset from UTC they keep when, and at which instants they change it."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

LAST_YEAR = 9997  # datetime ends with 9999, and a local time must stay convertible to UTC
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER = datetime.max.replace(tzinfo=UTC)
END_OF_TIME = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
CORRECTION = timedelta(hours=3)  # MINUTE_COUNT * 3 in cron.c
_NOT_PLACES = frozenset({"Factory", "localtime"})  # in the zone directory, but not IANA's or not anywhere


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
        return is_correction(self.after - self.before)


class Stretch(NamedTuple):
    """A piece of a year, [begin, end), in which the zone keeps one offset from UTC."""

    begin: datetime
    end: datetime
    offset: timedelta


def next_clock_change(timezone: str, after: datetime) -> ClockChange | None:
    """The zone's first change of offset strictly after `after`, up to the end of the next year; None if there is none.

    Raises ZoneInfoNotFoundError, and ValueError if `after` is naive.
    """
    instant = utc(after)
    for year in range(instant.year, min(instant.year + 1, END_OF_TIME.year) + 1):
        for old, new in pairwise(stretches(timezone, year)):
            if new.begin > instant:
                return ClockChange(new.begin, old.offset, new.offset)
    return None


def is_correction(jump: timedelta) -> bool:
    """Whether the jump is too large for a summer time; cron.c counts from the minute before it."""
    return abs(jump + _MINUTE) > CORRECTION


def local(instant: datetime, stretch: Stretch) -> datetime:
    """What a clock reads that keeps the stretch's offset."""
    return (instant + stretch.offset).replace(tzinfo=None)


def stretch_at(timezone: str, instant: datetime) -> Stretch:
    """The stretch that holds the instant."""
    return next(stretch for stretch in stretches(timezone, instant.year) if instant < stretch.end)


@lru_cache(maxsize=8192)
def stretches(timezone: str, year: int) -> tuple[Stretch, ...]:
    """A year's stretches. Changes are looked for once in two days: since 1970 no zone has had two of them within six."""
    zone = ZoneInfo(timezone)
    begin, year_end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    offset, seen = _offset(zone, begin), begin
    stretches = []
    while seen < year_end:
        later = min(seen + 2 * _DAY, year_end)
        if _offset(zone, later) != offset:
            change = _first_change(zone, seen, later)
            stretches.append(Stretch(begin, change, offset))
            begin, offset = change, _offset(zone, change)
        seen = later
    return (*stretches, Stretch(begin, year_end, offset))


def offset_at(timezone: str, instant: datetime) -> timedelta:
    """The zone's offset from UTC at the instant."""
    return _offset(ZoneInfo(timezone), instant)


def _first_change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The second in (low, high] at which the zone takes the offset that it has at `high`."""
    target = _offset(zone, high)
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        low, high = (low, middle) if _offset(zone, middle) == target else (middle, high)
    return high


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).replace(tzinfo=UTC) - instant


@lru_cache(maxsize=8192)
def midnight_after(day: date, timezone: str) -> datetime:
    """When the clock first leaves the day. It may come back (St. John's turned it at 00:01), but that is over too."""
    if day.year > LAST_YEAR:
        return FOREVER
    return datetime.combine(day + _DAY, time(), tzinfo=ZoneInfo(timezone)).astimezone(UTC)


def utc(instant: datetime) -> datetime:
    """The instant in UTC; raises ValueError if it is naive."""
    if instant.utcoffset() is None:
        raise ValueError(f"A planned instant needs a time zone: {instant}")
    return instant.astimezone(UTC)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """All zones that a schedule may name."""
    return frozenset(available_timezones()) - _NOT_PLACES
