"""What a cron expression may say, and how it is told what is wrong with it."""

import pytest

from shared.domain.schedule import CronSchedule, InvalidSchedule, check, check_classic
from tests.unit.shared.walks import cron, fires, utc

NOW = utc("2026-11-21 12:00")


class TestClassic:
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
        check_classic(expression)
        check(cron(expression, "Asia/Tokyo"), NOW)

    @pytest.mark.parametrize(
        "expression",
        ["", "*", "* * * *", "* * * * * *", "0 0 1 1 * 0 2099", "@daily", "@every 5m"],
    )
    def test_it_rejects_anything_but_five_fields(self, expression: str) -> None:
        with pytest.raises(InvalidSchedule, match=r"^Cron expression must have exactly 5 fields$"):
            check_classic(expression)

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
            check_classic(expression)
        assert raised.value.message == message
        assert raised.value.title == "Invalid cron expression"

    def test_it_rejects_more_than_256_characters(self) -> None:
        check_classic("0" * 248 + " * * * *")
        with pytest.raises(InvalidSchedule, match="at most 256 characters"):
            check_classic("0" * 249 + " * * * *")


def refusal(expression: str, *, seconds: bool = False) -> str:
    with pytest.raises(InvalidSchedule) as raised:
        check(CronSchedule(expression=expression, seconds=seconds, timezone="UTC"), NOW)
    assert raised.value.title == "Invalid cron expression"
    return raised.value.message


class TestForms:
    @pytest.mark.parametrize(
        ("form", "expression"),
        [
            ("@yearly", "0 0 1 1 *"),
            ("@annually", "0 0 1 1 *"),
            ("@monthly", "0 0 1 * *"),
            ("@weekly", "0 0 * * 0"),
            ("@daily", "0 0 * * *"),
            ("@midnight", "0 0 * * *"),
            ("@hourly", "0 * * * *"),
            (" @Daily\t", "0 0 * * *"),
        ],
    )
    def test_each_stands_for_five_fields(self, form: str, expression: str) -> None:
        check(cron(form), NOW)
        assert fires(cron(form), "2026-11-21 12:00", 5) == fires(cron(expression), "2026-11-21 12:00", 5)

    @pytest.mark.parametrize("form", ["@reboot", "@every_minute", "@", "@@daily", "@weekday"])
    def test_there_are_no_others(self, form: str) -> None:
        known = "@yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly"
        assert refusal(form) == f"Unknown form {form!r}: there are {known}"


class TestSeconds:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("*/20 * * * * *", ["12:00:20", "12:00:40", "12:01:00"]),
            ("5,59 0 13 * * *", ["13:00:05", "13:00:59"]),
            ("30 15 * * * *", ["12:15:30", "13:15:30"]),
            ("58-59 59 23 21 11 *", ["23:59:58", "23:59:59"]),
        ],
    )
    def test_they_come_first(self, expression: str, expected: list[str]) -> None:
        schedule = CronSchedule(expression=expression, seconds=True, timezone="UTC")
        check(schedule, NOW)
        found = fires(schedule, "2026-11-21 12:00", len(expected))
        assert found == [utc(f"2026-11-21 {text}") for text in expected]

    def test_six_fields_must_be_asked_for(self) -> None:
        assert refusal("0 0 9 * * *") == (
            "Cron expression must have exactly 5 fields; 6 fields, seconds first, need seconds to be true"
        )

    @pytest.mark.parametrize("expression", ["0 9 * * *", "@daily", "0 0 9 * * * 2027"])
    def test_they_may_not_be_left_out_where_they_are_asked_for(self, expression: str) -> None:
        message = "Cron expression with seconds must have exactly 6 fields, seconds first"
        assert refusal(expression, seconds=True) == message

    def test_the_field_is_named(self) -> None:
        assert refusal("60 0 9 * * *", seconds=True) == "Bad second: 60 is not in 0-59"
        assert refusal("L 0 9 * * *", seconds=True) == "Bad second: 'L' is not a number"


class TestLastAndNumberedDays:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("0 0 L * *", ["2026-11-30", "2026-12-31", "2027-01-31", "2027-02-28"]),
            ("0 0 l 2 *", ["2027-02-28", "2028-02-29"]),
            ("0 0 15,L * *", ["2026-11-30", "2026-12-15", "2026-12-31"]),
            ("0 0 30-31,L 2,11 *", ["2026-11-30", "2027-02-28", "2027-11-30"]),
            ("0 0 * * 5L", ["2026-11-27", "2026-12-25", "2027-01-29"]),
            ("0 0 * * FRIL", ["2026-11-27", "2026-12-25", "2027-01-29"]),
            ("0 0 * * fril", ["2026-11-27", "2026-12-25", "2027-01-29"]),
            ("0 0 * * L5", ["2026-11-27", "2026-12-25", "2027-01-29"]),
            ("0 0 * * 7L", ["2026-11-29", "2026-12-27", "2027-01-31"]),
            ("0 0 * * 5#3", ["2026-12-18", "2027-01-15", "2027-02-19"]),
            ("0 0 * * MON#1", ["2026-12-07", "2027-01-04", "2027-02-01"]),
            ("0 0 * * FRI#5", ["2027-01-29", "2027-04-30", "2027-07-30"]),
            ("0 0 * * 7#1,0#3", ["2026-12-06", "2026-12-20", "2027-01-03"]),
            ("0 0 * * 1#1,WEDL,4", ["2026-11-25", "2026-11-26", "2026-12-03", "2026-12-07"]),
            ("0 0 L * 5L", ["2026-11-27", "2026-11-30", "2026-12-25", "2026-12-31"]),  # either one
            ("0 0 */2 * 5L", ["2026-11-27", "2026-12-25", "2027-01-29"]),  # both
            ("0 0 1-7 * 1#1", ["2026-12-01", "2026-12-02", "2026-12-03"]),  # either one
            ("0 0 * 2 MON#5", ["2044-02-29", "2072-02-29", "2112-02-29"]),
        ],
    )
    def test_they_follow_the_month(self, expression: str, expected: list[str]) -> None:
        check(cron(expression), NOW)
        found = fires(cron(expression), "2026-11-21 12:00", len(expected))
        assert [f"{instant:%Y-%m-%d}" for instant in found] == expected

    @pytest.mark.parametrize(
        ("expression", "message"),
        [
            ("0 0 * * L", "Bad day-of-week: L needs a weekday before it, as in 5L"),
            ("0 0 * * 5#6", "Bad day-of-week: 5#6 must name the first to the fifth, as in 5#3"),
            ("0 0 * * 5#0", "Bad day-of-week: 5#0 must name the first to the fifth, as in 5#3"),
            ("0 0 * * 8#1", "Bad day-of-week: 8 is not in 0-7"),
            ("0 0 * * 8L", "Bad day-of-week: 8 is not in 0-7"),
            ("0 0 * * FRY#1", "Bad day-of-week: 'FRY' is not a number or a name"),
            ("0 0 * * 1-5#2", "Bad day-of-week: '1-5#2' is not *, a number, a range or a step"),
            ("0 0 * * 1-5L", "Bad day-of-week: '5L' is not a number or a name"),
            ("0 0 L-3 * *", "Bad day-of-month: 'L' is not a number"),
            ("0 0 LW * *", "Bad day-of-month: 'LW' is not a number"),
            ("0 0 5#2 * *", "Bad day-of-month: '5#2' is not *, a number, a range or a step"),
            ("0 0 * L *", "Bad month: 'L' is not a number or a name"),
            ("0 L * * *", "Bad hour: 'L' is not a number"),
        ],
    )
    def test_they_stand_where_they_mean_something(self, expression: str, message: str) -> None:
        assert refusal(expression) == message
