"""Times at which a schedule keeps still."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.schedule import (
    CronSchedule,
    Exclusion,
    IntervalSchedule,
    count_fires,
    fires_between,
    is_excluded,
    latest_fires,
    next_fire,
)
from tests.unit.shared.schedules import calendar_use
from tests.unit.shared.walks import cron, fires, utc

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NEW_YORK = "America/New_York"
YEAR = timedelta(days=365)


def stretch(begin: str, end: str) -> Exclusion:
    return Exclusion(begin=datetime.fromisoformat(begin), end=datetime.fromisoformat(end))


def hourly(*exclusions: Exclusion, zone: str = "UTC") -> CronSchedule:
    return CronSchedule(expression="0 * * * *", timezone=zone, exclusions=exclusions)


def every_second(*exclusions: Exclusion, zone: str = "UTC") -> IntervalSchedule:
    return IntervalSchedule(timezone=zone, every_seconds=1, anchor=NOW, exclusions=exclusions)


class TestLeavingOut:
    def test_the_begin_is_excluded_and_the_end_is_not(self) -> None:
        schedule = hourly(stretch("2026-11-21 13:00", "2026-11-21 15:00"))
        assert fires(schedule, "2026-11-21 11:00", 2) == [utc("2026-11-21 12:00"), utc("2026-11-21 15:00")]

    def test_they_are_in_the_schedules_zone(self) -> None:
        schedule = hourly(stretch("2026-12-25 00:00", "2026-12-26 00:00"), zone=NEW_YORK)
        assert fires(schedule, "2026-12-25 04:00", 1) == [utc("2026-12-26 05:00")]

    def test_a_calendars_are_as_good_as_its_own(self) -> None:
        freeze = calendar_use([stretch("2026-11-21 13:00", "2026-11-21 14:30")])
        schedule = hourly(stretch("2026-11-21 15:00", "2026-11-21 15:01")).model_copy(
            update={"calendars": (freeze, freeze)}
        )
        assert fires(schedule, "2026-11-21 12:00", 1) == [utc("2026-11-21 16:00")]

    def test_both_turns_of_a_repeated_hour_lie_in_it(self) -> None:
        schedule = every_second(stretch("2026-11-01 01:00", "2026-11-01 02:00"), zone=NEW_YORK)
        assert next_fire(schedule, utc("2026-11-01 04:59:59")) == utc("2026-11-01 07:00")

    def test_a_clock_that_is_put_back_may_leave_it_before_its_end(self) -> None:
        schedule = every_second(stretch("2026-11-01 01:30", "2026-11-01 03:00"), zone=NEW_YORK)
        assert next_fire(schedule, utc("2026-11-01 05:29:59")) == utc("2026-11-01 06:00")
        assert next_fire(schedule, utc("2026-11-01 06:29:59")) == utc("2026-11-01 08:00")

    def test_one_within_a_gap_excludes_nothing(self) -> None:
        schedule = every_second(stretch("2026-03-08 02:00", "2026-03-08 03:00"), zone=NEW_YORK)
        assert next_fire(schedule, utc("2026-03-08 06:59:59")) == utc("2026-03-08 07:00")

    def test_what_a_gap_skipped_goes_by_the_time_at_which_it_runs(self) -> None:
        def skipped(begin: str, end: str) -> datetime | None:
            exclusions = (stretch(f"2026-03-08 {begin}", f"2026-03-08 {end}"),)
            schedule = CronSchedule(expression="30 2 * * *", timezone=NEW_YORK, exclusions=exclusions)
            return next_fire(schedule, utc("2026-03-08 00:00"))

        assert skipped("02:00", "03:00") == utc("2026-03-08 07:00")
        assert skipped("03:00", "03:01") == utc("2026-03-09 06:30")


class TestIsExcluded:
    def test_it_tells_when_the_stillness_ends_in_local_time(self) -> None:
        schedule = hourly(
            stretch("2026-11-21 13:00", "2026-11-21 15:00"),
            stretch("2026-11-21 14:00", "2026-11-21 16:00"),
            stretch("2026-11-21 16:00", "2026-11-21 17:00"),
            zone=NEW_YORK,
        )
        assert is_excluded(schedule, utc("2026-11-21 18:00")) == datetime.fromisoformat("2026-11-21 17:00")
        assert is_excluded(schedule, utc("2026-11-21 17:59:59")) is None
        assert is_excluded(schedule, utc("2026-11-21 22:00")) is None


class TestWithoutWalking:
    """Whatever was walked here would take hours."""

    @pytest.mark.parametrize("zone", ["UTC", NEW_YORK])
    def test_a_long_exclusion_is_jumped_over(self, zone: str) -> None:
        ages = stretch("2026-01-01 00:00", "9000-01-01 00:00")
        for schedule in (
            every_second(ages, zone=zone),
            cron("* * * * * *", zone).model_copy(update={"seconds": True, "exclusions": (ages,)}),
        ):
            planned = next_fire(schedule, NOW)
            assert planned is not None
            assert planned.year == 9000
            assert count_fires(schedule, NOW, planned) == 1
            assert latest_fires(schedule, NOW, planned, 5) == [planned]

    def test_one_without_an_end_in_time_leaves_nothing(self) -> None:
        assert next_fire(every_second(stretch("2026-01-01 00:00", "9999-12-31 00:00")), NOW) is None

    def test_a_year_of_seconds_is_counted(self) -> None:
        week = stretch("2026-12-24 00:00", "2026-12-31 00:00")
        changes_apart = [("*", "*", 3600 * 24 * 365), ("*", "1", 3600 * 365), ("0", "1", 60 * 365)]
        for minute, hour, expected in changes_apart:
            schedule = CronSchedule(
                expression=f"* {minute} {hour} * * *", seconds=True, timezone=NEW_YORK, exclusions=(week,)
            )
            left = expected // 365 * (365 - 7)
            # The hour from one to two comes twice for those that go by the clock, once for the others.
            twice = 3600 if (minute, hour) == ("*", "1") else 0
            assert count_fires(schedule, NOW, NOW + YEAR) == left + twice

    def test_the_latest_of_a_thousand_years_of_seconds_are_found(self) -> None:
        january = CronSchedule(expression="* * * * 1 *", seconds=True, timezone=NEW_YORK)
        end = utc("3000-12-31 00:00")
        last = datetime(3000, 2, 1, 5, tzinfo=UTC)
        expected = [last - timedelta(seconds=n) for n in (3, 2, 1)]
        assert latest_fires(january, NOW, end, 3) == expected
        assert list(fires_between(january, expected[0], end)) == expected[1:]

    def test_fewer_than_asked_for_are_all(self) -> None:
        assert latest_fires(cron("0 0 29 2 *"), NOW, utc("2035-01-01 00:00"), 10) == [
            utc("2028-02-29 00:00"),
            utc("2032-02-29 00:00"),
        ]
        assert latest_fires(cron("* * * * *"), NOW, NOW, 10) == []
        assert latest_fires(cron("* * * * *"), NOW, NOW + YEAR, 0) == []
