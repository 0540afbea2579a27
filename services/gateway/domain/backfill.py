"""Which planned instants a backfill makes up for. Pure: what did not run, and the schedules, come with the question."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from shared.domain.job import MisfirePolicy
from shared.domain.schedule import Schedule, fires_between, latest_fires
from shared.errors import RuleViolation

MAX_RUNS = 1_000
"""Of one backfill."""
MAX_COUNTED = 20_000
"""How far instants are counted, to say how many are too many."""
MAX_CATCH_UP = 100
"""The runs that resuming a job may ask for."""

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRun:
    """Planned instants, from the first to the last of `count`, that did not run; the job version that planned them."""

    first: datetime
    last: datetime
    count: int
    job_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The time in which one version of a job was in force: from `begin` until just before `end`."""

    schedule: Schedule
    begin: datetime
    end: datetime


class TooManyInstants(RuleViolation):
    """More than one backfill may have, or than the caller allows."""

    title = "Too many instants"

    def __init__(self, found: int, limit: int) -> None:
        number = f"more than {MAX_COUNTED}" if found > MAX_COUNTED else str(found)
        super().__init__(f"There are {number} instants to make up for; at most {limit} are allowed.")


def planned_between(schedule: Schedule, begin: datetime, end: datetime) -> Iterator[datetime]:
    """The planned instants from `begin` until just before `end`, ascending."""
    return fires_between(schedule, begin - _INSTANT, end - _INSTANT)


def not_run_between(
    rows: Iterable[NotRun], schedules: Mapping[int, Schedule], begin: datetime, end: datetime
) -> Iterator[datetime]:
    """The single instants that the rows stand for, from `begin` until just before `end`, in no order.

    `schedules` are those of the job versions that planned the rows of many.
    """
    for row in rows:
        if row.count == 1:
            if begin <= row.first < end:
                yield row.first
        else:
            last = row.last + _INSTANT
            yield from planned_between(schedules[row.job_version], max(begin, row.first), min(end, last))


def chosen(instants: Iterable[datetime], made_up: Collection[datetime], limit: int) -> list[datetime]:
    """Those that nobody has made up for, ascending; raises `TooManyInstants` where there are more than `limit`."""
    found = sorted(set(islice((one for one in instants if one not in made_up), MAX_COUNTED + 1)))
    if len(found) > limit:
        raise TooManyInstants(len(found), limit)
    return found


def passed_while_paused(stretches: Sequence[Stretch], policy: MisfirePolicy) -> list[datetime]:
    """The instants of a pause that run after all, ascending; each stretch follows the one before it."""
    wanted = {MisfirePolicy.SKIP: 0, MisfirePolicy.RUN_LATEST: 1, MisfirePolicy.RUN_ALL: MAX_CATCH_UP}[policy]
    found: list[datetime] = []
    for stretch in reversed(stretches):
        missing = wanted - len(found)
        if missing <= 0 or stretch.begin >= stretch.end:
            continue
        begin, end = stretch.begin - _INSTANT, stretch.end - _INSTANT
        found = latest_fires(stretch.schedule, begin, end, missing) + found
    return found
