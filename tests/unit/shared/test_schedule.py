"""What a schedule may say, when it fires, and how it reads."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from shared.domain.schedule import CronSchedule, InvalidSchedule, check, describe, fires_between, next_fire

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NEW_YORK = "America/New_York"
LORD_HOWE = "Australia/Lord_Howe"


def cron(expression: str, zone: str = "UTC", end_date: date | None = None) -> CronSchedule:
    return CronSchedule(expression=expression, timezone=zone, end_date=end_date)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(schedule: CronSchedule, after: str, count: int) -> list[datetime]:
    """The first instants after `after`, each asked for with the one before it."""
    found: list[datetime] = []
    instant: datetime | None = utc(after)
    while instant is not None and len(found) < count:
        instant = next_fire(schedule, instant)
        if instant is not None:
            found.append(instant)
    return found


class TestCheck:
    @pytest.mark.parametrize(
        "expression",
        [
            "* * * * *",
            "*/5 * * * *",
            "0 2 * * *",
            "  0\t2  * * *  ",
            "59 23 31 12 7",
            "0 9 * * 1-5",
            "0 9 * * MON-FRI",
            "0 9 * jan,Jul Sun",
            "0 9 * * 5-7",
            "0-30/10,45 8-18 1,15 */3 *",
            "0 9-9 * * *",
            "*,5 * * * *",
            "*/90 * * * *",
            "007 * * * *",
            "0 0 29 2 *",
            "0 0 29 2 */6",  # both must match: a weekend on 29 February
            "0 0 31 2 1",  # either one suffices
            ",".join(str(minute) for minute in range(60)) + " * * * *",
        ],
    )
    def test_it_accepts_what_crontab_knows(self, expression: str) -> None:
        check(cron(expression, "Asia/Tokyo"), NOW)

    @pytest.mark.parametrize(
        "expression", ["", "*", "* * * *", "* * * * * *", "0 0 1 1 * 0 2099", "@daily", "@every 5m"]
    )
    def test_it_rejects_anything_but_five_fields(self, expression: str) -> None:
        with pytest.raises(InvalidSchedule, match=r"^Cron expression must have exactly 5 fields$"):
            check(cron(expression), NOW)

    @pytest.mark.parametrize(
        ("expression", "message"),
        [
            ("60 * * * *", "Bad minute: 60 is not in 0-59"),
            ("* 24 * * *", "Bad hour: 24 is not in 0-23"),
            ("* * 0 * *", "Bad day-of-month: 0 is not in 1-31"),
            ("* * 32 * *", "Bad day-of-month: 32 is not in 1-31"),
            ("* * * 0 *", "Bad month: 0 is not in 1-12"),
            ("* * * 13 *", "Bad month: 13 is not in 1-12"),
            ("* * * * 8", "Bad day-of-week: 8 is not in 0-7"),
            ("0-60 * * * *", "Bad minute: 60 is not in 0-59"),
            ("*/0 * * * *", "Bad minute: the step of */0 must be at least 1"),
            ("1-5/0 * * * *", "Bad minute: the step of 1-5/0 must be at least 1"),
            ("10-5 * * * *", "Bad minute: the range 10-5 runs backwards"),
            ("* * * * FRI-MON", "Bad day-of-week: the range FRI-MON runs backwards"),
            ("* * * DEC-JAN *", "Bad month: the range DEC-JAN runs backwards"),
            ("5/15 * * * *", "Bad minute: the step of 5/15 needs * or a range before it, as in 5-59/15"),
            ("MON * * * *", "Bad minute: 'MON' is not a number"),
            ("* * * monday *", "Bad month: 'monday' is not a number or a name"),
            ("* * * * monday", "Bad day-of-week: 'monday' is not a number or a name"),
            ("R * * * *", "Bad minute: 'R' is not a number"),
            ("H * * * *", "Bad minute: 'H' is not a number"),
            ("0 0 L * *", "Bad day-of-month: 'L' is not a number"),
            ("0 0 15W * *", "Bad day-of-month: '15W' is not a number"),
            ("0 0 ? * *", "Bad day-of-month: '?' is not *, a number, a range or a step"),
            ("0 0 * * 5#3", "Bad day-of-week: '5#3' is not *, a number, a range or a step"),
            ("0 0 * * L5", "Bad day-of-week: 'L5' is not a number or a name"),
            ("1,,2 * * * *", "Bad minute: '' is not *, a number, a range or a step"),
            ("-5 * * * *", "Bad minute: '-5' is not *, a number, a range or a step"),
            ("*-5 * * * *", "Bad minute: '*-5' is not *, a number, a range or a step"),
            ("1.5 * * * *", "Bad minute: '1.5' is not *, a number, a range or a step"),
            ("** * * * *", "Bad minute: '**' is not *, a number, a range or a step"),
            (
                "\u0663 * * * *",
                "Bad minute: '\u0663' is not *, a number, a range or a step",
            ),  # Arabic-Indic 3
            ("0\n * * * *", "Bad minute: '0\\n' is not *, a number, a range or a step"),
        ],
    )
    def test_it_names_the_field_that_is_wrong(self, expression: str, message: str) -> None:
        with pytest.raises(InvalidSchedule) as raised:
            check(cron(expression), NOW)
        assert raised.value.message == message
        assert raised.value.title == "Invalid cron expression"

    def test_it_rejects_more_than_256_characters(self) -> None:
        check(cron("0" * 248 + " * * * *"), NOW)
        with pytest.raises(InvalidSchedule, match="at most 256 characters"):
            check(cron("0" * 249 + " * * * *"), NOW)

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
        schedule = cron("0 2 * * *", "Asia/Tokyo", date(2026, 12, 31))
        assert CronSchedule.model_validate_json(schedule.model_dump_json()) == schedule


class TestNextFire:
    @pytest.mark.parametrize(
        ("expression", "zone", "after", "expected"),
        [
            # A fixed time in a repeated hour: the first of the two only.
            ("30 1 * * *", NEW_YORK, "2026-10-31 12:00", ["2026-11-01 05:30", "2026-11-02 06:30"]),
            ("30 1 * * *", NEW_YORK, "2026-11-01 06:10", ["2026-11-02 06:30"]),  # started within the second
            ("30 1 * * *", "Europe/London", "2026-10-24 12:00", ["2026-10-25 00:30", "2026-10-26 01:30"]),
            ("30 2 * * *", "Africa/Casablanca", "2026-02-14 12:00", ["2026-02-15 01:30", "2026-02-16 02:30"]),
            ("45 1 * * *", LORD_HOWE, "2026-04-04 00:00", ["2026-04-04 14:45", "2026-04-05 15:15"]),
            ("0 0 * * *", "Atlantic/Azores", "2026-10-24 12:00", ["2026-10-25 00:00", "2026-10-26 01:00"]),
            # A wildcard in a gap: nothing, and nothing extra after it.
            ("*/20 2 * * *", NEW_YORK, "2026-03-07 12:00", ["2026-03-09 06:00", "2026-03-09 06:20"]),
            ("0 */2 * * *", NEW_YORK, "2026-03-08 05:00", ["2026-03-08 08:00", "2026-03-08 10:00"]),
            # A fixed time in a gap: once, right after it, however many times it skipped.
            ("30 2 * * *", NEW_YORK, "2026-03-07 12:00", ["2026-03-08 07:00", "2026-03-09 06:30"]),
            ("0,30 2 * * *", NEW_YORK, "2026-03-08 00:00", ["2026-03-08 07:00", "2026-03-09 06:00"]),
            ("30 2,3 * * *", NEW_YORK, "2026-03-08 00:00", ["2026-03-08 07:00", "2026-03-08 07:30"]),
            ("0 0 * * *", "Africa/Cairo", "2026-04-23 12:00", ["2026-04-23 22:00", "2026-04-24 21:00"]),
            ("0 0 * * *", "America/Santiago", "2026-09-05 12:00", ["2026-09-06 04:00", "2026-09-07 03:00"]),
            ("0 0 * * *", "America/Asuncion", "2024-10-05 12:00", ["2024-10-06 04:00", "2024-10-07 03:00"]),
            # A gap of half an hour.
            ("47 * * * *", LORD_HOWE, "2026-10-03 15:00", ["2026-10-03 15:17", "2026-10-03 15:47", "2026-10-03 16:47"]),
            ("* */4 * * *", LORD_HOWE, "2026-10-03 14:28", ["2026-10-03 14:29", "2026-10-03 17:00", "2026-10-03 17:01"]),
            # Wildcards keep their rhythm through a repeated hour.
            ("*/30 * * * *", "Europe/London", "2026-10-25 00:00", ["2026-10-25 00:30", "2026-10-25 01:00", "2026-10-25 01:30"]),
            ("*/20 1 * * *", NEW_YORK, "2026-11-01 05:30", ["2026-11-01 05:40", "2026-11-01 06:00", "2026-11-01 06:20"]),
            # A change of a day is a correction: 30 December 2011 was left out in Samoa.
            ("30 2 30 12 *", "Pacific/Apia", "2011-06-01 00:00", ["2012-12-29 12:30"]),
            # So are three hours forward, but three hours back are not (cron.c counts from the minute before).
            ("30 2 * * *", "Antarctica/Casey", "2009-10-17 00:00", ["2009-10-18 15:30"]),
            ("30 23 * * *", "Antarctica/Casey", "2010-03-04 00:00", ["2010-03-04 12:30", "2010-03-05 15:30"]),
            # No changes.
            ("0 2 * * *", "Asia/Tokyo", "2026-03-07 17:00", ["2026-03-08 17:00"]),
            # A range of one is that one, not the whole cycle.
            ("0 9-9 * * 1-5", "UTC", "2026-11-20 08:00", ["2026-11-20 09:00", "2026-11-23 09:00"]),
            ("0 0 1 3-3 *", "UTC", "2026-11-20 08:00", ["2027-03-01 00:00", "2028-03-01 00:00"]),
            # A step from * in a day field: both day fields must match. Otherwise either one.
            ("0 0 */2 * 1", "UTC", "2026-01-01 00:00", ["2026-01-05 00:00", "2026-01-19 00:00", "2026-02-09 00:00"]),
            ("0 0 13 * 5", "UTC", "2026-11-01 00:00", ["2026-11-06 00:00", "2026-11-13 00:00", "2026-11-20 00:00"]),
            # Sunday is 0 and 7.
            ("0 0 * * 7", "UTC", "2026-11-21 00:00", ["2026-11-22 00:00", "2026-11-29 00:00"]),
            ("0 0 * * 4-7/2", "UTC", "2026-11-21 00:00", ["2026-11-26 00:00", "2026-11-28 00:00"]),
            # The rarest days.
            ("0 0 29 2 *", "UTC", "2026-11-21 00:00", ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"]),
            ("0 0 29 2 *", "UTC", "2096-03-01 00:00", ["2104-02-29 00:00"]),
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


class TestDescribe:
    @pytest.mark.parametrize(
        ("expression", "words"),
        [
            ("* * * * *", "Every minute"),
            ("*/1 * * * *", "Every minute"),
            ("*/5 * * * *", "Every 5 minutes"),
            ("*/15 9-17 * * 1-5", "Every 15 minutes from 09:00 AM through 05:59 PM on Monday through Friday"),
            ("*/20 1,3,5 * * *", "Every 20 minutes past hours 1, 3 and 5"),
            ("* 5 * * *", "Every minute from 05:00 AM through 05:59 AM"),
            ("0 * * * *", "Every hour"),
            ("30 * * * *", "At minute 30 past every hour"),
            ("0 */2 * * *", "Every 2 hours"),
            ("30 */6 * * *", "Every 6 hours at minute 30"),
            ("0 2 * * *", "At 02:00 AM every day"),
            ("0 9,17 * * *", "At 09:00 AM and 05:00 PM every day"),
            ("0 9 * * 1-5", "At 09:00 AM on Monday through Friday"),
            ("0 9 * * MON", "At 09:00 AM on Monday"),
            ("0 8 * * sat,sun", "At 08:00 AM on Sunday and Saturday"),
            ("0 0 1 * *", "At 12:00 AM on day 1 of every month"),
            ("0 0 1,15 * *", "At 12:00 AM on days 1 and 15 of every month"),
            ("0 0 1 1 *", "At 12:00 AM on day 1 of January"),
            ("0 0 * 1,4,7,10 *", "At 12:00 AM every day in January, April, July and October"),
            ("0 0 13 * 5", "At 12:00 AM on day 13 of every month or on Friday"),
            ("0 0 13 3 5", "At 12:00 AM on day 13 of March or on Friday in March"),
            ("0 0 */10 * 1", "At 12:00 AM on days 1, 11, 21 and 31 of every month if it is Monday"),
            ("0 0 1-31 * 1", "At 12:00 AM every day"),
            ("*/25 * * * *", "At minutes 0, 25 and 50 past every hour"),
            ("5,10-20 1,3 * 6 *", "At minutes 5 and 10 through 20 past hours 1 and 3 every day in June"),
        ],
    )
    def test_it_reads_the_expression_aloud(self, expression: str, words: str) -> None:
        assert describe(expression) == words

    def test_it_refuses_what_it_cannot_read(self) -> None:
        with pytest.raises(InvalidSchedule, match="Bad hour"):
            describe("0 25 * * *")
