"""Which late instants run after all, and how the others are accounted for."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduler.decided import DecidedOfJob
from services.scheduler.known_jobs import KnownJob
from services.scheduler.misfires import (
    COALESCED,
    MAX_SINGLE,
    NOT_MADE_UP,
    ON_TIME,
    TOO_LATE,
    TOO_MANY,
    sort_out,
)
from services.scheduler.outcomes import NotRun, Planned
from services.scheduler.timetable import Due
from shared.domain.ids import planned_execution_id
from shared.domain.job import Job, MisfirePolicy
from shared.domain.schedule import CronSchedule, IntervalSchedule, OneShotSchedule, fires_between
from tests.fixtures.builders import make_job

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY = 86_400
INSTANT = timedelta(microseconds=1)


def ago(**how_long: float) -> datetime:
    """A moment before noon, which is the horizon."""
    return NOON - timedelta(**how_long)


def minutely(**overrides: Any) -> Job:
    """Due at each full minute."""
    return make_job(**{"misfire_grace_seconds": DAY, **overrides})


def due(job: Job, first: datetime, until: datetime = NOON) -> Due:
    """From its first instant on."""
    return Due(KnownJob.of(job), first, until)


def sorted_out(
    *dues: Due, horizon: datetime = NOON, decided: DecidedOfJob | None = None
) -> tuple[list[datetime], list[NotRun]]:
    """The instants that run, and what was missed."""
    runs, missed = sort_out(dues, horizon, decided)
    return [one.instant for one in runs], missed


def rows(missed: list[NotRun]) -> list[tuple[datetime, datetime, int, str]]:
    """What is written of them."""
    return [(one.first, one.last, one.count, one.reason) for one in missed]


def test_an_instant_on_time_runs_under_each_policy() -> None:
    for policy in MisfirePolicy:
        job = minutely(misfire_policy=policy, misfire_grace_seconds=0)
        assert sorted_out(due(job, NOON)) == ([NOON], [])


def test_ten_seconds_after_its_time_an_instant_is_on_time_and_a_moment_later_it_is_late() -> None:
    job = minutely(misfire_policy="skip")
    assert sorted_out(due(job, NOON, NOON), horizon=NOON + ON_TIME) == ([NOON], [])
    runs, missed = sorted_out(due(job, NOON, NOON), horizon=NOON + ON_TIME + INSTANT)
    assert (runs, rows(missed)) == ([], [(NOON, NOON, 1, NOT_MADE_UP)])


def test_the_latest_of_the_late_instants_runs_in_place_of_the_others() -> None:
    job = minutely()
    runs, missed = sorted_out(due(job, ago(minutes=5), ago(minutes=3)))
    assert runs == [ago(minutes=3)]
    assert [(one.first, one.reason, one.into) for one in missed] == [
        (ago(minutes=minutes), COALESCED, planned_execution_id(job.id, ago(minutes=3))) for minutes in (5, 4)
    ]


def test_an_instant_on_time_stands_for_the_late_ones() -> None:
    job = minutely()
    runs, missed = sorted_out(due(job, ago(minutes=2)))
    assert runs == [NOON]
    assert {one.into for one in missed} == {planned_execution_id(job.id, NOON)}


@pytest.mark.parametrize(("seconds", "runs"), [(120, True), (119, False)])
def test_it_runs_up_to_its_grace(seconds: int, runs: bool) -> None:
    job = minutely(misfire_grace_seconds=seconds)
    instants, missed = sorted_out(due(job, ago(minutes=3), ago(minutes=2)))
    assert instants == ([ago(minutes=2)] if runs else [])
    assert {one.reason for one in missed} == {COALESCED if runs else TOO_LATE}


def test_with_run_all_each_one_within_the_grace_runs() -> None:
    job = minutely(misfire_policy="run_all", misfire_grace_seconds=240)
    planned, missed = sort_out([due(job, ago(minutes=6), ago(minutes=2))], NOON, None)
    assert [(one.instant, one.catches_up) for one in planned] == [
        (ago(minutes=minutes), True) for minutes in (4, 3, 2)
    ]
    assert rows(missed) == [(ago(minutes=minutes), ago(minutes=minutes), 1, TOO_LATE) for minutes in (6, 5)]


def test_with_skip_no_late_one_runs() -> None:
    job = minutely(misfire_policy="skip")
    runs, missed = sorted_out(due(job, ago(minutes=2), ago(minutes=1)))
    assert runs == []
    assert {one.reason for one in missed} == {NOT_MADE_UP}


def test_the_newest_hundred_late_instants_are_told_apart_and_the_older_ones_are_one_range() -> None:
    job = minutely()
    runs, missed = sorted_out(due(job, ago(days=3), ago(minutes=1)))
    assert runs == [ago(minutes=1)]
    older, *single = rows(missed)
    assert older == (ago(days=3), ago(minutes=MAX_SINGLE + 1), 3 * 1440 - MAX_SINGLE, COALESCED)
    assert [count for _, _, count, _ in single] == [1] * (MAX_SINGLE - 1)


def test_ranges_part_where_the_reason_changes() -> None:
    job = minutely(misfire_policy="run_all", misfire_grace_seconds=3 * 3600)
    runs, missed = sorted_out(due(job, ago(hours=4), ago(minutes=1)))
    assert len(runs) == MAX_SINGLE
    assert rows(missed) == [
        (ago(hours=4), ago(hours=3, minutes=1), 60, TOO_LATE),
        (ago(hours=3), ago(minutes=MAX_SINGLE + 1), 180 - MAX_SINGLE, TOO_MANY),
    ]


def test_ranges_part_where_the_version_changes() -> None:
    first = minutely()
    changed = ago(hours=3, seconds=30)
    second = first.model_copy(update={"version": 2})
    _, missed = sorted_out(
        due(first, ago(hours=6), changed - INSTANT), due(second, ago(hours=3), ago(minutes=1))
    )
    ranges = [(one.job.version, one.first, one.last, one.count) for one in missed if one.count > 1]
    assert ranges == [
        (1, ago(hours=6), ago(hours=3, minutes=1), 180),
        (2, ago(hours=3), ago(minutes=101), 80),
    ]


def test_ranges_part_around_what_is_decided_already() -> None:
    decided = DecidedOfJob()
    decided.add(ago(hours=5), ago(hours=5))
    decided.add(ago(hours=4), ago(hours=3))
    decided.add(ago(minutes=50), ago(minutes=50))
    runs, missed = sorted_out(due(minutely(), ago(hours=6), ago(minutes=1)), decided=decided)
    assert runs == [ago(minutes=1)]
    assert [(one.first, one.last, one.count) for one in missed if one.count > 1] == [
        (ago(hours=6), ago(hours=5, minutes=1), 60),
        (ago(hours=4, minutes=59), ago(hours=4, minutes=1), 59),
        (ago(hours=2, minutes=59), ago(minutes=101), 79),
    ]
    assert ago(minutes=50) not in [one.first for one in missed]


def test_a_version_whose_late_instants_run_does_so_for_an_older_version_too() -> None:
    first = minutely(misfire_policy="run_latest")
    second = first.model_copy(update={"version": 2, "misfire_policy": MisfirePolicy.RUN_ALL})
    runs, missed = sorted_out(
        due(first, ago(minutes=6), ago(minutes=5)), due(second, ago(minutes=4), ago(minutes=3))
    )
    assert runs == [ago(minutes=4), ago(minutes=3)]
    assert {one.into for one in missed} == {planned_execution_id(first.id, ago(minutes=4))}


def test_the_latest_runs_even_where_a_newer_version_fills_the_single_rows() -> None:
    first = minutely()
    second = first.model_copy(update={"version": 2, "misfire_policy": MisfirePolicy.SKIP})
    runs, missed = sorted_out(
        due(first, ago(hours=5), ago(hours=4, seconds=1)), due(second, ago(hours=4), ago(minutes=1))
    )
    assert runs == [ago(hours=4, minutes=1)]
    assert sum(one.count for one in missed) + len(runs) == 5 * 60


@pytest.mark.parametrize(
    "schedule",
    [
        IntervalSchedule(timezone="UTC", every_seconds=7, anchor=ago(days=9, seconds=3)),
        CronSchedule(timezone="Asia/Tokyo", expression="*/5 * * * *", start_at=ago(minutes=20)),
        OneShotSchedule(timezone="UTC", at=ago(minutes=15)),
    ],
)
def test_every_kind_of_schedule_is_counted_to_the_last_instant(schedule: Any) -> None:
    job = minutely(schedule=schedule)
    planned = list(fires_between(schedule, ago(days=1), NOON))
    runs, missed = sorted_out(due(job, planned[0]))
    assert len(runs) + sum(one.count for one in missed) == len(planned)


@st.composite
def outages(draw: st.DrawFn) -> tuple[list[Due], list[datetime]]:
    """Versions of one job, one after another, each with a schedule and rules of its own; and all that they plan."""
    job = minutely()
    starts = sorted(draw(st.lists(st.integers(1, 40_000), min_size=1, max_size=4, unique=True)), reverse=True)
    bounds = [ago(seconds=one) for one in starts] + [NOON + INSTANT]
    dues, planned = [], []
    for number, (begin, end) in enumerate(pairwise(bounds), start=1):
        anchor = ago(seconds=draw(st.integers(0, 50_000)))
        every = draw(st.sampled_from([1, 7, 60, 600, 5_000]))
        version = job.model_copy(
            update={
                "version": number,
                "schedule": IntervalSchedule(timezone="UTC", every_seconds=every, anchor=anchor),
                "misfire_policy": draw(st.sampled_from(MisfirePolicy)),
                "misfire_grace_seconds": draw(st.sampled_from([0, 60, 3600, DAY])),
            }
        )
        instants = list(fires_between(version.schedule, begin - INSTANT, end - INSTANT))
        if instants:
            dues.append(due(version, instants[0], end - INSTANT))
            planned += instants
    return dues, planned


@given(outage=outages(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_every_instant_is_in_one_row_or_range_and_a_successor_goes_on_alike(
    outage: tuple[list[Due], list[datetime]], data: st.DataObject
) -> None:
    """The predecessor stored any part of its decisions, in any order, and the successor sees the versions in any order."""
    dues, planned = outage
    runs, missed = sort_out(dues, NOON, None)
    decided = DecidedOfJob()
    whole: list[Planned | NotRun] = [*runs, *missed]
    stored = [one for one in whole if data.draw(st.booleans())] if len(whole) < 150 else whole[::3]
    for one in stored:
        decided.add(*((one.instant, one.instant) if isinstance(one, Planned) else (one.first, one.last)))
    again = sort_out(data.draw(st.permutations(dues)), NOON, decided)
    rest: list[Planned | NotRun] = [*again[0], *again[1]]
    assert sorted(map(_place, rest)) == sorted(_place(one) for one in whole if one not in stored)
    covered = [instant for one in [*stored, *rest] for instant in _instants(one, planned)]
    assert sorted(covered) == sorted(planned)
    assert sum(1 for one in missed if one.count == 1) <= MAX_SINGLE + 4 * len(dues)


def _place(one: Planned | NotRun) -> tuple[Any, ...]:
    if isinstance(one, Planned):
        return (one.instant, one.instant, 1, "", "")
    return (one.first, one.last, one.count, one.reason, str(one.into))


def _instants(one: Planned | NotRun, planned: list[datetime]) -> list[datetime]:
    if isinstance(one, Planned):
        return [one.instant]
    within = [instant for instant in planned if one.first <= instant <= one.last]
    assert len(within) == one.count
    return within
