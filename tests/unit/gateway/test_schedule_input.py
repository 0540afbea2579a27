"""From what people give of a schedule to the schedule that is meant."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.schedule_input import changed_schedule, instant_of, new_schedule
from shared.domain.schedule import (
    CronSchedule,
    Exclusion,
    IntervalSchedule,
    InvalidSchedule,
    OneShotSchedule,
    Schedule,
)

NOW = datetime(2026, 11, 21, 12, 0, 0, 654_321, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Tokyo"]
NIGHTLY = CronSchedule(
    expression="0 0 2 * * *",
    seconds=True,
    gap="skip",
    fold="both",
    timezone="Asia/Tokyo",
    end_date=date(2027, 1, 1),
    jitter_seconds=60,
)
EVERY_MINUTE = IntervalSchedule(every_seconds=60, anchor=NOW.replace(microsecond=0), timezone="UTC")


def new(**given: Any) -> Schedule:
    return new_schedule(given, "Asia/Tokyo", NOW)


def changed(before: Schedule, **given: Any) -> Schedule:
    return changed_schedule(before, given, LATER)


def local(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 # it is meant to have no zone


class TestNew:
    def test_an_expression_is_a_cron_schedule_in_the_installations_zone(self) -> None:
        expected = CronSchedule(expression="0 2 * * *", timezone="Asia/Tokyo")
        assert new(cron_expression="0 2 * * *") == new(expression="0 2 * * *") == expected

    @pytest.mark.parametrize("expression", ["@daily", "0 0 2 * * *", "0 0 L * *", "0 0 * * 5#3", "0 2 * *"])
    def test_as_a_field_of_its_own_it_has_five_classic_fields(self, expression: str) -> None:
        with pytest.raises(InvalidSchedule) as raised:
            new(cron_expression=expression)
        assert raised.value.title == "Invalid cron expression"

    def test_an_interval_counts_from_the_whole_second_in_which_it_is_made(self) -> None:
        assert new(kind="interval", every_seconds=90) == IntervalSchedule(
            every_seconds=90, anchor=datetime(2026, 11, 21, 12, tzinfo=UTC), timezone="Asia/Tokyo"
        )

    def test_local_times_are_those_of_its_zone(self) -> None:
        made = new(
            kind="once", at=local(2026, 12, 1, 9), start_at=local(2026, 11, 30), timezone="Europe/Berlin"
        )
        assert made == OneShotSchedule(
            at=datetime(2026, 12, 1, 8, tzinfo=UTC),
            start_at=datetime(2026, 11, 29, 23, tzinfo=UTC),
            timezone="Europe/Berlin",
        )

    def test_exclusions_are_put_in_order(self) -> None:
        first = Exclusion(begin=local(2026, 12, 1), end=local(2026, 12, 2))
        second = Exclusion(begin=local(2026, 12, 24), end=local(2026, 12, 25))
        assert new(expression="* * * * *", exclusions=(second, first)).exclusions == (first, second)

    @pytest.mark.parametrize("zone", ["Mars/Base", "../../etc/passwd", "", "localtime"])
    def test_a_zone_that_is_none_is_refused(self, zone: str) -> None:
        with pytest.raises(InvalidSchedule) as raised:
            new(kind="once", at=local(2026, 12, 1), timezone=zone)
        assert raised.value.title == "Invalid time zone"

    @pytest.mark.parametrize("given", [{}, {"jitter_seconds": 60}, {"kind": "weekly"}])
    def test_it_needs_a_kind(self, given: dict[str, Any]) -> None:
        with pytest.raises(InvalidSchedule):
            new(**given)


class TestChanged:
    def test_what_is_not_given_stays(self) -> None:
        assert changed(NIGHTLY) == NIGHTLY
        assert changed(NIGHTLY, jitter_seconds=5) == NIGHTLY.model_copy(update={"jitter_seconds": 5})

    def test_another_expression_has_five_fields_and_keeps_the_rest_of_the_rule(self) -> None:
        expected = NIGHTLY.model_copy(update={"expression": "0 3 * * *", "seconds": False})
        assert changed(NIGHTLY, cron_expression="0 3 * * *") == expected
        assert changed(NIGHTLY, kind="cron", expression="0 3 * * *") == expected

    def test_the_same_expression_may_be_sent_back_whatever_it_is(self) -> None:
        assert changed(NIGHTLY, cron_expression=NIGHTLY.expression) == NIGHTLY

    def test_another_kind_keeps_what_all_kinds_have(self) -> None:
        assert changed(NIGHTLY, kind="interval", every_seconds=5) == IntervalSchedule(
            every_seconds=5,
            anchor=LATER.replace(microsecond=0),
            timezone="Asia/Tokyo",
            end_date=date(2027, 1, 1),
            jitter_seconds=60,
        )
        back = changed(EVERY_MINUTE, cron_expression="0 3 * * *")
        assert back == CronSchedule(expression="0 3 * * *", timezone="UTC")

    def test_an_interval_keeps_its_anchor(self) -> None:
        assert changed(EVERY_MINUTE, kind="interval", every_seconds=5) == EVERY_MINUTE.model_copy(
            update={"every_seconds": 5}
        )

    def test_null_takes_away_what_need_not_be(self) -> None:
        assert changed(NIGHTLY, end_date=None).end_date is None

    def test_instants_stay_in_another_zone(self) -> None:
        once = OneShotSchedule(at=LATER, start_at=NOW, timezone="Asia/Tokyo")
        moved = changed(once, timezone="Europe/Berlin")
        assert moved == once.model_copy(update={"timezone": "Europe/Berlin"})


class TestLocalTimes:
    @pytest.mark.parametrize(
        ("moment", "zone", "expected"),
        [
            (local(2026, 3, 29, 2, 30), "Europe/Berlin", "2026-03-29T01:00:00+00:00"),  # skipped
            (local(2026, 3, 29, 3, 0), "Europe/Berlin", "2026-03-29T01:00:00+00:00"),
            (local(2026, 10, 25, 2, 30), "Europe/Berlin", "2026-10-25T00:30:00+00:00"),  # twice
            (local(2026, 10, 4, 2, 10), "Australia/Lord_Howe", "2026-10-03T15:30:00+00:00"),
            (local(2011, 12, 30, 12, 0), "Pacific/Apia", "2011-12-30T10:00:00+00:00"),  # a whole day
            (local(2026, 12, 1, 9, 0), "Asia/Tokyo", "2026-12-01T00:00:00+00:00"),
        ],
    )
    def test_a_skipped_one_is_right_after_the_gap_and_of_two_the_first_counts(
        self, moment: datetime, zone: str, expected: str
    ) -> None:
        assert instant_of(moment, zone).isoformat() == expected

    @given(st.datetimes(local(1971, 1, 1), local(2037, 1, 1)), st.sampled_from(ZONES))
    def test_no_earlier_instant_reads_the_same_or_later(self, moment: datetime, zone: str) -> None:
        instant = instant_of(moment, zone)

        def reads(at: datetime) -> datetime:
            return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)

        assert reads(instant) >= moment
        assert reads(instant - timedelta(microseconds=1)) < moment

    @given(st.datetimes(local(1971, 1, 1), local(2037, 1, 1), timezones=st.timezones()))
    def test_one_with_an_offset_is_its_instant(self, moment: datetime) -> None:
        assert instant_of(moment, "Asia/Tokyo") == moment.astimezone(UTC)
