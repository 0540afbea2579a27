"""Strategies: schedules of every kind in zones whose clocks change, and the instants at which they are worth a look."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from shared.domain.schedule import (
    CalendarUse,
    CronSchedule,
    Exclusion,
    IntervalSchedule,
    OneShotSchedule,
    Schedule,
)

CHANGES = {
    "UTC": ["2026-11-21T12:00Z"],  # an ordinary instant
    "Africa/Casablanca": ["1985-12-31T23:00Z", "2026-02-15T02:00Z", "2026-03-22T02:00Z"],  # back into an old year
    "America/New_York": ["2026-03-08T07:00Z", "2026-11-01T06:00Z"],
    "America/St_Johns": ["2005-10-30T02:31Z"],  # from 00:01 to 23:01
    "Africa/Sao_Tome": ["2018-01-01T01:00Z", "2019-01-01T01:00Z"],  # in a year's first hours
    "Antarctica/Casey": ["2010-03-04T15:00Z"],  # three hours back
    "Antarctica/Troll": ["2026-03-29T01:00Z", "2026-10-25T01:00Z"],  # two hours
    "Asia/Tokyo": ["2026-12-31T15:00Z"],
    "Australia/Lord_Howe": ["2026-04-04T15:00Z", "2026-10-03T15:30Z"],
    "Pacific/Apia": ["2011-12-30T10:00Z"],  # a day is left out
}  # fmt: skip
"""Instants around which a zone's clock is worth a look."""
_CALENDAR = UUID(int=1)


def fields(low: int, high: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    """Valid texts of one field."""
    number = st.integers(low, high)
    span = st.tuples(number, number).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    stepped = st.tuples(st.just("*") | span, st.integers(1, high + 2)).map(
        lambda parts: f"{parts[0]}/{parts[1]}"
    )
    item = st.just("*") | number.map(str) | span | stepped
    lists = st.lists(item | st.sampled_from(names) if names else item, min_size=1, max_size=3).map(",".join)
    return st.just("*") | lists


_dates, _extended_dates = fields(1, 31), fields(1, 31, ("L",))
_months = fields(1, 12, ("jan", "DEC"))
_weekdays, _extended_weekdays = (
    fields(0, 7, ("sun", "FRI")),
    fields(0, 7, ("FRI", "5L", "l1", "SUNL", "MON#1", "7#5", "3#2")),
)
expressions = st.tuples(fields(0, 59), fields(0, 23), _dates, _months, _weekdays).map(" ".join)
"""What crontab(5) knows."""
extended_expressions = st.tuples(
    fields(0, 59), fields(0, 23), _extended_dates, _months, _extended_weekdays
).map(" ".join)
six_fields = st.tuples(fields(0, 59), extended_expressions).map(" ".join)

zones = st.sampled_from(sorted(CHANGES))
hours = st.timedeltas(timedelta(hours=-6), timedelta(hours=6))
short = st.timedeltas(timedelta(0), timedelta(hours=6))
anytime = st.datetimes(datetime.fromisoformat("1985-01-01"), datetime.fromisoformat("2033-01-01")).map(
    lambda naive: naive.replace(tzinfo=UTC)
)


def instants(zone: str) -> st.SearchStrategy[datetime]:
    """Any instant, and often one near a change of the zone's clock."""
    change = st.sampled_from([datetime.fromisoformat(text) for text in CHANGES[zone]])
    near = st.builds(lambda instant, shift: instant + shift, change, hours)
    return near | anytime


def schedules(zone: str) -> st.SearchStrategy[Schedule]:
    """Schedules of one zone, of every kind and policy; some have bounds and exclusions, which may be near a change."""
    seconds = instants(zone).map(lambda instant: instant.replace(microsecond=0))
    start_at, exclusions = (
        st.none() | instants(zone),
        st.just(()) | st.lists(_exclusions(zone), max_size=4).map(tuple),
    )
    calendars = st.just(()) | st.lists(exclusions.map(calendar_use), max_size=2).map(tuple)
    common = {
        "timezone": st.just(zone),
        "start_at": start_at,
        "end_date": _last_days(zone),
        "exclusions": exclusions,
        "calendars": calendars,
    }
    policies = {
        "gap": st.sampled_from(["debian", "debian", "run", "skip"]),
        "fold": st.sampled_from(["debian", "debian", "first", "last", "both"]),
    }
    every = st.integers(1, 300) | st.sampled_from([3600, 5400, 86_400, 31_622_400])
    return st.one_of(
        st.builds(CronSchedule, expression=extended_expressions, **policies, **common),
        st.builds(CronSchedule, expression=six_fields, seconds=st.just(True), **policies, **common),
        st.builds(IntervalSchedule, every_seconds=every, anchor=seconds, **common),
        st.builds(OneShotSchedule, at=seconds, **common),
    )


def _last_days(zone: str) -> st.SearchStrategy[date | None]:
    days = [
        datetime.fromisoformat(text).date() + timedelta(days=shift)
        for text in CHANGES[zone]
        for shift in (-1, 0)
    ]
    return st.none() | st.dates(date(2026, 1, 1), date(2032, 1, 1)) | st.sampled_from(days)


def _exclusions(zone: str) -> st.SearchStrategy[Exclusion]:
    length = (
        st.timedeltas(timedelta(seconds=1), timedelta(hours=5))
        | st.timedeltas(timedelta(days=1), timedelta(days=400))
        | st.sampled_from([timedelta(minutes=30), timedelta(hours=1), timedelta(days=40_000)])
    )
    begin = instants(zone).map(lambda instant: instant.replace(tzinfo=None))
    return st.builds(
        lambda begin, length: Exclusion(begin=begin.replace(microsecond=0), end=begin + length), begin, length
    )


def calendar_use(exclusions: Iterable[Exclusion]) -> CalendarUse:
    """A calendar of that content, as a schedule follows it."""
    return CalendarUse(calendar_id=_CALENDAR, slug="freeze", version=1, exclusions=tuple(exclusions))


cases = zones.flatmap(lambda zone: st.tuples(schedules(zone), instants(zone)))
"""A schedule, and an instant of interest to it."""
