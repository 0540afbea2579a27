"""The times at which a schedule keeps still, as stretches of local time that lie apart."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from shared.domain.schedule.models import Exclusion, Schedule
from shared.domain.schedule.zones import FOREVER, LAST_YEAR, local, stretch_at

Still: TypeAlias = list[tuple[datetime, datetime]]
"""[begin, end) in local time, ascending, neither overlapping nor touching."""

_begin = itemgetter(0)
_INSTANT = timedelta(microseconds=1)
_APART = timedelta(days=2)  # further than any zone's clock is from UTC, and than any change moves it


class Window(NamedTuple):
    """A stretch of time, (after, until], in UTC."""

    after: datetime
    until: datetime


def all_exclusions(schedule: Schedule) -> Iterator[Exclusion]:
    """The schedule's own, and those of the calendars that it follows."""
    yield from schedule.exclusions
    for use in schedule.calendars:
        yield from use.exclusions


def still_times(schedule: Schedule) -> Still:
    """All exclusions, with those that overlap or touch as one."""
    found: Still = []
    for begin, end in sorted((one.begin, one.end) for one in all_exclusions(schedule)):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def still_at(still: Still, reading: datetime) -> tuple[datetime, datetime] | None:
    """The still time that the local time lies in; None where it lies in none."""
    place = bisect_right(still, reading, key=_begin) - 1
    return still[place] if place >= 0 and reading < still[place][1] else None


def first_instant_outside(still: Still, timezone: str, instant: datetime) -> datetime:
    """The first instant from this one on at which the clock reads no still time."""
    while instant.year <= LAST_YEAR:
        stretch = stretch_at(timezone, instant)
        reading = local(instant, stretch)
        found = still_at(still, reading)
        if found is None:
            return instant
        begin, end = found
        if end.year > LAST_YEAR:
            break
        over = (end - stretch.offset).replace(tzinfo=UTC)
        if over < stretch.end:
            return over
        instant = stretch.end  # the clock changes before, and may read an earlier time then
        if reading - begin > _APART:  # but none that is before the begin, or near the end
            instant = max(instant, (end - _APART).replace(tzinfo=UTC))
    return FOREVER


def open_windows(still: Still, timezone: str, after: datetime, until: datetime) -> Iterator[Window]:
    """The parts of (after, until] in which the clock reads no still time, ascending."""
    while after < until:
        begin = first_instant_outside(still, timezone, after + _INSTANT)
        if begin > until or begin.year > LAST_YEAR:
            return
        stretch = stretch_at(timezone, begin)
        end, reading = stretch.end, local(begin, stretch)
        place = bisect_right(still, reading, key=_begin)
        if place < len(still) and still[place][0] - reading < end - begin:
            end = begin + (still[place][0] - reading)
        after = min(until, end - _INSTANT)
        yield Window(begin - _INSTANT, after)
