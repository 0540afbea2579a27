"""Which instants are made up for: exactly those that did not run, and of a pause those that are asked for."""

from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.backfill import (
    MAX_CATCH_UP,
    MAX_COUNTED,
    NotRun,
    Stretch,
    TooManyInstants,
    chosen,
    not_run_between,
    passed_while_paused,
    planned_between,
)
from shared.domain.job import MisfirePolicy
from shared.domain.schedule import CronSchedule, IntervalSchedule, Schedule

BEGIN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EACH_MINUTE = CronSchedule(expression="* * * * *", timezone="Asia/Tokyo")
EACH_SEVEN_SECONDS = IntervalSchedule(every_seconds=7, anchor=BEGIN, timezone="UTC")
MINUTE = timedelta(minutes=1)
FATES = ("ran", "missed", "range", "made up")


def minutes(*numbers: int) -> list[datetime]:
    return [BEGIN + number * MINUTE for number in numbers]


def single(instant: datetime) -> NotRun:
    return NotRun(first=instant, last=instant, count=1, job_version=1)


class TestWhatDidNotRun:
    @given(
        schedule=st.sampled_from([EACH_MINUTE, EACH_SEVEN_SECONDS]),
        fates=st.lists(st.sampled_from(FATES), max_size=60),
        begin=st.integers(-100, 4_000),
        length=st.integers(1, 4_000),
    )
    def test_it_is_exactly_the_instants_of_the_range_that_did_not_run_and_were_not_made_up_for(
        self, schedule: Schedule, fates: list[str], begin: int, length: int
    ) -> None:
        """Each instant has one fate; neighbours that share the fate of a range share its row."""
        instants = [
            instant
            for instant, _ in zip(
                planned_between(schedule, BEGIN, BEGIN + timedelta(days=1)), fates, strict=False
            )
        ]
        fate_of = dict(zip(instants, fates, strict=True))
        rows = [single(one) for one, fate in fate_of.items() if fate in ("missed", "made up")]
        for fate, group in groupby(instants, key=fate_of.__getitem__):
            together = list(group)
            if fate == "range":
                rows.append(NotRun(first=together[0], last=together[-1], count=len(together), job_version=3))
        made_up = {one for one, fate in fate_of.items() if fate == "made up"}
        start = BEGIN + timedelta(seconds=begin)
        end = start + timedelta(seconds=length)
        found = chosen(not_run_between(rows, {3: schedule}, start, end), made_up, 1_000)
        assert found == [
            one for one in instants if start <= one < end and fate_of[one] in ("missed", "range")
        ]

    def test_both_ends_of_a_row_of_many_count(self) -> None:
        row = NotRun(first=BEGIN, last=BEGIN + 4 * MINUTE, count=5, job_version=1)
        found = not_run_between([row], {1: EACH_MINUTE}, BEGIN - MINUTE, BEGIN + 9 * MINUTE)
        assert list(found) == minutes(0, 1, 2, 3, 4)

    def test_too_many_are_refused_with_their_number(self) -> None:
        with pytest.raises(TooManyInstants, match=r"There are 11 instants .* at most 10 are allowed"):
            chosen(minutes(*range(11)), (), 10)
        assert chosen(minutes(*range(10)), (), 10) == minutes(*range(10))

    def test_beyond_some_number_they_are_not_counted_any_more(self) -> None:
        year = planned_between(EACH_MINUTE, BEGIN, BEGIN + timedelta(days=365))
        with pytest.raises(TooManyInstants, match=f"There are more than {MAX_COUNTED} instants"):
            chosen(year, (), 1_000)


class TestAPause:
    def test_the_one_that_resumes_is_planned_again_and_the_one_that_pauses_is_not(self) -> None:
        stretch = Stretch(schedule=EACH_MINUTE, begin=BEGIN, end=BEGIN + 3 * MINUTE)
        assert passed_while_paused([stretch], MisfirePolicy.RUN_ALL) == minutes(0, 1, 2)

    def test_the_latest_one_may_lie_long_before_the_end(self) -> None:
        daily = CronSchedule(expression="0 12 * * *", timezone="UTC")
        stretch = Stretch(schedule=daily, begin=BEGIN + MINUTE, end=BEGIN + timedelta(hours=47))
        assert passed_while_paused([stretch], MisfirePolicy.RUN_LATEST) == [BEGIN + timedelta(days=1)]

    def test_skipping_runs_nothing(self) -> None:
        stretch = Stretch(schedule=EACH_MINUTE, begin=BEGIN, end=BEGIN + 3 * MINUTE)
        assert passed_while_paused([stretch], MisfirePolicy.SKIP) == []

    def test_without_any_instant_nothing_runs(self) -> None:
        stretch = Stretch(schedule=EACH_MINUTE, begin=BEGIN + MINUTE / 4, end=BEGIN + MINUTE / 2)
        for policy in MisfirePolicy:
            assert passed_while_paused([stretch], policy) == []
            assert passed_while_paused([], policy) == []

    @given(
        cuts=st.lists(st.integers(0, 15_000), min_size=2, max_size=5, unique=True).map(sorted),
        policy=st.sampled_from(MisfirePolicy),
    )
    def test_each_version_plans_its_own_time_and_the_latest_run(
        self, cuts: list[int], policy: MisfirePolicy
    ) -> None:
        schedules: list[Schedule] = [EACH_MINUTE, EACH_SEVEN_SECONDS, EACH_MINUTE, EACH_SEVEN_SECONDS]
        edges = [BEGIN + timedelta(seconds=cut) for cut in cuts]
        stretches = [
            Stretch(schedule=schedule, begin=begin, end=end)
            for schedule, begin, end in zip(schedules, edges, edges[1:], strict=False)
        ]
        planned = [one for part in stretches for one in planned_between(part.schedule, part.begin, part.end)]
        wanted = {MisfirePolicy.SKIP: 0, MisfirePolicy.RUN_LATEST: 1, MisfirePolicy.RUN_ALL: MAX_CATCH_UP}
        count = wanted[policy]
        assert passed_while_paused(stretches, policy) == (planned[-count:] if count else [])
