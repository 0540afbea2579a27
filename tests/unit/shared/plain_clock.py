"""Cron expressions kept by looking at a clock, step by step: an oracle for what a schedule asks beyond Debian cron's rules.

It shares no code with the product: times match by the sets of the oracle of Debian cron or by what the standard
library's calendar says, and a time that comes twice is one that zoneinfo calls so.
"""

import calendar
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

Matches = Callable[[datetime], bool]
"""Whether a local time is one that the expression names."""


@dataclass(frozen=True)
class Tick:
    """What the clock shows at an instant."""

    instant: datetime
    reading: datetime
    skipped: tuple[datetime, ...]
    """What it would have shown since the tick before, had it not been put forward."""
    turn: int
    """0 for a time that comes once, 1 and 2 for the two turns of one that comes twice."""


def ticks(zone: str, begin: datetime, end: datetime, step: timedelta) -> Iterator[Tick]:
    """Every tick of (begin, end]."""
    place, before, instant = ZoneInfo(zone), None, begin
    while instant <= end:
        local = instant.astimezone(place)
        reading = local.replace(tzinfo=None)
        if before is not None:
            yield Tick(instant, reading, tuple(skipped(before, reading, step)), turn(local))
        before = reading
        instant += step


def skipped(before: datetime, reading: datetime, step: timedelta) -> Iterator[datetime]:
    """Nothing where the jump is one that cron.c takes for a correction: more than three hours from the minute before."""
    if reading - step - before + timedelta(minutes=1) <= timedelta(hours=3):
        while before + step < reading:
            before += step
            yield before


def turn(local: datetime) -> int:
    """Which turn of a time that comes twice it is; 0 where it comes once, or again by a correction."""
    first, second = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    assert first is not None
    assert second is not None
    if first == second or first - second - timedelta(minutes=1) > timedelta(hours=3):
        return 0
    return 1 + local.fold


def keep(ticks: list[Tick], matches: Matches, gap: str, fold: str) -> list[datetime]:
    """The instants at which it runs; `gap` is `run` or `skip`, `fold` is `first`, `last` or `both`."""
    turns = {"first": (0, 1), "last": (0, 2), "both": (0, 1, 2)}[fold]
    return [
        tick.instant
        for tick in ticks
        if (tick.turn in turns and matches(tick.reading))
        or (gap == "run" and any(map(matches, tick.skipped)))
    ]


def is_last_day(day: datetime) -> bool:
    """Whether the month ends with it."""
    return day.day == calendar.monthrange(day.year, day.month)[1]


def is_nth(day: datetime, weekday: int, n: int) -> bool:
    """Whether it is the month's n-th such weekday; 0 is Sunday, and n = -1 the last one."""
    weeks = calendar.Calendar(firstweekday=6).monthdayscalendar(day.year, day.month)
    days = [week[weekday] for week in weeks if week[weekday]]
    return days[-1] == day.day if n == -1 else n <= len(days) and days[n - 1] == day.day
