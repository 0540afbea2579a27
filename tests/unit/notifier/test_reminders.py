"""When reminders are due, and for which jobs."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.reminders import DAYS_AHEAD, ending_jobs, newest_monday
from shared.domain.job import Job
from shared.domain.schedule import CronSchedule
from tests.fixtures.builders import make_job

TOKYO = ZoneInfo("Asia/Tokyo")
NINE = datetime(2026, 11, 23, 9, tzinfo=TOKYO)
"""A Monday."""
MICROSECOND = timedelta(microseconds=1)
ZONES = ["Asia/Tokyo", "UTC", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin"]


def ending(last_day: date | None, *, timezone: str = "Asia/Tokyo", **overrides: object) -> Job:
    schedule = CronSchedule(expression="0 9 * * *", timezone=timezone, end_date=last_day)
    return make_job(schedule=schedule, created_at=NINE - timedelta(days=5), **overrides)


def days_left(job: Job, now: datetime = NINE) -> list[int]:
    return [left for _, left in ending_jobs([job], NINE, now)]


@pytest.mark.parametrize(
    ("now", "monday"),
    [
        (NINE, NINE),
        (NINE - MICROSECOND, NINE - timedelta(days=7)),
        (NINE + timedelta(days=3), NINE),
        (NINE + timedelta(days=7) - MICROSECOND, NINE),
        (NINE + timedelta(days=7), NINE + timedelta(days=7)),
        (datetime(2026, 11, 22, 23, 59, tzinfo=UTC), NINE - timedelta(days=7)),
        (datetime(2026, 11, 23, 0, 0, tzinfo=UTC), NINE),
    ],
)
def test_the_newest_monday_is_the_last_one_at_nine(now: datetime, monday: datetime) -> None:
    assert newest_monday(now, TOKYO) == monday


@given(
    st.datetimes(datetime(2000, 1, 10), datetime(2060, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 # hypothesis wants naive bounds
    st.sampled_from(ZONES),
)
def test_whenever_and_wherever_it_is_a_monday_at_nine_within_the_last_week(now: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    monday = newest_monday(now, zone)
    local = monday.astimezone(zone)
    assert (local.weekday(), local.hour, local.minute, local.second) == (0, 9, 0, 0)
    # A week in which the clock is turned back has an hour more.
    assert timedelta(0) <= now - monday < timedelta(days=7, hours=1)


@pytest.mark.parametrize(
    ("ahead", "left"), [(-1, []), (0, [0]), (1, [1]), (DAYS_AHEAD, [DAYS_AHEAD]), (DAYS_AHEAD + 1, [])]
)
def test_the_next_thirty_days_count(ahead: int, left: list[int]) -> None:
    assert days_left(ending(NINE.date() + timedelta(days=ahead))) == left


def test_a_job_goes_by_its_own_calendar() -> None:
    # At nine in Tokyo it is still Sunday in New York.
    assert days_left(ending(date(2026, 11, 22), timezone="America/New_York")) == [0]
    assert days_left(ending(date(2026, 11, 22), timezone="Asia/Tokyo")) == []


def test_late_reminders_count_from_the_day_on_which_they_are_told() -> None:
    job = ending(date(2026, 11, 25))
    assert days_left(job, NINE + timedelta(days=2)) == [0]
    assert days_left(job, NINE + timedelta(days=3)) == []


def test_paused_endless_and_new_jobs_are_left_out() -> None:
    soon = NINE.date() + timedelta(days=3)
    assert days_left(ending(soon, is_active=False)) == []
    assert days_left(ending(None)) == []
    new = ending(soon).model_copy(update={"created_at": NINE + MICROSECOND})
    assert days_left(new, NINE + timedelta(days=1)) == []
