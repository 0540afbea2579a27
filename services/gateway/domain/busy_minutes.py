"""The minutes in which most runs of many jobs come together, by planned and by actual time."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from heapq import nsmallest
from typing import TypeAlias

from services.gateway.domain.planned_jobs import Group, PlannedJob
from shared.domain.schedule import IntervalSchedule

BUSIEST = 10
SAMPLE = 5
"""Jobs that are named of a busy minute."""
MAX_STEPS = 500_000
"""How much may be counted one by one: a second or two of work."""
_MINUTE_MS = 60_000

_Run: TypeAlias = tuple[int, int]
"""A minute, counted from 1970, and the place within it: how many milliseconds of it have passed."""
_Delays: TypeAlias = dict[int, list[PlannedJob]]
"""Jobs by how many minutes after that of the planned instant their runs begin."""


@dataclass(frozen=True, slots=True)
class BusyMinute:
    """How many runs fall into a minute, and some of their jobs."""

    minute: datetime
    count: int
    jobs: list[PlannedJob]


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyMinutes:
    """The busiest minutes, the busiest first; of equal ones the earliest first."""

    by_planned: list[BusyMinute]
    by_actual: list[BusyMinute]
    jobs_left_out: int
    """How many jobs they are not of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """Jobs whose instants lie in the same minutes."""

    jobs: Sequence[PlannedJob]
    runs: Iterable[_Run]
    """One for each of their instants; walked at most once."""
    delays: Callable[[int], _Delays]
    """Of runs at this place within a minute."""
    steps: int
    """How much work it is to count them."""


@dataclass(slots=True)
class _Minutes:
    counts: Counter[int] = field(default_factory=Counter)
    samples: dict[int, list[PlannedJob]] = field(default_factory=dict)

    def add(self, minute: int, jobs: Sequence[PlannedJob]) -> None:
        self.counts[minute] += len(jobs)
        sample = self.samples.setdefault(minute, [])
        if len(sample) < SAMPLE:
            sample += [job for job in jobs[:SAMPLE] if job not in sample][: SAMPLE - len(sample)]

    def busiest(self) -> list[BusyMinute]:
        found = nsmallest(BUSIEST, self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [
            BusyMinute(datetime.fromtimestamp(minute * 60, UTC), count, self.samples[minute])
            for minute, count in found
        ]


def busy_minutes(groups: Sequence[tuple[Group, int]]) -> BusyMinutes:
    """The busiest minutes of groups and their sizes; where that is too much work, of as many jobs as possible."""
    planned, actual = _Minutes(), _Minutes()
    budget, left_out = MAX_STEPS, 0
    for load in sorted(_loads(groups), key=lambda load: load.steps / len(load.jobs)):
        if load.steps > budget:
            left_out += len(load.jobs)
            continue
        budget -= load.steps
        for minute, place in load.runs:
            planned.add(minute, load.jobs)
            for delay, jobs in load.delays(place).items():
                actual.add(minute + delay, jobs)
    return BusyMinutes(by_planned=planned.busiest(), by_actual=actual.busiest(), jobs_left_out=left_out)


def _loads(groups: Sequence[tuple[Group, int]]) -> Iterator[_Load]:
    """Groups of even intervals are taken together where they share their minutes, the others by themselves."""
    together: dict[tuple[int, int, int], _Delays] = {}
    for group, size in groups:
        if (step := _step(group)) is None:
            yield _load_of(group, size)
            continue
        minute, place = _run(next(group.instants()))
        delays = together.setdefault((minute, step, size), {})
        for delay, jobs in _by_delay(group.jobs, place).items():
            delays.setdefault(delay, []).extend(jobs)
    for (minute, step, size), delays in together.items():
        yield _even_load(range(minute, minute + step * size, step), delays)


def _load_of(group: Group, size: int) -> _Load:
    @cache
    def delays(place: int) -> _Delays:
        return _by_delay(group.jobs, place)

    widest = max(job.schedule.jitter_seconds for job in group.jobs)
    different_delays = min(len(group.jobs), widest // 60 + 2 if widest else 1)
    runs = map(_run, group.instants())
    return _Load(jobs=group.jobs, runs=runs, delays=delays, steps=size * (1 + different_delays))


def _even_load(minutes: range, delays: _Delays) -> _Load:
    return _Load(
        jobs=[job for jobs in delays.values() for job in jobs],
        runs=((minute, 0) for minute in minutes),
        delays=lambda _place: delays,
        steps=len(minutes) * (1 + len(delays)),
    )


def _step(group: Group) -> int | None:
    """How many minutes lie between the instants, if it is always as many whole ones."""
    schedule = group.schedule
    if not isinstance(schedule, IntervalSchedule) or schedule.exclusions or schedule.calendars:
        return None
    minutes, seconds = divmod(schedule.every_seconds, 60)
    return minutes if not seconds else None


def _run(instant: datetime) -> _Run:
    return divmod(int(instant.timestamp() * 1000), _MINUTE_MS)


def _by_delay(jobs: Sequence[PlannedJob], place: int) -> _Delays:
    found: _Delays = {}
    for job in jobs:
        later = job.slot // timedelta(milliseconds=1)
        found.setdefault((place + later) // _MINUTE_MS, []).append(job)
    return found
