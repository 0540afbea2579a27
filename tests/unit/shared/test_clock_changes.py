"""When a zone's clock changes next."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.schedule import ClockChange, next_clock_change

HOUR = timedelta(hours=1)
SPRING = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago"]


def test_it_is_the_first_one_strictly_later() -> None:
    spring, autumn = ClockChange(SPRING, HOUR, 2 * HOUR), ClockChange(AUTUMN, 2 * HOUR, HOUR)
    moment = timedelta(microseconds=1)
    found = [
        next_clock_change("Europe/Berlin", at) for at in (SPRING - moment, SPRING, AUTUMN - moment, AUTUMN)
    ]
    assert found[:3] == [spring, autumn, autumn]
    assert found[3] == ClockChange(datetime(2027, 3, 28, 1, 0, tzinfo=UTC), HOUR, 2 * HOUR)
    assert (spring.is_forward, autumn.is_forward) == (True, False)


def test_a_day_that_a_zone_left_out_is_a_correction() -> None:
    change = next_clock_change("Pacific/Apia", datetime(2011, 12, 1, tzinfo=UTC))
    assert change is not None
    assert (change.at, change.is_correction) == (datetime(2011, 12, 30, 10, 0, tzinfo=UTC), True)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_zone_may_have_none(zone: str) -> None:
    assert next_clock_change(zone, SPRING) is None


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        next_clock_change("UTC", datetime(2026, 1, 1))  # noqa: DTZ001 # that is the point


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 # UTC
)
def test_the_offsets_are_the_zones_on_both_sides_and_constant_until_then(zone: str, after: datetime) -> None:
    def offset(at: datetime) -> timedelta | None:
        return at.astimezone(ZoneInfo(zone)).utcoffset()

    change = next_clock_change(zone, after)
    if change is None:
        assert {offset(after + timedelta(days=days)) for days in range(366)} == {offset(after)}
        return
    assert change.at > after
    assert offset(change.at) == change.after
    assert offset(change.at - timedelta(seconds=1)) == offset(after) == change.before
