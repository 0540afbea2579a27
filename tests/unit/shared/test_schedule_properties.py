"""What holds for every schedule of any kind, and every instant."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.schedule import (
    CronSchedule,
    InvalidSchedule,
    Schedule,
    check,
    check_classic,
    count_fires,
    describe,
    describe_schedule,
    fires_between,
    is_excluded,
    latest_fires,
    next_fire,
)
from tests.unit.shared.schedules import cases, expressions, extended_expressions, short

# The first look at a zone takes longer.
often = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime(2026, 11, 21, tzinfo=UTC)
FIRST = 60
"""As many instants of a walk are looked at."""
lengths = short | st.timedeltas(timedelta(0), timedelta(days=3000))


@often
@given(cases)
def test_the_next_instant_is_strictly_later_whole_and_within_the_schedules_bounds(
    case: tuple[Schedule, datetime],
) -> None:
    schedule, after = case
    planned = next_fire(schedule, after)
    if planned is not None:
        assert planned > after
        assert planned.microsecond == 0
        assert planned.tzinfo is UTC
        local = planned.astimezone(ZoneInfo(schedule.timezone))
        assert schedule.start_at is None or planned >= schedule.start_at
        assert schedule.end_date is None or local.date() <= schedule.end_date
        assert is_excluded(schedule, planned) is None
        assert not isinstance(schedule, CronSchedule) or schedule.seconds or planned.second == 0


@often
@given(cases, lengths)
def test_the_next_instant_never_comes_earlier_when_asked_later(
    case: tuple[Schedule, datetime], pause: timedelta
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
def test_walking_is_asking_again_and_again(case: tuple[Schedule, datetime]) -> None:
    schedule, after = case
    until = after + timedelta(days=400)
    walked = list(islice(fires_between(schedule, after, until), FIRST))
    asked: list[datetime] = []
    instant = next_fire(schedule, after)
    while instant is not None and instant <= until and len(asked) < FIRST:
        asked.append(instant)
        instant = next_fire(schedule, instant)
    assert walked == asked


@often
@given(cases, short, st.timedeltas(timedelta(0), timedelta(minutes=30)))
def test_a_walk_restarted_anywhere_goes_on_the_same(
    case: tuple[Schedule, datetime], until_restart: timedelta, then: timedelta
) -> None:
    schedule, begin = case
    restart = begin + until_restart
    rest = islice(fires_between(schedule, restart, restart + then), FIRST)
    walked = (one for one in fires_between(schedule, begin, restart + then) if one > restart)
    assert list(rest) == list(islice(walked, FIRST))


@often
@given(cases, short)
def test_bounds_and_exclusions_only_leave_out(case: tuple[Schedule, datetime], length: timedelta) -> None:
    schedule, begin = case
    bare = {"start_at": None, "end_date": None, "exclusions": (), "calendars": ()}
    ends_at = schedule.ends_at
    left = [
        instant
        for instant in fires_between(schedule.model_copy(update=bare), begin, begin + length)
        if (schedule.start_at is None or instant >= schedule.start_at)
        and (ends_at is None or instant < ends_at)
        and not excluded(schedule, instant)
    ]
    assert list(fires_between(schedule, begin, begin + length)) == left


@often
@given(cases, short)
def test_counting_is_walking_without_the_walk(case: tuple[Schedule, datetime], length: timedelta) -> None:
    schedule, begin = case
    walked = list(fires_between(schedule, begin, begin + length))
    assert count_fires(schedule, begin, begin + length) == len(walked)


@often
@given(cases, lengths, short)
def test_parts_of_a_time_have_as_many_instants_as_the_whole(
    case: tuple[Schedule, datetime], first: timedelta, second: timedelta
) -> None:
    schedule, begin = case
    middle = begin + first
    end = middle + second
    parts = count_fires(schedule, begin, middle) + count_fires(schedule, middle, end)
    assert parts == count_fires(schedule, begin, end)


@often
@given(cases, lengths, st.integers(0, 20))
def test_the_latest_instants_are_the_end_of_the_walk(
    case: tuple[Schedule, datetime], length: timedelta, count: int
) -> None:
    schedule, begin = case
    end = begin + length
    found = latest_fires(schedule, begin, end, count)
    assert len(found) == min(count, count_fires(schedule, begin, end))
    if found:
        before = found[0] - timedelta(seconds=1)
        assert list(fires_between(schedule, max(begin, before), end)) == found


@often
@given(extended_expressions)
def test_every_valid_expression_can_be_described(expression: str) -> None:
    words = describe(expression)
    assert words.startswith(("Every ", "At "))
    assert "  " not in words


@often
@given(cases)
def test_every_schedule_can_be_described(case: tuple[Schedule, datetime]) -> None:
    words = describe_schedule(case[0])
    assert words.startswith(("Every ", "At ", "Once, on "))
    assert "  " not in words


@often
@given(expressions)
def test_what_is_classic_means_the_same_in_both_ways(expression: str) -> None:
    check_classic(expression)
    with_seconds = CronSchedule(expression=f"0 {expression}", seconds=True, timezone="UTC")
    plain = CronSchedule(expression=expression, timezone="UTC")
    until = NOW + timedelta(days=500)
    first = list(islice(fires_between(plain, NOW, until), FIRST))
    assert list(islice(fires_between(with_seconds, NOW, until), FIRST)) == first


@often
@given(
    st.text(max_size=30)
    | st.lists(st.text("*0123456789-/,LW#?@RHmonju ", max_size=6), min_size=5, max_size=6).map(" ".join),
    st.booleans(),
)
def test_any_text_is_either_kept_or_refused_by_name(expression: str, seconds: bool) -> None:
    schedule = CronSchedule(expression=expression, seconds=seconds, timezone="UTC")
    try:
        check(schedule, NOW)
    except InvalidSchedule as refusal:
        assert refusal.message  # noqa: PT017 - both outcomes are right, anything else is not
    else:
        assert next_fire(schedule, NOW) is not None


def excluded(schedule: Schedule, instant: datetime) -> bool:
    reading = instant.astimezone(ZoneInfo(schedule.timezone)).replace(tzinfo=None)
    stretches = [*schedule.exclusions, *(one for use in schedule.calendars for one in use.exclusions)]
    return any(one.begin <= reading < one.end for one in stretches)
