"""Planned instants compared with Debian cron's, played minute by minute around changes of the clock."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from random import Random
from zoneinfo import ZoneInfo, available_timezones

import pytest

from shared.domain.schedule import CronSchedule, fires_between, next_fire
from tests.unit.shared.debian_cron import Pass, find_jobs, load_entry, look, main_loop, runs

SEED = 20261121
CASES = 12_000
BATCHES = 8
RESTARTS = 3  # per case
WINDOWS = 2  # of each zone
HALF_WINDOW = timedelta(hours=9)
FIRST_YEAR, LAST_YEAR = 1973, 2037  # before, Monrovia was not on a whole minute of UTC

PECULIAR = {
    "Africa/Cairo": (2025, 2026),  # at midnight
    "Africa/Casablanca": (1985, 2026),  # in the old year's last hour, and back for Ramadan
    "Africa/Sao_Tome": (2018, 2019),  # in the new year's first hour
    "America/Asuncion": (2024,),
    "America/Caracas": (2007, 2016),  # half an hour
    "America/New_York": (2026,),
    "America/Nuuk": (2023, 2026),  # the day before, at 22:00 or 23:00
    "America/St_Johns": (2005,),  # at 00:01
    "Antarctica/Casey": (2009, 2010, 2020),  # three hours
    "Antarctica/Troll": (2026,),  # two hours
    "Antarctica/Vostok": (1994, 2023),  # seven hours, two hours
    "Asia/Dhaka": (2009,),  # on the last day of the year
    "Asia/Kathmandu": (1985, 1986),  # a quarter of an hour
    "Asia/Pyongyang": (2015, 2018),
    "Asia/Tehran": (2022,),
    "Australia/Lord_Howe": (2026,),  # half an hour, twice a year
    "Pacific/Apia": (2010, 2011),  # a day is left out
    "Pacific/Kwajalein": (1993,),
}
CALM = {"Asia/Tokyo": 2026, "Asia/Kolkata": 2027, "UTC": 2028, "Africa/Nairobi": 2026}


@dataclass(frozen=True)
class Window:
    """The time around a change (or an ordinary instant), in whole minutes."""

    zone: str
    middle: datetime

    @property
    def begin(self) -> datetime:
        return self.middle - HALF_WINDOW

    @property
    def end(self) -> datetime:
        return self.middle + HALF_WINDOW

    def clock_readings(self) -> list[datetime]:
        """What the clock shows at, just before and well around the change."""
        zone = ZoneInfo(self.zone)
        return [(self.middle + timedelta(minutes=m)).astimezone(zone) for m in (-90, -1, 0, 30, 90)]


@cache
def peculiar_windows() -> list[Window]:
    """Every change of the listed years, and some windows without one."""
    found = [
        Window(zone, change)
        for zone, years in PECULIAR.items()
        for year in years
        for change in changes(zone, year, year)
    ]
    return found + [Window(zone, datetime(year, 2, 28, 15, tzinfo=UTC)) for zone, year in CALM.items()]


def windows(zone: str, random: Random) -> list[Window]:
    """Some changes of the zone; none if it has had none."""
    found = changes(zone, FIRST_YEAR, LAST_YEAR)
    return [Window(zone, change) for change in random.sample(found, min(WINDOWS, len(found)))]


def changes(zone: str, first_year: int, last_year: int) -> list[datetime]:
    """The instants of those years at which the zone's offset changes, by looking once in six days and then closer."""
    zone_info, pause = ZoneInfo(zone), timedelta(days=6)
    instant, found = datetime(first_year, 1, 1, tzinfo=UTC), []
    offset = instant.astimezone(zone_info).utcoffset()
    while instant.year <= last_year:
        low, high = instant, instant + pause
        if (new := high.astimezone(zone_info).utcoffset()) != offset:
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) // timedelta(minutes=2) * timedelta(minutes=1)
                is_before = middle.astimezone(zone_info).utcoffset() == offset
                low, high = (middle, high) if is_before else (low, middle)
            found.append(high)
            offset = new
        instant += pause
    return found


@lru_cache(maxsize=64)
def wakes(window: Window) -> list[tuple[datetime, list[Pass]]]:
    return main_loop(window.zone, window.begin, window.end)


def item(random: Random, low: int, high: int, near: list[int]) -> str:
    """One item of a field, half of the time close to the values in `near`."""
    first = random.choice(near) if random.random() < 0.5 else random.randint(low, high)
    last = min(high, first + random.choice([0, 1, 2, 5, high]))
    step = random.choice([1, 1, 2, 3, 7, 20, 70])
    return random.choice(
        ["*", "*", f"*/{step}", str(first), str(first), f"{first}-{last}", f"{first}-{last}/{step}"]
    )


def field(random: Random, low: int, high: int, near: list[int]) -> str:
    return ",".join(item(random, low, high, near) for _ in range(random.choice([1, 1, 1, 2, 3])))


def expression(random: Random, window: Window) -> str:
    """Five fields that often match within the window, of every form that crontab(5) knows."""
    readings = window.clock_readings()
    day = "*" if random.random() < 0.6 else field(random, 1, 31, [r.day for r in readings])
    month = "*" if random.random() < 0.8 else field(random, 1, 12, [r.month for r in readings])
    weekday = "*" if random.random() < 0.6 else field(random, 0, 7, [r.isoweekday() for r in readings])
    return " ".join(
        [
            field(random, 0, 59, [r.minute for r in readings]),
            field(random, 0, 23, [r.hour for r in readings]),
            day,
            random.choice([month, "jan-dec", "JUN,OCT-DEC"]) if month != "*" else month,
            random.choice([weekday, "mon-fri", "SUN"]) if weekday != "*" else weekday,
        ]
    )


@pytest.mark.parametrize("batch", range(BATCHES))
def test_planned_instants_are_those_of_debian_cron(batch: int) -> None:
    random = Random(SEED + batch)  # noqa: S311 - repeatable cases, not secrets
    zones = sorted(available_timezones())[batch::BATCHES]
    found = [window for zone in zones for window in windows(zone, random)]
    found += peculiar_windows()[batch::BATCHES]
    cases, fired = 0, 0
    for window in found:
        for _ in range(CASES // BATCHES // len(found) + 1):
            expected = compare(expression(random, window), window, random)
            cases, fired = cases + 1, fired + bool(expected)
    assert cases >= CASES // BATCHES
    assert fired > cases // 2, "most cases must say something"
    sys.stdout.write(f"{cases} cases in {len(found)} windows, {fired} of them with runs: no mismatch\n")


def compare(text: str, window: Window, random: Random) -> list[datetime]:
    """What both say, from the window's begin on and restarted within."""
    schedule = CronSchedule(expression=text, timezone=window.zone)
    expected = list(runs(load_entry(text), wakes(window)))
    assert list(fires_between(schedule, window.begin, window.end)) == expected, (text, window)
    for _ in range(RESTARTS):
        after = window.begin + random.random() * (window.end - window.begin)
        later = next((instant for instant in expected if instant > after), None)
        planned = next_fire(schedule, after)
        if later is None:
            assert planned is None or planned > window.end, (text, window, after)
        else:
            assert planned == later, (text, window, after)
    return expected


def test_restarting_at_every_instant_around_each_change_gives_the_rest_of_the_walk() -> None:
    for window in peculiar_windows():
        hour = window.clock_readings()[1].hour
        for text in (
            f"*/7 {hour} * * *",
            f"1,30,59 {hour},{(hour + 1) % 24} * * *",
            "13 * * * *",
            "30 2 * * *",
        ):
            schedule = CronSchedule(expression=text, timezone=window.zone)
            expected = list(runs(load_entry(text), wakes(window)))
            for after in (window.begin, *expected[:-1]):
                for pause in (timedelta(0), timedelta(microseconds=1), timedelta(seconds=59)):
                    rest = [instant for instant in expected if instant > after + pause]
                    assert list(fires_between(schedule, after + pause, window.end)) == rest


def test_days_over_five_years_are_those_of_debian_cron() -> None:
    random = Random(SEED)  # noqa: S311 - repeatable cases, not secrets
    begin, end = datetime(2025, 12, 31, 23, 59, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    days = [begin + timedelta(days=n, minutes=1) for n in range((end - begin).days)]
    looks = [(day, [look(int(day.timestamp()) // 60, True, True)]) for day in days]
    for _ in range(250):
        near_days, near_months, near_weekdays = list(range(1, 32)), list(range(1, 13)), list(range(8))
        text = " ".join(
            [
                "0 0",
                field(random, 1, 31, near_days),
                field(random, 1, 12, near_months),
                field(random, 0, 7, near_weekdays),
            ]
        )
        entry = load_entry(text)
        expected = [day for day, (at,) in looks if find_jobs(entry, at)]
        assert (
            list(fires_between(CronSchedule(expression=text, timezone="UTC"), begin, days[-1])) == expected
        ), text
