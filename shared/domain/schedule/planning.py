"""The instants that a schedule plans."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from shared.domain.schedule.cron import InvalidSchedule
from shared.domain.schedule.exclusions import Still, Window, open_windows, still_at, still_times
from shared.domain.schedule.models import (
    CronSchedule,
    FoldPolicy,
    GapPolicy,
    IntervalSchedule,
    Schedule,
)
from shared.domain.schedule.walking import Rule, read_rule, tally, walk
from shared.domain.schedule.zones import END_OF_TIME, EPOCH, utc

_INSTANT = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


def next_fire(schedule: Schedule, after: datetime) -> datetime | None:
    """The first planned instant strictly later than `after`, in UTC; None if there is none up to the last day.

    Nothing is planned before 1970 or after 9997. Raises ValueError if `after` is naive; a schedule that `check`
    refuses raises InvalidSchedule or ZoneInfoNotFoundError here.
    """
    begin = _begin(schedule, after)
    if isinstance(schedule, CronSchedule) and not (schedule.exclusions or schedule.calendars):
        instant = _first(
            schedule.expression, schedule.seconds, schedule.gap, schedule.fold, schedule.timezone, begin
        )
    else:
        instant = next(_fires(schedule, begin), None)
    return instant if instant is not None and instant < _end(schedule) else None


def fires_between(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    """All planned instants in (after, until], ascending: what repeated calls of `next_fire` give, but faster.

    Raises as `next_fire` does.
    """
    last = _last(schedule, until)
    return takewhile(last.__ge__, _fires(schedule, _begin(schedule, after)))


def latest_fires(schedule: Schedule, after: datetime, until: datetime, count: int) -> list[datetime]:
    """The last `count` planned instants in (after, until], ascending; fewer where there are fewer.

    Those before them are counted, not made.
    """
    begin, end = _begin(schedule, after), _last(schedule, until)
    if count < 1 or end <= begin:
        return []
    return list(fires_between(schedule, _since(schedule, begin, end, count), end))[-count:]


def count_fires(schedule: Schedule, after: datetime, until: datetime) -> int:
    """How many instants are planned in (after, until]: as many as `fires_between` gives, but without making them."""
    begin, end = _begin(schedule, after), _last(schedule, until)
    still = still_times(schedule)
    if not still:
        return _count(schedule, begin, end)
    return sum(_count(schedule, *window) for window in open_windows(still, schedule.timezone, begin, end))


def is_excluded(schedule: Schedule, instant: datetime) -> datetime | None:
    """The local time at which the schedule is no longer excluded, if it is at the instant; else None."""
    reading = instant.astimezone(ZoneInfo(schedule.timezone)).replace(tzinfo=None)
    found = still_at(still_times(schedule), reading)
    return found[1] if found is not None else None


def _fires(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    if schedule.exclusions or schedule.calendars:
        return _outside(schedule, still_times(schedule), after)
    return _all(schedule, after)


def _outside(schedule: Schedule, still: Still, after: datetime) -> Iterator[datetime]:
    """The instants at which the schedule does not keep still; it jumps over the times at which it does."""
    end, window = _end(schedule), Window(after, after)
    instants = _all(schedule, after)
    while (instant := next(instants, None)) is not None and instant < end:
        if instant <= window.until:
            yield instant
            continue
        window = next(open_windows(still, schedule.timezone, instant - _INSTANT, end), Window(end, end))
        if instant <= window.after:
            instants = _all(schedule, window.after)
        else:
            yield instant


def _all(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """The instants that the rule alone gives."""
    if isinstance(schedule, CronSchedule):
        return walk(_rule(schedule), schedule.timezone, after)
    if isinstance(schedule, IntervalSchedule):
        return _every(schedule, after)
    return iter([utc(schedule.at)] if schedule.at > after else [])


def _every(schedule: IntervalSchedule, after: datetime) -> Iterator[datetime]:
    gap, anchor = _gap(schedule), utc(schedule.anchor)
    instant = anchor + ((after - anchor) // gap + 1) * gap
    while instant < END_OF_TIME:
        yield instant
        instant += gap


def _gap(schedule: IntervalSchedule) -> timedelta:
    if schedule.every_seconds < 1:
        raise InvalidSchedule("every_seconds must be at least 1", title="Invalid schedule")
    return schedule.every_seconds * _SECOND


def _count(schedule: Schedule, after: datetime, until: datetime) -> int:
    """How many instants the rule alone gives in (after, until]."""
    if until <= after:
        return 0
    if isinstance(schedule, CronSchedule):
        return tally(_rule(schedule), schedule.timezone, after, until)
    if isinstance(schedule, IntervalSchedule):
        gap, anchor = _gap(schedule), utc(schedule.anchor)
        return (until - anchor) // gap - (after - anchor) // gap
    return int(after < schedule.at <= until)


def _since(schedule: Schedule, begin: datetime, end: datetime, count: int) -> datetime:
    """An instant from `begin` on after which at least `count` instants are planned up to `end`, but few more.

    It is `begin` where there are not that many.
    """
    few, window = end, count * _SECOND
    while window < end - begin and count_fires(schedule, end - window, end) < count:
        few, window = end - window, 4 * window
    many = max(begin, end - window) if window < end - begin else begin
    while count_fires(schedule, many, end) > 2 * count and few - many > _SECOND:
        middle = many + (few - many) // 2
        if count_fires(schedule, middle, end) < count:
            few = middle
        else:
            many = middle
    return many


@lru_cache(maxsize=16_384)
def _first(
    expression: str, seconds: bool, gap: GapPolicy, fold: FoldPolicy, timezone: str, after: datetime
) -> datetime | None:
    return next(walk(read_rule(expression, seconds, gap, fold), timezone, after), None)


def _rule(schedule: CronSchedule) -> Rule:
    return read_rule(schedule.expression, schedule.seconds, schedule.gap, schedule.fold)


def _begin(schedule: Schedule, after: datetime) -> datetime:
    """The instant after which the schedule may plan something that is later than `after`."""
    begin = utc(after)
    if begin < EPOCH:
        begin = EPOCH
    return begin if schedule.start_at is None else max(begin, utc(schedule.start_at) - _INSTANT)


def _end(schedule: Schedule) -> datetime:
    """The instant from which on nothing is planned."""
    ends_at = schedule.ends_at
    return END_OF_TIME if ends_at is None else min(ends_at, END_OF_TIME)


def _last(schedule: Schedule, until: datetime) -> datetime:
    return min(utc(until), _end(schedule) - _INSTANT)
