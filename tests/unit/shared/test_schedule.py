"""When schedules of each kind fire."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.domain.schedule import (
    CronSchedule,
    IntervalSchedule,
    InvalidSchedule,
    OneShotSchedule,
    Schedule,
    fires_between,
    next_fire,
)
from tests.unit.shared.walks import cron, fires, utc

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NEW_YORK = "America/New_York"
LORD_HOWE = "Australia/Lord_Howe"


class TestConstruction:
    def test_it_checks_nothing_so_that_it_stays_cheap(self) -> None:
        assert cron("nonsense", "nowhere").expression == "nonsense"

    def test_it_is_frozen(self) -> None:
        schedule = cron("* * * * *")
        with pytest.raises(ValidationError, match="frozen"):
            schedule.expression = "0 * * * *"  # type: ignore[misc]  # the point of the test

    def test_it_passes_over_what_a_newer_version_has_added(self) -> None:
        newer = {"expression": "* * * * *", "timezone": "UTC", "added": 5}
        assert CronSchedule.model_validate(newer) == cron("* * * * *", "UTC")

    def test_it_survives_the_bus(self) -> None:
        adapter = TypeAdapter[Schedule](Schedule)
        for schedule in (
            cron("0 2 * * *", "Asia/Tokyo", date(2026, 12, 31)),
            IntervalSchedule(timezone="UTC", every_seconds=90, anchor=NOW),
            OneShotSchedule(timezone="UTC", at=NOW),
        ):
            assert adapter.validate_json(adapter.dump_json(schedule)) == schedule


class TestNextFire:
    @pytest.mark.parametrize(
        ("expression", "zone", "after", "expected"),
        [
            # A change of a day is a correction: 30 December 2011 was left out in Samoa.
            ("30 2 30 12 *", "Pacific/Apia", "2011-06-01 00:00", ["2012-12-29 12:30"]),
            # So are three hours forward, but three hours back are not (cron.c counts from the minute before).
            ("30 2 * * *", "Antarctica/Casey", "2009-10-17 00:00", ["2009-10-18 15:30"]),
            ("30 23 * * *", "Antarctica/Casey", "2010-03-04 00:00", ["2010-03-04 12:30", "2010-03-05 15:30"]),
            # No changes.
            ("0 2 * * *", "Asia/Tokyo", "2026-03-07 17:00", ["2026-03-08 17:00"]),
            # Sunday is 0 and 7, in a range and with a step, too.
            ("0 0 * * 4-7/2", "UTC", "2026-11-21 00:00", ["2026-11-26 00:00", "2026-11-28 00:00"]),
            # The rarest days.
            ("0 12 29 2 */7", NEW_YORK, "2080-01-01 00:00", ["2088-02-29 17:00", "2128-02-29 17:00"]),
        ],
    )  # fmt: skip
    def test_it_fires_when_debian_cron_would(
        self, expression: str, zone: str, after: str, expected: list[str]
    ) -> None:
        assert fires(cron(expression, zone), after, len(expected)) == [utc(text) for text in expected]

    def test_every_minute_runs_through_a_day_of_25_hours(self) -> None:
        begin = utc("2026-11-01 04:00") - timedelta(minutes=1)  # 23:59 before the day
        found = list(fires_between(cron("* * * * *", NEW_YORK), begin, begin + timedelta(hours=25)))
        assert found == [begin + timedelta(minutes=n) for n in range(1, 25 * 60 + 1)]

    def test_seconds_do_not_matter_and_the_answer_is_strictly_later(self) -> None:
        schedule = cron("5 * * * *")
        assert next_fire(schedule, utc("2026-11-21 12:04:59.999999")) == utc("2026-11-21 12:05")
        assert next_fire(schedule, utc("2026-11-21 12:05:00")) == utc("2026-11-21 13:05")
        assert next_fire(schedule, utc("2026-11-21 12:05:30")) == utc("2026-11-21 13:05")

    def test_it_takes_any_zone_and_answers_in_utc(self) -> None:
        tokyo = timezone(timedelta(hours=9))
        instant = next_fire(cron("0 2 * * *", "Asia/Tokyo"), datetime(2026, 11, 21, 1, 0, tzinfo=tokyo))
        assert instant == utc("2026-11-20 17:00")
        assert instant.tzinfo is UTC

    def test_it_refuses_a_naive_instant(self) -> None:
        naive = NOW.replace(tzinfo=None)
        with pytest.raises(ValueError, match="needs a time zone"):
            next_fire(cron("* * * * *"), naive)
        with pytest.raises(ValueError, match="needs a time zone"):
            fires_between(cron("* * * * *"), naive, NOW)
        with pytest.raises(ValueError, match="needs a time zone"):
            fires_between(cron("* * * * *"), NOW, naive)

    def test_time_has_a_beginning_and_an_end(self) -> None:
        schedule = cron("0 0 1 1 *", NEW_YORK)
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        assert next_fire(schedule, first) == utc("1970-01-01 05:00")
        assert next_fire(schedule, last) is None
        assert next_fire(schedule, utc("9997-06-01 00:00")) is None


class TestFiresBetween:
    def test_it_excludes_the_beginning_and_includes_the_end(self) -> None:
        found = list(fires_between(cron("0 * * * *"), utc("2026-11-21 00:00"), utc("2026-11-21 03:00")))
        assert found == [utc("2026-11-21 01:00"), utc("2026-11-21 02:00"), utc("2026-11-21 03:00")]

    def test_an_empty_or_backward_interval_has_no_instants(self) -> None:
        assert list(fires_between(cron("* * * * *"), NOW, NOW)) == []
        assert list(fires_between(cron("* * * * *"), NOW, NOW - timedelta(days=1))) == []

    def test_it_stops_after_the_last_day(self) -> None:
        schedule = cron("0 12 * * *", "Asia/Tokyo", date(2026, 11, 23))
        found = list(fires_between(schedule, utc("2026-11-21 12:00"), utc("2027-01-01 00:00")))
        assert found == [utc("2026-11-22 03:00"), utc("2026-11-23 03:00")]


class TestEndDate:
    def test_the_last_day_runs_and_the_day_after_does_not_in_the_zone_of_the_job(self) -> None:
        schedule = cron("30 0,23 * * *", "Asia/Tokyo", date(2026, 12, 31))
        assert fires(schedule, "2026-12-30 15:00", 5) == [utc("2026-12-30 15:30"), utc("2026-12-31 14:30")]
        assert next_fire(schedule, utc("2026-12-31 14:30")) is None

    def test_west_of_greenwich_the_last_day_goes_on_into_the_next_one_of_utc(self) -> None:
        schedule = cron("0 23 * * *", NEW_YORK, date(2026, 12, 31))
        assert next_fire(schedule, utc("2026-12-31 23:59")) == utc("2027-01-01 04:00")
        assert next_fire(schedule, utc("2027-01-01 04:00")) is None

    def test_midnight_belongs_to_the_day_that_begins(self) -> None:
        schedule = cron("0 0 * * *", "UTC", date(2026, 11, 22))
        assert next_fire(schedule, NOW) == utc("2026-11-22 00:00")
        assert next_fire(schedule, utc("2026-11-22 00:00")) is None

    def test_a_clock_that_comes_back_to_the_last_day_does_not_begin_it_again(self) -> None:
        schedule = cron("*/30 * * * *", "America/St_Johns", date(2005, 10, 29))  # 00:01 became 23:01
        assert fires(schedule, "2005-10-30 01:40", 5) == [utc("2005-10-30 02:00")]
        assert next_fire(schedule, utc("2005-10-30 02:45")) is None

    def test_a_last_day_in_the_past_has_no_next_run(self) -> None:
        assert next_fire(cron("* * * * *", "UTC", date(2026, 11, 20)), NOW) is None

    def test_the_last_day_that_there_is_never_comes(self) -> None:
        assert next_fire(cron("* * * * *", "UTC", date.max), NOW) == NOW + timedelta(minutes=1)

    def test_an_interval_and_a_single_run_end_as_well(self) -> None:
        zone, last = "Asia/Tokyo", date(2026, 11, 21)
        every = IntervalSchedule(every_seconds=3600, anchor=NOW, timezone=zone, end_date=last)
        assert fires(every, "2026-11-21 12:00", 5) == [utc("2026-11-21 13:00"), utc("2026-11-21 14:00")]
        assert (
            next_fire(OneShotSchedule(at=utc("2026-11-21 15:00"), timezone=zone, end_date=last), NOW) is None
        )


class TestStart:
    def test_nothing_is_planned_before_it(self) -> None:
        schedule = cron("0 * * * *").model_copy(update={"start_at": utc("2026-12-01 08:30")})
        assert fires(schedule, "2026-11-21 12:00", 2) == [utc("2026-12-01 09:00"), utc("2026-12-01 10:00")]

    def test_an_instant_at_the_start_is_planned(self) -> None:
        schedule = cron("0 * * * *").model_copy(update={"start_at": utc("2026-12-01 08:00")})
        assert next_fire(schedule, NOW) == utc("2026-12-01 08:00")

    def test_a_start_within_the_second_turn_of_a_repeated_hour_does_not_run_what_ran_in_the_first(
        self,
    ) -> None:
        schedule = cron("30 1 * * *", NEW_YORK).model_copy(update={"start_at": utc("2026-11-01 06:10")})
        assert next_fire(schedule, utc("2026-10-01 00:00")) == utc("2026-11-02 06:30")


class TestInterval:
    @pytest.mark.parametrize(
        ("seconds", "anchor", "after", "expected"),
        [
            (90, "2026-11-21 12:00", "2026-11-21 12:00", ["2026-11-21 12:01:30", "2026-11-21 12:03"]),
            (90, "2026-11-21 12:00", "2026-11-21 11:57", ["2026-11-21 11:58:30", "2026-11-21 12:00"]),
            (86_400, "2030-01-01 09:15", "2026-11-21 12:00", ["2026-11-22 09:15", "2026-11-23 09:15"]),
            (31_622_400, "2024-01-01 00:00", "2026-11-21 12:00", ["2027-01-03 00:00", "2028-01-04 00:00"]),
        ],
    )
    def test_it_counts_from_its_anchor_in_both_directions(
        self, seconds: int, anchor: str, after: str, expected: list[str]
    ) -> None:
        schedule = IntervalSchedule(timezone="UTC", every_seconds=seconds, anchor=utc(anchor))
        assert fires(schedule, after, len(expected)) == [utc(text) for text in expected]

    def test_clock_changes_do_not_matter(self) -> None:
        schedule = IntervalSchedule(timezone=NEW_YORK, every_seconds=7200, anchor=utc("2026-11-01 00:00"))
        found = fires(schedule, "2026-11-01 00:00", 6)
        assert found == [utc(f"2026-11-01 {hour:02}:00") for hour in range(2, 14, 2)]

    def test_time_has_a_beginning_and_an_end(self) -> None:
        schedule = IntervalSchedule(timezone="UTC", every_seconds=86_400, anchor=NOW)
        assert next_fire(schedule, datetime.min.replace(tzinfo=UTC)) == utc("1970-01-01 12:00")
        assert next_fire(schedule, utc("9997-12-31 12:00")) is None

    @pytest.mark.parametrize("seconds", [0, -60])
    def test_one_that_does_not_go_on_is_refused_instead_of_walked(self, seconds: int) -> None:
        schedule = IntervalSchedule(timezone="UTC", every_seconds=seconds, anchor=NOW)
        with pytest.raises(InvalidSchedule, match="at least 1"):
            next_fire(schedule, NOW)


class TestOneShot:
    def test_it_runs_once(self) -> None:
        schedule = OneShotSchedule(timezone=NEW_YORK, at=utc("2026-12-01 09:00:30"))
        assert fires(schedule, "2026-11-21 12:00", 2) == [utc("2026-12-01 09:00:30")]
        assert next_fire(schedule, utc("2026-12-01 09:00:30")) is None

    def test_not_before_its_schedule_starts(self) -> None:
        at, start_at = utc("2026-12-01 09:00"), utc("2026-12-02 00:00")
        assert next_fire(OneShotSchedule(timezone="UTC", at=at, start_at=start_at), NOW) is None
