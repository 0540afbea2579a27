"""What holds for every schedule and every instant."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.schedule import CronSchedule, InvalidSchedule, check, describe, fires_between, next_fire

CHANGES = {
    "UTC": ["2026-11-21T12:00Z"],  # an ordinary instant
    "Africa/Casablanca": ["2026-02-15T02:00Z", "2026-03-22T02:00Z"],
    "America/New_York": ["2026-03-08T07:00Z", "2026-11-01T06:00Z"],
    "America/St_Johns": ["2005-10-30T02:31Z"],  # from 00:01 to 23:01
    "Antarctica/Casey": ["2010-03-04T15:00Z"],  # three hours back
    "Antarctica/Troll": ["2026-03-29T01:00Z", "2026-10-25T01:00Z"],  # two hours
    "Asia/Tokyo": ["2026-12-31T15:00Z"],
    "Australia/Lord_Howe": ["2026-04-04T15:00Z", "2026-10-03T15:30Z"],
    "Pacific/Apia": ["2011-12-30T10:00Z"],  # a day is left out
}
"""Instants around which a zone's clock is worth a look."""


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


expressions = st.tuples(
    fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12, ("jan", "DEC")), fields(0, 7, ("sun", "FRI"))
).map(" ".join)
hours = st.timedeltas(timedelta(hours=-6), timedelta(hours=6))
short = st.timedeltas(timedelta(0), timedelta(hours=6))
anytime = st.datetimes(datetime.fromisoformat("2005-01-01"), datetime.fromisoformat("2033-01-01")).map(
    lambda naive: naive.replace(tzinfo=UTC)
)


def instants(zone: str) -> st.SearchStrategy[datetime]:
    """Any instant, and often one near a change of the zone's clock."""
    change = st.sampled_from([datetime.fromisoformat(text) for text in CHANGES[zone]])
    near = st.builds(lambda instant, shift: instant + shift, change, hours)
    return near | anytime


def schedules(zone: str) -> st.SearchStrategy[CronSchedule]:
    """Schedules of one zone, some with a last day, which may be that of a change."""
    days = [
        datetime.fromisoformat(text).date() + timedelta(days=shift)
        for text in CHANGES[zone]
        for shift in (-1, 0)
    ]
    end_dates = st.none() | st.dates(date(2026, 1, 1), date(2032, 1, 1)) | st.sampled_from(days)
    return st.builds(CronSchedule, expression=expressions, timezone=st.just(zone), end_date=end_dates)


zones = st.sampled_from(sorted(CHANGES))
often = settings(max_examples=300, deadline=None)  # the first look at a zone takes longer
cases = zones.flatmap(lambda zone: st.tuples(schedules(zone), instants(zone)))


@often
@given(cases)
def test_the_next_instant_is_strictly_later_on_a_whole_minute_and_not_after_the_last_day(
    case: tuple[CronSchedule, datetime],
) -> None:
    schedule, after = case
    planned = next_fire(schedule, after)
    if planned is not None:
        assert planned > after
        assert planned.second == planned.microsecond == 0
        assert planned.tzinfo is UTC
        local = planned.astimezone(ZoneInfo(schedule.timezone))
        assert schedule.end_date is None or local.date() <= schedule.end_date


@often
@given(cases, short | st.timedeltas(timedelta(0), timedelta(days=3000)))
def test_the_next_instant_never_comes_earlier_when_asked_later(
    case: tuple[CronSchedule, datetime], pause: timedelta
) -> None:
    schedule, early = case
    late = early + pause
    before, after = next_fire(schedule, early), next_fire(schedule, late)
    if before is None:
        assert after is None
    elif before > late:
        assert after == before
    else:
        assert after is None or after > before


@often
@given(cases)
def test_walking_is_asking_again_and_again(case: tuple[CronSchedule, datetime]) -> None:
    schedule, after = case
    until = after + timedelta(days=400)
    walked = list(islice(fires_between(schedule, after, until), 50))
    asked: list[datetime] = []
    instant = next_fire(schedule, after)
    while instant is not None and instant <= until and len(asked) < 50:
        asked.append(instant)
        instant = next_fire(schedule, instant)
    assert walked == asked


@often
@given(cases, short, short)
def test_a_walk_restarted_anywhere_goes_on_the_same(
    case: tuple[CronSchedule, datetime], until_restart: timedelta, then: timedelta
) -> None:
    schedule, begin = case
    restart = begin + until_restart
    end = restart + then
    parts = [*fires_between(schedule, begin, restart), *fires_between(schedule, restart, end)]
    assert parts == list(fires_between(schedule, begin, end))


@often
@given(expressions)
def test_every_valid_expression_can_be_described(expression: str) -> None:
    words = describe(expression)
    assert words.startswith(("Every ", "At "))
    assert "  " not in words


@often
@given(
    st.text(max_size=30)
    | st.lists(st.text("*0123456789-/,LW#?@RHmonju ", max_size=6), min_size=5, max_size=5).map(" ".join)
)
def test_any_text_is_either_kept_or_refused_by_name(expression: str) -> None:
    schedule = CronSchedule(expression=expression, timezone="UTC")
    try:
        check(schedule, datetime(2026, 11, 21, tzinfo=UTC))
    except InvalidSchedule as refusal:
        assert refusal.message  # noqa: PT017 - both outcomes are right, anything else is not
    else:
        assert next_fire(schedule, datetime(2026, 11, 21, tzinfo=UTC)) is not None
