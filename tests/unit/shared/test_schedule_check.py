"""Which schedules cannot be kept, and what is said of them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from shared.domain.schedule import (
    CronSchedule,
    Exclusion,
    IntervalSchedule,
    InvalidSchedule,
    OneShotSchedule,
    Schedule,
    check,
    fires_between,
    next_fire,
)
from tests.unit.shared.schedules import calendar_use
from tests.unit.shared.walks import cron, utc

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NEW_YORK = "America/New_York"
NIGHT = Exclusion(begin=datetime(2026, 11, 21), end=datetime(2026, 11, 22))  # noqa: DTZ001 - local time


def refusal(schedule: Schedule) -> str:
    with pytest.raises(InvalidSchedule) as raised:
        check(schedule, NOW)
    assert raised.value.title == "Invalid schedule"
    return raised.value.message


def every(seconds: int, **more: object) -> IntervalSchedule:
    return IntervalSchedule.model_validate(
        {"timezone": "UTC", "every_seconds": seconds, "anchor": NOW, **more}
    )


def once(at: str, **more: object) -> OneShotSchedule:
    return OneShotSchedule.model_validate({"timezone": "UTC", "at": utc(at), **more})


def stretch(begin: str, end: str) -> Exclusion:
    return Exclusion(begin=datetime.fromisoformat(begin), end=datetime.fromisoformat(end))


class TestCron:
    @pytest.mark.parametrize(
        "expression", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30,31 FEB *", "0 0 31 2 */2"]
    )
    @pytest.mark.parametrize("zone", ["UTC", NEW_YORK])
    def test_it_rejects_what_never_fires(self, expression: str, zone: str) -> None:
        with pytest.raises(InvalidSchedule, match="never fires"):
            check(cron(expression, zone), NOW)
        assert next_fire(cron(expression, zone), NOW) is None

    @pytest.mark.parametrize(
        "zone", ["", "JST", "Mars/Base", "asia/tokyo", "../etc/passwd", "localtime", "Factory", "+09:00"]
    )
    def test_it_rejects_a_zone_that_iana_does_not_list(self, zone: str) -> None:
        with pytest.raises(InvalidSchedule, match="Unknown time zone"):
            check(cron("* * * * *", zone), NOW)

    def test_it_leaves_the_last_day_to_its_caller(self) -> None:
        check(cron("* * * * *", end_date=date(2000, 1, 1)), NOW)

    def test_it_refuses_a_naive_now(self) -> None:
        with pytest.raises(ValueError, match="needs a time zone"):
            check(cron("* * * * *"), NOW.replace(tzinfo=None))


class TestRhythm:
    @pytest.mark.parametrize("seconds", [1, 90, 86_400, 31_622_400])
    def test_an_interval_may_be_from_a_second_to_a_year(self, seconds: int) -> None:
        check(every(seconds), NOW)

    @pytest.mark.parametrize("seconds", [-1, 0, 31_622_401, 10**12])
    def test_but_no_other(self, seconds: int) -> None:
        assert refusal(every(seconds)) == f"every_seconds must be from 1 to 31622400, not {seconds}"

    @pytest.mark.parametrize("year", [1969, 9998, 1, 9999])
    def test_an_anchor_is_in_the_years_that_are_planned(self, year: int) -> None:
        assert refusal(every(60, anchor=NOW.replace(year=year))).startswith(
            "anchor must be in the years 1970 to 9997"
        )

    def test_an_anchor_is_a_whole_second(self) -> None:
        anchor = NOW + timedelta(microseconds=1)
        assert refusal(every(60, anchor=anchor)) == f"anchor must be a whole second: {anchor.isoformat()}"

    def test_a_single_run_is_to_come_and_on_a_whole_second(self) -> None:
        check(once("2026-11-21 12:00:01"), NOW)
        assert refusal(once("2026-11-21 12:00:00")) == (
            "The schedule never fires: 2026-11-21T12:00:00+00:00 has passed"
        )
        assert refusal(once("2026-11-22 12:00:00.5")).startswith("at must be a whole second")

    @pytest.mark.parametrize("seconds", [0, 1, 86_400])
    def test_a_spread_may_be_as_long_as_a_day(self, seconds: int) -> None:
        check(every(60, jitter_seconds=seconds), NOW)

    @pytest.mark.parametrize("seconds", [-1, 86_401])
    def test_but_not_longer(self, seconds: int) -> None:
        message = f"jitter_seconds must be from 0 to 86400, not {seconds}"
        assert refusal(every(60, jitter_seconds=seconds)) == message


class TestBounds:
    def test_the_start_may_be_on_the_last_day(self) -> None:
        check(every(60, start_at=utc("2026-12-01 23:59"), end_date=date(2026, 12, 1)), NOW)

    def test_but_not_after_it_in_the_schedules_zone(self) -> None:
        bounds = {
            "timezone": "Asia/Tokyo",
            "start_at": utc("2026-12-01 15:00"),
            "end_date": date(2026, 12, 1),
        }
        assert refusal(every(60, **bounds)).startswith("start_at must not be after the last day")

    def test_a_single_run_lies_between_them(self) -> None:
        check(once("2026-12-01 09:00", start_at=utc("2026-12-01 09:00"), end_date=date(2026, 12, 1)), NOW)
        message = refusal(once("2026-12-01 09:00", start_at=utc("2026-12-02 00:00")))
        assert message == "The schedule never fires: at is before start_at"
        message = refusal(once("2026-12-02 09:00", end_date=date(2026, 12, 1)))
        assert message == "at must not be after the last day: 2026-12-02T09:00:00+00:00"

    @pytest.mark.parametrize("year", [1, 1969, 9998, 9999])
    def test_the_start_is_in_the_years_that_are_planned(self, year: int) -> None:
        start_at = NOW.replace(year=year)
        assert refusal(every(60, start_at=start_at)).startswith("start_at must be in the years 1970 to 9997")


class TestExclusions:
    @pytest.mark.parametrize("end", ["2026-12-01 00:00", "2026-11-30 00:00"])
    def test_each_ends_after_it_begins(self, end: str) -> None:
        wrong = stretch("2026-12-01 00:00", end)
        assert refusal(every(60, exclusions=[wrong])).startswith("An exclusion must end after it begins")
        assert refusal(every(60, calendars=[calendar_use([wrong])])).startswith("An exclusion must end")

    def test_there_are_at_most_500_with_those_of_the_calendars(self) -> None:
        check(every(60, exclusions=[NIGHT] * 250, calendars=[calendar_use([NIGHT] * 250)]), NOW)
        assert refusal(every(60, exclusions=[NIGHT] * 250, calendars=[calendar_use([NIGHT] * 251)])) == (
            "A schedule may have at most 500 exclusions, those of its calendars included; it has 501"
        )

    def test_they_leave_something(self) -> None:
        never = "The schedule never fires: all of its times lie in exclusions"
        for_good = stretch("2026-01-01 00:00", "9999-12-31 23:59:59")
        assert refusal(every(60, exclusions=[for_good])) == never
        assert refusal(cron("* * * * *", NEW_YORK).model_copy(update={"exclusions": (for_good,)})) == never
        assert refusal(once("2026-11-21 13:00", exclusions=[NIGHT])) == never
        decades = [stretch(f"{year}-02-29 00:00", f"{year}-03-01 00:00") for year in range(2028, 2081, 4)]
        assert refusal(cron("0 0 29 2 *").model_copy(update={"exclusions": tuple(decades)})) == never

    def test_what_comes_after_them_suffices(self) -> None:
        year = stretch("2026-01-01 00:00", "2027-01-01 00:00")
        schedule = cron("* * * * *").model_copy(update={"exclusions": (year,)})
        check(schedule, NOW)
        assert next_fire(schedule, NOW) == utc("2027-01-01 00:00")

    def test_as_many_as_there_may_be_in_the_way_are_passed(self) -> None:
        """Each of them hits the next instant."""
        days = [
            stretch(f"{day}T00:00", f"{day}T00:01")
            for day in (NOW.date() + timedelta(n) for n in range(1, 501))
        ]
        schedule = CronSchedule(expression="0 0 * * *", timezone=NEW_YORK, exclusions=tuple(days))
        check(schedule, NOW)
        after = NOW.date() + timedelta(days=501)
        assert next(fires_between(schedule, NOW, utc("2030-01-01"))).date() == after
