"""What the auditor finds is what a count of every second finds."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.audit import (
    Findings,
    Planned,
    Range,
    Tally,
    Version,
    agrees,
    compare,
    planned_instants,
)
from shared.domain.schedule import CronSchedule, IntervalSchedule, OneShotSchedule, Schedule, next_fire
from tests.fixtures.builders import SOME_TIME

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
WINDOW = 300  # seconds
AFTER, UNTIL = SOME_TIME, SOME_TIME + WINDOW * SECOND
MINUTELY = CronSchedule(expression="* * * * *", timezone="UTC")


def at(seconds: float) -> datetime:
    """So many seconds into the window."""
    return AFTER + timedelta(seconds=seconds)


def version(number: int, seconds: float, schedule: Schedule | None = MINUTELY) -> Version:
    """A version that comes into force then."""
    return Version(number, at(seconds), schedule)


schedules = st.one_of(
    st.none(),
    st.sampled_from(["* * * * *", "*/2 * * * *", "1-59/2 * * * *", "0 3 1 1 *"]).map(
        lambda expression: CronSchedule(expression=expression, timezone="UTC")
    ),
    st.builds(
        lambda every, offset: IntervalSchedule(every_seconds=every, anchor=at(offset), timezone="UTC"),
        st.integers(1, 90),
        st.integers(-100, 400),
    ),
    st.builds(lambda offset: OneShotSchedule(at=at(offset), timezone="UTC"), st.integers(-20, WINDOW + 20)),
)
histories = st.lists(st.tuples(st.integers(-60_000, 360_000), schedules), min_size=1, max_size=4).map(
    lambda pairs: [
        version(number, milliseconds / 1000 + number / 1_000_000, schedule)
        for number, (milliseconds, schedule) in enumerate(sorted(pairs, key=lambda pair: pair[0]), 1)
    ]
)
seconds = st.integers(1, WINDOW)
ranges = st.lists(st.tuples(st.integers(-50, WINDOW + 50), st.integers(0, 120)), max_size=3).map(
    lambda pairs: [Range(at(first), at(first + length)) for first, length in pairs]
)


def counted(versions: list[Version]) -> dict[datetime, int]:
    """Every second of the window that the version in force plans."""
    found = {}
    for number in range(1, WINDOW + 1):
        instant = at(number)
        in_force = [one for one in versions if one.begins <= instant]
        if not in_force or in_force[-1].schedule is None:
            continue
        if next_fire(in_force[-1].schedule, instant - timedelta(microseconds=1)) == instant:
            found[instant] = in_force[-1].number
    return found


@given(histories)
def test_what_is_planned_is_what_the_version_in_force_plans(versions: list[Version]) -> None:
    planned = list(planned_instants(versions, AFTER, UNTIL))
    assert {one.instant: one.version for one in planned} == counted(versions)
    assert [one.instant for one in planned] == sorted(counted(versions))


@given(histories, st.sets(seconds, max_size=20), ranges, st.sets(seconds, max_size=5), st.booleans())
def test_it_finds_what_a_count_of_every_second_finds(
    versions: list[Version], forgotten: set[int], given_ranges: list[Range], added: set[int], whole: bool
) -> None:
    planned = counted(versions)
    single = set(planned) if whole else set(planned) - {at(number) for number in forgotten}
    single |= {at(number) for number in added}
    findings = compare(versions, sorted(single), given_ranges, AFTER, UNTIL)
    absent = {
        instant: number
        for instant, number in planned.items()
        if instant not in single and not any(one.first <= instant <= one.last for one in given_ranges)
    }
    found = [one for stretch in findings.unaccounted for one in stretch]
    assert {one.instant: one.version for one in found} == absent
    assert len(found) == len(absent)
    assert findings.extra == len(single - set(planned))


@given(histories, st.sets(seconds, max_size=20), ranges)
def test_numbers_agree_only_if_there_is_nothing_to_find(
    versions: list[Version], forgotten: set[int], given_ranges: list[Range]
) -> None:
    planned = counted(versions)
    outside = {
        instant for instant in planned if not any(one.first <= instant <= one.last for one in given_ranges)
    }
    single = outside - {at(number) for number in forgotten}
    is_right = agrees(versions, Tally.of(single), given_ranges, AFTER, UNTIL)
    findings = compare(versions, single, given_ranges, AFTER, UNTIL)
    assert is_right == (not findings.unaccounted)
    assert is_right == (single == outside)


@given(histories, st.sets(seconds, max_size=30))
def test_a_stretch_is_of_one_version_and_nothing_accounted_lies_in_it(
    versions: list[Version], kept: set[int]
) -> None:
    single = {at(number) for number in kept} & set(counted(versions))
    findings = compare(versions, single, [], AFTER, UNTIL)
    for stretch in findings.unaccounted:
        assert len({one.version for one in stretch}) == 1
        assert not [instant for instant in single if stretch[0].instant < instant < stretch[-1].instant]


def test_a_missing_row_and_one_too_many_do_not_cancel_out() -> None:
    single = [at(60), at(120), at(180), at(240), at(299)]
    versions = [version(1, -60)]
    assert not agrees(versions, Tally.of(single), [], AFTER, UNTIL)
    assert compare(versions, single, [], AFTER, UNTIL) == Findings(((Planned(1, at(300)),),), 1)


def test_a_row_of_a_version_that_was_replaced_in_time_is_one_too_many() -> None:
    versions = [version(1, -60), version(2, 119.9, None)]
    assert compare(versions, [at(60), at(120)], [], AFTER, UNTIL) == Findings((), 1)


def test_a_range_over_the_whole_window_needs_no_count() -> None:
    unreadable = CronSchedule(expression="not read", timezone="UTC")
    whole = Range(AFTER - MINUTE, UNTIL)
    assert agrees([version(1, -60, unreadable)], Tally(), [whole], AFTER, UNTIL)


@pytest.mark.parametrize("versions", [[], [version(1, -60, None)], [version(1, WINDOW + 1)]])
def test_what_is_not_planned_is_not_missed(versions: list[Version]) -> None:
    assert agrees(versions, Tally(), [], AFTER, UNTIL)
    assert compare(versions, [], [], AFTER, UNTIL) == Findings((), 0)


def test_the_window_has_no_beginning_and_an_end() -> None:
    assert [one.instant for one in planned_instants([version(1, -60)], AFTER, UNTIL)] == [
        at(60 * minute) for minute in range(1, 6)
    ]
