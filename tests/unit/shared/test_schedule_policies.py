"""What a schedule may ask for where the clock changes, compared with a clock that is looked at step by step."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import get_args

import pytest

from shared.domain.schedule import CronSchedule, FoldPolicy, GapPolicy, fires_between, next_fire
from tests.unit.shared.debian_cron import Entry, find_jobs, load_entry, look
from tests.unit.shared.plain_clock import Matches, Tick, keep, ticks
from tests.unit.shared.schedules import CHANGES
from tests.unit.shared.test_schedule_oracle import Window, expression, peculiar_windows

SEED = 20261121
CASES = 100  # of each pair of policies
SHORT = timedelta(hours=2)  # half a window in which each second is looked at
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
NEW_YORK = "America/New_York"
GAPS, FOLDS = get_args(GapPolicy), get_args(FoldPolicy)


@lru_cache(maxsize=128)
def minutes(window: Window) -> list[Tick]:
    return list(ticks(window.zone, window.begin, window.end, MINUTE))


@lru_cache(maxsize=8)
def seconds(window: Window) -> list[Tick]:
    return list(ticks(window.zone, window.middle - SHORT, window.middle + SHORT, SECOND))


def named_by(entry: Entry, seconds: frozenset[int] = frozenset({0})) -> Matches:
    """Whether a time is in a minute that the entry names, and at one of these seconds of it."""

    def matches(reading: datetime) -> bool:
        minute = int(reading.replace(tzinfo=UTC).timestamp()) // 60
        return reading.second in seconds and find_jobs(entry, look(minute, True, True))

    return matches


def resolved(entry: Entry, gap: str, fold: str) -> tuple[str, str]:
    """What `debian` stands for."""
    wildcard = entry.min_star or entry.hr_star
    return (
        (("skip" if wildcard else "run") if gap == "debian" else gap),
        (("both" if wildcard else "first") if fold == "debian" else fold),
    )


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("fold", FOLDS)
def test_planned_instants_are_those_that_the_policies_ask_for(gap: GapPolicy, fold: FoldPolicy) -> None:
    random = Random(f"{SEED} {gap} {fold}")  # noqa: S311 - repeatable cases, not secrets
    fired = 0
    for _ in range(CASES):
        window = random.choice(peculiar_windows())
        text = expression(random, window)
        entry = load_entry(text)
        expected = keep(minutes(window), named_by(entry), *resolved(entry, gap, fold))
        schedule = CronSchedule(expression=text, timezone=window.zone, gap=gap, fold=fold)
        assert list(fires_between(schedule, window.begin, window.end)) == expected, (schedule, window)
        after = window.begin + random.random() * (window.end - window.begin)
        rest = [instant for instant in expected if instant > after]
        assert list(fires_between(schedule, after, window.end)) == rest, (schedule, window, after)
        fired += bool(expected)
    assert fired > CASES // 2, "most cases must say something"


def test_seconds_follow_the_same_policies() -> None:
    random = Random(SEED)  # noqa: S311 - repeatable cases, not secrets
    for zone, texts in CHANGES.items():
        window = Window(zone, datetime.fromisoformat(texts[0]))
        for _ in range(8):
            text = expression(random, window)
            second = random.choice(["*/20", "7", "0,59", "30-33"])
            entry, chosen = load_entry(text), load_entry(f"{second} * * * *").minute
            gap, fold = random.choice(GAPS), random.choice(FOLDS)
            expected = keep(seconds(window), named_by(entry, chosen), *resolved(entry, gap, fold))
            schedule = CronSchedule(
                expression=f"{second} {text}", seconds=True, timezone=zone, gap=gap, fold=fold
            )
            begin, end = window.middle - SHORT, window.middle + SHORT
            assert list(fires_between(schedule, begin, end)) == expected, schedule


class TestExamples:
    @pytest.mark.parametrize(
        ("expression", "gap", "expected"),
        [
            ("30 2 * * *", "debian", ["2026-03-08 07:00", "2026-03-09 06:30"]),
            ("30 2 * * *", "run", ["2026-03-08 07:00", "2026-03-09 06:30"]),
            ("30 2 * * *", "skip", ["2026-03-09 06:30", "2026-03-10 06:30"]),
            ("*/20 2 * * *", "debian", ["2026-03-09 06:00", "2026-03-09 06:20"]),
            ("*/20 2 * * *", "run", ["2026-03-08 07:00", "2026-03-09 06:00"]),
            ("30 * * * *", "run", ["2026-03-08 05:30", "2026-03-08 06:30", "2026-03-08 07:00", "2026-03-08 07:30"]),
            ("0 * * * *", "run", ["2026-03-08 06:00", "2026-03-08 07:00", "2026-03-08 08:00"]),
        ],
    )  # fmt: skip
    def test_skipped_times(self, expression: str, gap: GapPolicy, expected: list[str]) -> None:
        schedule = CronSchedule(expression=expression, timezone=NEW_YORK, gap=gap)
        assert walk(schedule, "2026-03-08 05:15", len(expected)) == expected

    @pytest.mark.parametrize(
        ("expression", "fold", "expected"),
        [
            ("30 1 * * *", "debian", ["2026-11-01 05:30", "2026-11-02 06:30"]),
            ("30 1 * * *", "first", ["2026-11-01 05:30", "2026-11-02 06:30"]),
            ("30 1 * * *", "last", ["2026-11-01 06:30", "2026-11-02 06:30"]),
            ("30 1 * * *", "both", ["2026-11-01 05:30", "2026-11-01 06:30", "2026-11-02 06:30"]),
            ("30 * * * *", "debian", ["2026-11-01 05:30", "2026-11-01 06:30", "2026-11-01 07:30"]),
            ("30 * * * *", "first", ["2026-11-01 05:30", "2026-11-01 07:30"]),
            ("30 * * * *", "last", ["2026-11-01 06:30", "2026-11-01 07:30"]),
        ],
    )
    def test_repeated_times(self, expression: str, fold: FoldPolicy, expected: list[str]) -> None:
        schedule = CronSchedule(expression=expression, timezone=NEW_YORK, fold=fold)
        assert walk(schedule, "2026-11-01 04:59", len(expected)) == expected

    @pytest.mark.parametrize("gap", GAPS)
    @pytest.mark.parametrize("fold", FOLDS)
    def test_a_correction_of_the_clock_is_followed_whatever_is_asked_for(
        self, gap: GapPolicy, fold: FoldPolicy
    ) -> None:
        left_out = CronSchedule(expression="30 2 30 12 *", timezone="Pacific/Apia", gap=gap, fold=fold)
        assert walk(left_out, "2011-06-01 00:00", 1) == ["2012-12-29 12:30"]
        repeated = CronSchedule(expression="30 20 31 1 *", timezone="Antarctica/Vostok", gap=gap, fold=fold)
        assert walk(repeated, "1994-01-01 00:00", 2) == ["1994-01-31 13:30", "1994-01-31 20:30"]


def walk(schedule: CronSchedule, after: str, count: int) -> list[str]:
    """The first instants, in UTC, each asked for with the one before it."""
    found: list[str] = []
    instant: datetime | None = datetime.fromisoformat(after).replace(tzinfo=UTC)
    while instant is not None and len(found) < count:
        instant = next_fire(schedule, instant)
        found.append(f"{instant:%Y-%m-%d %H:%M}")
    return found
