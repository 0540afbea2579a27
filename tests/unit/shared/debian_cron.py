"""Debian cron 3.0pl1 played minute by minute, as an oracle: slow, obvious, and sharing no code with the product.

Names follow the C source: `load_entry`, `get_list` and `get_range` are entry.c's, `main_loop` and `find_jobs` cron.c's.
The machine is ideal: cron wakes in every minute and its jobs take no time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE_COUNT = 60
WARM_UP = timedelta(hours=4)  # longer than the three hours for which cron remembers a change
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


@dataclass(frozen=True)
class Entry:
    """A crontab line: bit strings as sets, and the four flags that say which fields began with `*`."""

    minute: frozenset[int]
    hour: frozenset[int]
    dom: frozenset[int]
    month: frozenset[int]
    dow: frozenset[int]
    min_star: bool
    hr_star: bool
    dom_star: bool
    dow_star: bool


@dataclass(frozen=True)
class Pass:
    """One call of find_jobs: the virtual minute it looks at and the kinds of jobs that it may start."""

    minute: int
    hour: int
    dom: int
    month: int
    dow: int
    do_wild: bool
    do_non_wild: bool


def load_entry(expression: str) -> Entry:
    """Reads a valid expression; ValueError if get_range finds a range that runs backwards."""
    minute, hour, dom, month, dow = expression.lower().split()
    days_of_week = get_list(dow, 0, 7, WEEKDAYS, 0)
    if days_of_week & {0, 7}:  # "make sundays equivalent"
        days_of_week |= {0, 7}
    return Entry(
        minute=get_list(minute, 0, 59),
        hour=get_list(hour, 0, 23),
        dom=get_list(dom, 1, 31),
        month=get_list(month, 1, 12, MONTHS, 1),
        dow=days_of_week,
        min_star=minute[0] == "*",
        hr_star=hour[0] == "*",
        dom_star=dom[0] == "*",
        dow_star=dow[0] == "*",
    )


def get_list(text: str, low: int, high: int, names: list[str] | None = None, base: int = 0) -> frozenset[int]:
    """The elements of a comma-separated list of ranges."""
    bits: set[int] = set()
    for item in text.split(","):
        bits |= get_range(item, low, high, names or [], base)
    return frozenset(bits)


def get_range(text: str, low: int, high: int, names: list[str], base: int) -> set[int]:
    """The elements of `*`, `n` or `n-m`, the first and the last with an optional step."""

    def number(word: str) -> int:
        return names.index(word) + base if word in names else int(word)

    span, _, step = text.partition("/")
    first, _, last = span.partition("-")
    if first == "*":
        begin, end = low, high
    else:
        begin = number(first)
        end = number(last) if last else begin
    if begin > end:
        raise ValueError(text)
    bits = set()
    element = begin
    while element <= end:
        bits.add(element)
        element += int(step or 1)
    return bits


def main_loop(zone: str, begin: datetime, end: datetime) -> list[tuple[datetime, list[Pass]]]:
    """What cron looks at in each minute of (begin, end], whatever its jobs are; both are whole minutes."""
    zone_info = ZoneInfo(zone)
    wakes = []
    instant = begin - WARM_UP
    virtual_time = clock(instant, zone_info)
    while instant < end:
        instant += timedelta(minutes=1)
        time_running = clock(instant, zone_info)
        passes, virtual_time = wake(time_running, virtual_time)
        if instant > begin:
            wakes.append((instant, passes))
    return wakes


def wake(time_running: int, virtual_time: int) -> tuple[list[Pass], int]:
    """One turn of the loop in main(): the calls of find_jobs and the new virtual time."""
    difference = time_running - virtual_time
    if difference == 1:
        return [look(time_running, True, True)], time_running
    if difference > 3 * MINUTE_COUNT or difference < -3 * MINUTE_COUNT:  # "time has changed a *lot*"
        return [look(time_running, True, True)], time_running
    missed = range(virtual_time + 1, time_running + 1)
    if difference > 5:  # "medium": summer time begins
        return [
            look(time_running, True, False),
            *(look(minute, False, True) for minute in missed),
        ], time_running
    if difference > 0:  # "small": woke up late
        return [look(minute, True, True) for minute in missed], time_running
    return [look(time_running, True, False)], virtual_time  # "negative": summer time ends


def clock(instant: datetime, zone: ZoneInfo) -> int:
    """Minutes since the epoch, adjusted for the zone."""
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return int(instant.timestamp() + offset.total_seconds()) // 60


def look(virtual_time: int, do_wild: bool, do_non_wild: bool) -> Pass:
    """The fields of a virtual minute, as gmtime breaks it down."""
    tm = datetime.fromtimestamp(virtual_time * 60, UTC)
    return Pass(tm.minute, tm.hour, tm.day, tm.month, tm.isoweekday() % 7, do_wild, do_non_wild)


def find_jobs(entry: Entry, at: Pass) -> bool:
    """Whether the pass starts the entry."""
    if at.minute not in entry.minute or at.hour not in entry.hour or at.month not in entry.month:
        return False
    dom, dow = at.dom in entry.dom, at.dow in entry.dow
    if not ((dom and dow) if entry.dom_star or entry.dow_star else (dom or dow)):
        return False
    return at.do_wild if entry.min_star or entry.hr_star else at.do_non_wild


def runs(entry: Entry, wakes: Iterable[tuple[datetime, list[Pass]]]) -> Iterator[datetime]:
    """The instants at which the entry starts; several passes of one instant count once."""
    return (instant for instant, passes in wakes if any(find_jobs(entry, at) for at in passes))
