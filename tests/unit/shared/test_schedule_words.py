"""How schedules read."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from shared.domain.schedule import (
    CronSchedule,
    Exclusion,
    IntervalSchedule,
    InvalidSchedule,
    OneShotSchedule,
    describe,
    describe_schedule,
)
from tests.unit.shared.schedules import calendar_use

WINTER = Exclusion(begin=datetime(2026, 12, 24), end=datetime(2026, 12, 27))  # noqa: DTZ001 - local time


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

    @pytest.mark.parametrize(
        ("expression", "words"),
        [
            ("@daily", "At 12:00 AM every day"),
            ("@hourly", "Every hour"),
            ("0 9 L * *", "At 09:00 AM on the last day of every month"),
            ("0 9 1,15,L * *", "At 09:00 AM on days 1 and 15 and the last day of every month"),
            ("0 9 L 2 *", "At 09:00 AM on the last day of February"),
            ("0 9 * * FRIL", "At 09:00 AM on the last Friday of every month"),
            ("0 9 * * 5#3", "At 09:00 AM on the third Friday of every month"),
            ("0 9 * 3,6 MON#1", "At 09:00 AM on the first Monday in March and June"),
            (
                "0 9 * * 1,FRI#2,5L",
                "At 09:00 AM on Monday, the second Friday and the last Friday of every month",
            ),
            ("0 9 13 * 5L", "At 09:00 AM on day 13 of every month or on the last Friday"),
        ],
    )
    def test_it_knows_more_than_crontab(self, expression: str, words: str) -> None:
        assert describe(expression) == words

    @pytest.mark.parametrize(
        ("expression", "words"),
        [
            ("0 */5 * * * *", "Every 5 minutes"),
            ("* * * * * *", "Every second"),
            ("*/10 * * * * *", "Every 10 seconds"),
            ("30 * * * * *", "At second 30 of every minute"),
            (
                "*/10 * 9-17 * * 1-5",
                "Every 10 seconds from 09:00 AM through 05:59 PM on Monday through Friday",
            ),
            ("30 0 9 * * *", "At 09:00:30 AM every day"),
            ("0,30 0 9 * * 1", "At 09:00:00 AM and 09:00:30 AM on Monday"),
            ("*/5 0 9 * * *", "Every 5 seconds of the minute at 09:00 AM every day"),
            ("*/5 0 * * * *", "Every 5 seconds, at minute 0 past every hour"),
            ("30 */5 * * * *", "At second 30, every 5 minutes"),
            ("15,45 10,20 * * * *", "At seconds 15 and 45, at minutes 10 and 20 past every hour"),
        ],
    )
    def test_it_tells_seconds(self, expression: str, words: str) -> None:
        assert describe(expression, seconds=True) == words

    def test_it_refuses_what_it_cannot_read(self) -> None:
        with pytest.raises(InvalidSchedule, match="Bad hour"):
            describe("0 25 * * *")


class TestDescribeSchedule:
    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (1, "Every second"),
            (60, "Every minute"),
            (90, "Every 90 seconds"),
            (5400, "Every 90 minutes"),
            (7200, "Every 2 hours"),
            (86_400, "Every day"),
            (604_800, "Every 7 days"),
        ],
    )
    def test_an_interval(self, seconds: int, words: str) -> None:
        anchor = datetime(2026, 12, 1, tzinfo=UTC)
        schedule = IntervalSchedule(timezone="UTC", every_seconds=seconds, anchor=anchor)
        assert describe_schedule(schedule) == words

    @pytest.mark.parametrize(
        ("second", "words"), [(0, "Once, on 2026-12-01 at 09:00"), (30, "Once, on 2026-12-01 at 09:00:30")]
    )
    def test_a_single_run_in_its_zones_time(self, second: int, words: str) -> None:
        at = datetime(2026, 12, 1, 0, 0, second, tzinfo=UTC)
        assert describe_schedule(OneShotSchedule(timezone="Asia/Tokyo", at=at)) == words

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({}, ""),
            ({"gap": "debian", "fold": "debian"}, ""),
            ({"start_at": datetime(2026, 12, 1, tzinfo=UTC)}, ", from 2026-12-01 09:00 on"),
            ({"end_date": date(2026, 12, 31)}, ", through 2026-12-31"),
            ({"jitter_seconds": 300}, ", spread over 5 minutes"),
            ({"exclusions": [WINTER]}, ", except from 2026-12-24 00:00 to 2026-12-27 00:00"),
            ({"exclusions": [WINTER] * 2}, ", except in 2 stretches of time"),
            ({"calendars": [calendar_use([WINTER])]}, ", except as freeze says"),
            (
                {"exclusions": [WINTER] * 2, "calendars": [calendar_use([])] * 2},
                ", except in 2 stretches of time and as freeze and freeze say",
            ),
            ({"gap": "skip"}, ", times that the clock skips do not run"),
            (
                {"gap": "run", "fold": "last"},
                ", times that the clock skips run once, right after it, times that come twice run the second time only",
            ),
        ],
    )
    def test_what_is_asked_for_beside_the_rhythm(self, more: dict[str, Any], words: str) -> None:
        schedule = CronSchedule.model_validate({"expression": "0 9 * * *", "timezone": "Asia/Tokyo", **more})
        assert describe_schedule(schedule) == "At 09:00 AM every day" + words

    def test_seconds(self) -> None:
        schedule = CronSchedule(expression="*/10 * * * * *", seconds=True, timezone="UTC")
        assert describe_schedule(schedule) == "Every 10 seconds"
