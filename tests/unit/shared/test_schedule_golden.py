"""Where libraries that read cron expressions differ from Debian cron, and what is right here: a row for each."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.schedule import InvalidSchedule, check, count_fires
from tests.unit.shared.walks import cron, fires, utc

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NEW_YORK, LONDON = "America/New_York", "Europe/London"
LORD_HOWE, CASABLANCA = "Australia/Lord_Howe", "Africa/Casablanca"


def row(name: str, expression: str, zone: str, after: str, *expected: str) -> object:
    return pytest.param(expression, zone, after, expected, id=name)


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        # A fixed time in a repeated hour: the first of the two only.
        row("fixed-repeated-new-york", "30 1 * * *", NEW_YORK, "2026-10-31 12:00", "2026-11-01 05:30", "2026-11-02 06:30"),
        row("fixed-repeated-london", "30 1 * * *", LONDON, "2026-10-24 12:00", "2026-10-25 00:30", "2026-10-26 01:30"),
        row("fixed-repeated-casablanca", "30 2 * * *", CASABLANCA, "2026-02-14 12:00", "2026-02-15 01:30", "2026-02-16 02:30"),
        row("fixed-repeated-half-hour", "45 1 * * *", LORD_HOWE, "2026-04-04 00:00", "2026-04-04 14:45", "2026-04-05 15:15"),
        row("fixed-repeated-midnight", "0 0 * * *", "Atlantic/Azores", "2026-10-24 12:00", "2026-10-25 00:00", "2026-10-26 01:00"),
        row("fixed-repeated-started-within", "30 1 * * *", NEW_YORK, "2026-11-01 06:10", "2026-11-02 06:30"),
        # A wildcard in a gap: nothing, and nothing extra after it.
        row("wildcard-minute-in-gap", "*/20 2 * * *", NEW_YORK, "2026-03-07 12:00", "2026-03-09 06:00", "2026-03-09 06:20"),
        row("wildcard-hour-in-gap", "0 */2 * * *", NEW_YORK, "2026-03-08 05:00", "2026-03-08 08:00", "2026-03-08 10:00"),
        # A fixed time in a gap: once, right after it, however many times it skipped.
        row("fixed-in-gap-new-york", "30 2 * * *", NEW_YORK, "2026-03-07 12:00", "2026-03-08 07:00", "2026-03-09 06:30"),
        row("fixed-in-gap-twice", "0,30 2 * * *", NEW_YORK, "2026-03-08 00:00", "2026-03-08 07:00", "2026-03-09 06:00"),
        row("fixed-in-and-after-gap", "30 2,3 * * *", NEW_YORK, "2026-03-08 00:00", "2026-03-08 07:00", "2026-03-08 07:30"),
        row("midnight-in-gap-cairo", "0 0 * * *", "Africa/Cairo", "2026-04-23 12:00", "2026-04-23 22:00", "2026-04-24 21:00"),
        row("midnight-in-gap-santiago", "0 0 * * *", "America/Santiago", "2026-09-05 12:00", "2026-09-06 04:00", "2026-09-07 03:00"),
        row("midnight-in-gap-asuncion", "0 0 * * *", "America/Asuncion", "2024-10-05 12:00", "2024-10-06 04:00", "2024-10-07 03:00"),
        # A gap of half an hour.
        row("hourly-after-half-hour-gap", "47 * * * *", LORD_HOWE, "2026-10-03 15:00", "2026-10-03 15:17", "2026-10-03 15:47", "2026-10-03 16:47"),
        row("every-minute-after-half-hour-gap", "* */4 * * *", LORD_HOWE, "2026-10-03 14:28", "2026-10-03 14:29", "2026-10-03 17:00", "2026-10-03 17:01"),
        # Wildcards keep their rhythm through a repeated hour.
        row("wildcard-half-hours-repeated", "*/30 * * * *", LONDON, "2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 01:00", "2026-10-25 01:30"),
        row("wildcard-minute-repeated", "*/20 1 * * *", NEW_YORK, "2026-11-01 05:30", "2026-11-01 05:40", "2026-11-01 06:00", "2026-11-01 06:20"),
        row("hourly-repeated", "0 * * * *", CASABLANCA, "2026-02-15 00:30", "2026-02-15 01:00", "2026-02-15 02:00", "2026-02-15 03:00"),
        # A step from * in a day field: both day fields must match. Otherwise either one.
        row("step-in-both-day-fields", "0 0 */2 * 1", "UTC", "2026-01-01 00:00", "2026-01-05 00:00", "2026-01-19 00:00", "2026-02-09 00:00"),
        row("both-day-fields", "0 0 13 * 5", "UTC", "2026-11-01 00:00", "2026-11-06 00:00", "2026-11-13 00:00", "2026-11-20 00:00"),
        row("nth-weekday-and-day", "0 0 29 2 5#5", "UTC", "2026-11-21 00:00", "2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"),
        # A range of one is that one, not the whole cycle.
        row("range-of-one-hour", "0 9-9 * * 1-5", "UTC", "2026-11-20 08:00", "2026-11-20 09:00", "2026-11-23 09:00"),
        row("range-of-one-month", "0 0 1 3-3 *", "UTC", "2026-11-20 08:00", "2027-03-01 00:00", "2028-03-01 00:00"),
        # Last and numbered weekdays, the last day, names, and Sunday's two numbers.
        row("last-friday", "0 0 * * 5L", "UTC", "2026-11-21 00:00", "2026-11-27 00:00", "2026-12-25 00:00"),
        row("last-friday-by-name", "0 0 * * FRIL", "UTC", "2026-11-21 00:00", "2026-11-27 00:00", "2026-12-25 00:00"),
        row("last-friday-as-croniter-has-it", "0 0 * * L5", "UTC", "2026-11-21 00:00", "2026-11-27 00:00", "2026-12-25 00:00"),
        row("last-day", "0 0 L * *", "UTC", "2026-11-21 00:00", "2026-11-30 00:00", "2026-12-31 00:00", "2027-01-31 00:00", "2027-02-28 00:00"),
        row("third-friday", "0 0 * * 5#3", "UTC", "2026-11-21 00:00", "2026-12-18 00:00", "2027-01-15 00:00"),
        row("first-monday", "0 0 * * MON#1", "UTC", "2026-11-21 00:00", "2026-12-07 00:00", "2027-01-04 00:00"),
        row("sunday-is-seven", "0 0 * * 7", "UTC", "2026-11-21 00:00", "2026-11-22 00:00", "2026-11-29 00:00"),
        row("names", "0 0 1 jan,JUL *", "UTC", "2026-11-21 00:00", "2027-01-01 00:00", "2027-07-01 00:00"),
        row("29-february", "0 0 29 2 *", "UTC", "2026-11-21 00:00", "2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"),
        row("29-february-over-2100", "0 0 29 2 *", "UTC", "2096-03-01 00:00", "2104-02-29 00:00"),
        # The forms.
        row("daily", "@daily", "UTC", "2026-11-21 12:00", "2026-11-22 00:00"),
        row("midnight", "@midnight", "UTC", "2026-11-21 12:00", "2026-11-22 00:00"),
        row("hourly", "@hourly", "UTC", "2026-11-21 12:00", "2026-11-21 13:00"),
        row("hourly-is-a-wildcard", "@hourly", NEW_YORK, "2026-11-01 04:30", "2026-11-01 05:00", "2026-11-01 06:00", "2026-11-01 07:00"),
        row("yearly", "@yearly", "UTC", "2026-11-21 12:00", "2027-01-01 00:00"),
    ],
)  # fmt: skip
def test_it_fires_when_debian_cron_would(
    expression: str, zone: str, after: str, expected: tuple[str, ...]
) -> None:
    assert fires(cron(expression, zone), after, len(expected)) == [utc(text) for text in expected]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("10-5 * * * *", "the range 10-5 runs backwards", id="backward-range"),
        pytest.param("0 0 * * FRI-MON", "the range FRI-MON runs backwards", id="backward-range-of-names"),
        pytest.param("*/5 * * * * *", "seconds first, need seconds to be true", id="six-fields"),
        pytest.param("0 0 1 1 * 0 2099", "exactly 5 fields", id="seven-fields"),
        pytest.param("R * * * *", "'R' is not a number", id="random"),
        pytest.param("H * * * *", "'H' is not a number", id="hashed"),
        pytest.param("0 0 ? * *", "is not *, a number, a range or a step", id="question-mark"),
        pytest.param("0 0 15W * *", "'15W' is not a number", id="nearest-weekday"),
        pytest.param("@reboot", "Unknown form '@reboot'", id="reboot"),
        pytest.param("@every 5m", "exactly 5 fields", id="every"),
        pytest.param("0 0 31 2 *", "never fires", id="31-february"),
        pytest.param("0 0 30 2 *", "never fires", id="30-february"),
        pytest.param("0 0 31 4,6,9,11 *", "never fires", id="31-of-short-months"),
        pytest.param(",".join("0" * 2000) + " * * * *", "at most 256 characters", id="long-list"),
    ],
)
def test_it_refuses_what_debian_cron_does_not_run(expression: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as raised:
        check(cron(expression), NOW)
    assert message in raised.value.message


@pytest.mark.parametrize("expression", ["* * * * *", "*/30 * * * *", "0 * * * *"])
@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        pytest.param(NEW_YORK, "2026-03-08 05:00", 23, id="new-york-forward"),
        pytest.param(NEW_YORK, "2026-11-01 04:00", 25, id="new-york-back"),
        pytest.param(LONDON, "2026-03-29 00:00", 23, id="london-forward"),
        pytest.param(LONDON, "2026-10-24 23:00", 25, id="london-back"),
        pytest.param(CASABLANCA, "2026-02-14 23:00", 25, id="casablanca-back"),
        pytest.param("Asia/Tokyo", "2026-11-20 15:00", 24, id="tokyo"),
    ],
)
def test_a_rhythm_goes_on_evenly_through_the_day(expression: str, zone: str, day: str, hours: int) -> None:
    gap = {"* * * * *": 1, "*/30 * * * *": 30, "0 * * * *": 60}[expression]
    begin, count = utc(day), hours * 60 // gap
    expected = [begin + timedelta(minutes=gap * n) for n in range(count)]
    schedule = cron(expression, zone)
    assert fires(schedule, f"{begin - timedelta(minutes=1):%Y-%m-%d %H:%M}", count) == expected
    assert count_fires(schedule, begin - timedelta(minutes=1), expected[-1]) == count


def test_six_fields_begin_with_seconds_where_that_is_asked_for() -> None:
    schedule = cron("*/5 * * * * *").model_copy(update={"seconds": True})
    assert fires(schedule, "2026-11-21 12:00:57", 2) == [
        utc("2026-11-21 12:01:00"),
        utc("2026-11-21 12:01:05"),
    ]
