"""What many jobs plan in a period, and when most of it comes together."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain import busy_minutes
from services.gateway.domain.busy_minutes import BUSIEST, SAMPLE, BusyMinute
from services.gateway.domain.planned import planned
from services.gateway.domain.planned_jobs import PlannedJob
from shared.domain.schedule import CronSchedule, Exclusion, IntervalSchedule, Schedule, fires_between
from shared.domain.spread import slot
from tests.fixtures.builders import SOME_TIME

A_DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def cron(expression: str, **fields: Any) -> CronSchedule:
    return CronSchedule(**{"expression": expression, "timezone": "UTC", **fields})


def job(schedule: Schedule, name: str = "job", effective_at: datetime = SOME_TIME - A_DAY) -> PlannedJob:
    return PlannedJob(id=uuid4(), name=name, schedule=schedule, effective_at=effective_at)


def minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def counts(minutes: list[BusyMinute]) -> list[tuple[datetime, int]]:
    return [(one.minute, one.count) for one in minutes]


def one_by_one(jobs: list[PlannedJob], end: datetime) -> list[tuple[datetime, str, datetime]]:
    """The same as `planned` from `SOME_TIME` on, without any cunning."""
    return sorted(
        (instant, one.name, instant + slot(one.id, one.schedule.jitter_seconds))
        for one in jobs
        for instant in fires_between(one.schedule, max(SOME_TIME, one.effective_at) - TICK, end - TICK)
    )


def busiest(instants: list[datetime]) -> list[tuple[datetime, int]]:
    found = Counter(map(minute, instants))
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:BUSIEST]


QUARTER_PAST_NINE = Exclusion(
    begin=datetime(2026, 11, 21, 21, 15),  # noqa: DTZ001 # local time
    end=datetime(2026, 11, 21, 21, 16),  # noqa: DTZ001
)
SCHEDULES = st.one_of(
    st.builds(
        cron,
        st.sampled_from(["* * * * *", "*/7 * * * *", "0 13 * * *", "30 12,18 * * *", "0 0 1 1 *"]),
        jitter_seconds=st.sampled_from([0, 0, 5, 90, 600]),
    ),
    st.builds(
        IntervalSchedule,
        every_seconds=st.sampled_from([7, 60, 90, 3600]),
        anchor=st.sampled_from([SOME_TIME + timedelta(seconds=later) for later in (0, 31, 59, 61)]),
        exclusions=st.sampled_from([(), (), (QUARTER_PAST_NINE,)]),
        timezone=st.just("Asia/Tokyo"),
        jitter_seconds=st.sampled_from([0, 45]),
    ),
)
JOBS = st.lists(
    st.builds(
        PlannedJob,
        id=st.uuids(),
        name=st.uuids().map(str),
        schedule=SCHEDULES,
        effective_at=st.sampled_from([SOME_TIME - A_DAY, SOME_TIME, SOME_TIME + timedelta(minutes=61)]),
    ),
    max_size=8,
)


@given(JOBS, st.sampled_from([1, 50, 10_000]))
def test_it_is_what_each_job_plans(jobs: list[PlannedJob], limit: int) -> None:
    end = SOME_TIME + timedelta(hours=2)
    expected = one_by_one(jobs, end)
    found = planned(jobs, SOME_TIME, end, limit)
    assert [(one.planned, one.job.name, one.actual) for one in found.instants] == expected[:limit]
    assert (found.total, found.busiest.jobs_left_out) == (len(expected), 0)
    assert counts(found.busiest.by_planned) == busiest([instant for instant, _, _ in expected])
    assert counts(found.busiest.by_actual) == busiest([actual for _, _, actual in expected])


def test_the_beginning_belongs_to_the_period_and_the_end_does_not() -> None:
    found = planned([job(cron("0 12 * * *"))], SOME_TIME, SOME_TIME + A_DAY, 10)
    assert [one.planned for one in found.instants] == [SOME_TIME]


def test_a_busy_minute_names_some_of_its_jobs_once_each() -> None:
    jobs = [job(cron("0 13 * * *"), name=f"{number:02}") for number in range(20)]
    often = job(cron("* 0 13 * * *", seconds=True), name="often")
    found = planned([*jobs, often], SOME_TIME, SOME_TIME + A_DAY, 10)
    assert counts(found.busiest.by_planned) == [(SOME_TIME.replace(hour=13), 80)]
    [busy] = found.busiest.by_planned
    assert [one.name for one in busy.jobs] == ["00", "01", "02", "03", "04"]
    [alone] = planned([often], SOME_TIME, SOME_TIME + A_DAY, 10).busiest.by_planned
    assert (alone.count, [one.name for one in alone.jobs]) == (60, ["often"])
    assert len(busy.jobs) == SAMPLE


def test_spreading_is_seen_by_actual_time_only() -> None:
    jobs = [job(cron("0 13 * * *", jitter_seconds=3600)) for _ in range(50)]
    found = planned(jobs, SOME_TIME, SOME_TIME + A_DAY, 100)
    assert counts(found.busiest.by_planned) == [(SOME_TIME.replace(hour=13), 50)]
    expected = busiest([one.actual for one in found.instants])
    assert counts(found.busiest.by_actual) == expected
    assert expected[0][1] < 10


def test_nothing_planned_is_nothing() -> None:
    assert planned([], SOME_TIME, SOME_TIME + A_DAY, 10).total == 0
    found = planned([job(cron("0 0 1 1 *"))], SOME_TIME, SOME_TIME + A_DAY, 10)
    assert (found.total, found.instants, found.busiest.by_planned, found.busiest.by_actual) == (0, [], [], [])


@pytest.mark.timeout(20)
def test_ten_thousand_minutely_jobs_are_counted_whole() -> None:
    jobs = [job(cron("* * * * *", jitter_seconds=number % 3 * 30), str(number)) for number in range(10_000)]
    found = planned(jobs, SOME_TIME, SOME_TIME + A_DAY, 10_000)
    assert (found.total, len(found.instants), found.busiest.jobs_left_out) == (14_400_000, 10_000, 0)
    assert {one.planned for one in found.instants} == {SOME_TIME}
    assert {one.count for one in found.busiest.by_planned} == {10_000}


@pytest.mark.timeout(20)
def test_so_are_ten_thousand_intervals_that_begin_at_any_second() -> None:
    def every_minute(second: int) -> IntervalSchedule:
        anchor = SOME_TIME + timedelta(seconds=second)
        return IntervalSchedule(
            every_seconds=60, anchor=anchor, timezone="UTC", jitter_seconds=second % 2 * 30
        )

    jobs = [job(every_minute(number), str(number)) for number in range(10_000)]
    found = planned(jobs, SOME_TIME, SOME_TIME + A_DAY, 10)
    assert (found.total, found.busiest.jobs_left_out) == (14_400_000, 0)
    assert {one.count for one in found.busiest.by_planned} == {10_000}


def test_where_it_would_be_too_much_work_the_rarest_jobs_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy_minutes, "MAX_STEPS", 3000)
    secondly = job(cron("* * * * * *", seconds=True), "every second")
    hourly = job(cron("0 * * * *"), "hourly")
    minutely = job(cron("* * * * *"), "minutely")
    found = planned([secondly, minutely, hourly], SOME_TIME, SOME_TIME + A_DAY, 3)
    assert (found.total, found.busiest.jobs_left_out) == (86_400 + 1440 + 24, 1)
    assert [one.job.name for one in found.instants] == ["every second", "hourly", "minutely"]
    assert counts(found.busiest.by_planned)[0] == (SOME_TIME, 2)


def test_the_past_is_only_told_from_when_the_job_was_in_force() -> None:
    young = job(cron("0 * * * *"), effective_at=datetime(2026, 11, 21, 13, 30, tzinfo=UTC))
    found = planned([young], SOME_TIME, SOME_TIME + timedelta(hours=4), 10)
    assert [one.planned.hour for one in found.instants] == [14, 15]
