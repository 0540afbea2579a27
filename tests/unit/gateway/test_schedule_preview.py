"""What is said about a schedule before it becomes a job's."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.gateway.domain.schedule_preview import SchedulePreview, simulate
from shared.domain.schedule import (
    CalendarUse,
    CronSchedule,
    Exclusion,
    IntervalSchedule,
    InvalidSchedule,
    OneShotSchedule,
    Schedule,
)
from tests.fixtures.builders import SOME_TIME

SUMMER_BEGINS = datetime(2027, 3, 27, 12, 0, tzinfo=UTC)
WINTER_BEGINS = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)


def cron(expression: str, timezone: str = "Europe/Berlin", **fields: Any) -> CronSchedule:
    return CronSchedule(expression=expression, timezone=timezone, **fields)


def every(seconds: int, **fields: Any) -> IntervalSchedule:
    return IntervalSchedule(**{"every_seconds": seconds, "anchor": SOME_TIME, "timezone": "UTC", **fields})


def day(*parts: int, days: int = 1, note: str | None = None) -> Exclusion:
    begin = datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 # local times
    return Exclusion(begin=begin, end=begin + timedelta(days=days), note=note)


def look(
    schedule: Schedule, after: datetime = SOME_TIME, count: int = 3, timeout: float = 1
) -> SchedulePreview:
    return simulate(schedule, count, after, timeout)


def warned(schedule: Schedule, after: datetime = SOME_TIME, timeout: float = 1) -> list[str]:
    return [one.code for one in look(schedule, after, timeout=timeout).warnings]


def notes(schedule: Schedule, after: datetime, count: int) -> list[tuple[str, str | None]]:
    runs = look(schedule, after, count).runs
    return [(run.planned.strftime("%d %H:%M %z"), run.note) for run in runs]


class TestNotes:
    def test_a_run_whose_time_is_skipped_says_that_it_comes_right_after(self) -> None:
        moved = "The clock skips from 02:00 to 03:00; the run in between happens right after that."
        assert notes(cron("30 2 * * *"), SUMMER_BEGINS, 2) == [
            ("28 03:00 +0200", moved),
            ("29 02:30 +0200", None),
        ]

    def test_one_that_is_due_then_anyway_says_nothing(self) -> None:
        assert notes(cron("0 3 * * *"), SUMMER_BEGINS, 1) == [("28 03:00 +0200", None)]

    def test_times_that_come_twice_say_which_one_it_is(self) -> None:
        twice = "The clock reads 02:30 twice on that day; this is the {} time."
        assert notes(cron("30 2 * * *", fold="both"), WINTER_BEGINS, 3) == [
            ("25 02:30 +0200", twice.format("first")),
            ("25 02:30 +0100", twice.format("second")),
            ("26 02:30 +0100", None),
        ]

    def test_intervals_know_no_clocks(self) -> None:
        berlin = every(3600, timezone="Europe/Berlin")
        assert {note for _, note in notes(berlin, WINTER_BEGINS, 48)} == {None}


class TestClockChange:
    @pytest.mark.parametrize(
        ("schedule", "says", "runs"),
        [
            (cron("30 2 * * *", gap="skip"), "does not happen.", ["26 02:30", "27 02:30", "29 02:30", "30 02:30"]),
            (cron("30 2 * * *", gap="run"), "right after the change.", ["26 02:30", "27 02:30", "28 03:00", "29 02:30", "30 02:30"]),
            (every(86_400, timezone="Europe/Berlin"), "An interval goes on as before.", ["26 13:00", "27 13:00", "28 14:00", "29 14:00"]),
            (OneShotSchedule(at=datetime(2027, 3, 29, tzinfo=UTC), timezone="Europe/Berlin"), "It does not move a single instant.", ["29 02:00"]),
        ],
    )  # fmt: skip
    def test_forward(self, schedule: Schedule, says: str, runs: list[str]) -> None:
        change = look(schedule).change
        assert change is not None
        assert change.description.startswith("On 2027-03-28 the clock goes forward from 02:00 to 03:00. ")
        assert change.description.endswith(says)
        assert [run.strftime("%d %H:%M") for run in change.runs_around] == runs

    @pytest.mark.parametrize(
        ("fold", "says"),
        [
            ("debian", "A run in the time that is repeated happens once."),
            ("first", "A run in the time that is repeated happens once, the first time."),
            ("last", "A run in the time that is repeated happens once, the second time."),
            ("both", "A run in the time that is repeated happens twice."),
        ],
    )
    def test_back(self, fold: str, says: str) -> None:
        change = look(cron("30 2 * * *", fold=fold), WINTER_BEGINS).change
        assert change is not None
        assert change.description.endswith(says)


class TestWarnings:
    def test_an_ordinary_schedule_has_none(self) -> None:
        assert warned(cron("0 9 * * 1-5")) == []
        assert warned(cron("0 * * * *")) == []

    @pytest.mark.parametrize(
        ("schedule", "codes"),
        [
            (cron("0 0 31 2 *"), ["never_fires"]),
            (OneShotSchedule(at=SOME_TIME, timezone="UTC"), ["never_fires"]),
            (cron("0 0 * * *", end_date=date(2026, 11, 20)), ["never_fires", "ends_soon"]),
            (cron("0 0 * * *", exclusions=(day(2026, 1, 1, days=40_000),)), ["never_fires", "all_excluded"]),
            (cron("0 9 * * *", "UTC", end_date=date(2026, 12, 20)), ["ends_soon"]),
            (cron("0 9 * * *", "UTC", end_date=date(2026, 12, 21)), []),
            (cron("0 9 * * *", "UTC", start_at=SOME_TIME + timedelta(days=31)), ["starts_late"]),
            (cron("0 9 * * *", "UTC", start_at=SOME_TIME + timedelta(days=30)), []),
            (cron("30 2 * * *"), ["fires_in_gap", "fires_in_fold"]),
            (cron("*/20 2 * * *"), ["fires_in_gap", "fires_in_fold"]),
            (cron("*/20 * * * *"), []),
            (cron("*/20 * * * *", gap="run"), ["fires_in_gap"]),
            (cron("0 * * * *", "Australia/Lord_Howe"), ["fires_in_gap"]),
            (cron("30 2 * * *", end_date=date(2027, 4, 1)), ["fires_in_gap"]),
            (cron("30 2 * * *", exclusions=(day(2027, 3, 28), day(2027, 10, 31))), []),
            (cron("30 2 * * 3"), []),
            (cron("* * * * *", "UTC", jitter_seconds=61), ["jitter_exceeds_distance"]),
            (cron("* * * * *", "UTC", jitter_seconds=60), []),
        ],
    )
    def test_what_may_not_be_meant_is_told(self, schedule: Schedule, codes: list[str]) -> None:
        assert warned(schedule) == codes

    def test_runs_closer_than_one_may_take_are_told(self) -> None:
        assert warned(every(30), timeout=30) == []
        assert warned(every(30), timeout=30.5) == ["denser_than_timeout"]
        # However few are asked for, and where most of them are far apart.
        assert warned(cron("0,1 9 * * *", "UTC"), timeout=61) == ["denser_than_timeout"]

    def test_one_that_never_fires_has_no_runs(self) -> None:
        found = look(cron("0 0 31 2 *"))
        assert (found.runs, found.warnings[0].message) == ([], "Cron expression never fires: 0 0 31 2 *")

    @pytest.mark.parametrize(
        "schedule",
        [
            cron("* * * *"),
            cron("* * * * *", "Mars/Base"),
            every(0),
            cron("* * * * *", jitter_seconds=86_401),
            cron("0 0 * * *", start_at=SOME_TIME, end_date=date(2026, 11, 20)),
        ],
    )
    def test_what_makes_no_sense_is_no_warning(self, schedule: Schedule) -> None:
        with pytest.raises(InvalidSchedule):
            look(schedule)


class TestPassedOver:
    HOLIDAYS = CalendarUse(
        calendar_id=UUID(int=7),
        slug="holidays",
        version=3,
        exclusions=(day(2026, 12, 25, note="Christmas"),),
    )

    def test_instants_are_told_with_what_excludes_them(self) -> None:
        schedule = cron("0 9 * * *", "UTC", exclusions=(day(2026, 12, 24),), calendars=(self.HOLIDAYS,))
        found = look(schedule, datetime(2026, 12, 22, 12, tzinfo=UTC))
        assert [run.planned.day for run in found.runs] == [23, 26, 27]
        passed = [(one.planned.day, one.exclusion.note, one.calendar) for one in found.passed_over]
        assert passed == [(24, None, None), (25, "Christmas", "holidays")]

    def test_a_few_of_many_suffice(self) -> None:
        schedule = cron("* * * * * *", "UTC", seconds=True, exclusions=(day(2026, 11, 21, days=10_000),))
        found = look(schedule)
        assert [run.planned.year for run in found.runs] == [2054, 2054, 2054]
        assert len(found.passed_over) == 10

    def test_what_comes_after_the_last_run_does_not_matter(self) -> None:
        found = look(cron("0 9 * * *", "UTC", exclusions=(day(2026, 12, 24),)))
        assert found.passed_over == []
