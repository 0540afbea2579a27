"""What many jobs plan in a period: the instants one by one, and the minutes in which most of them come together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import repeat

from services.gateway.domain.busy_minutes import BusyMinutes, busy_minutes
from services.gateway.domain.planned_jobs import Group, PlannedJob, grouped


@dataclass(frozen=True, slots=True)
class PlannedInstant:
    """An instant that a job plans, and the one at which the run begins."""

    job: PlannedJob
    planned: datetime
    actual: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is planned in a period."""

    total: int
    instants: list[PlannedInstant]
    """The earliest ones, by time and then by name."""
    busiest: BusyMinutes


def planned(jobs: Sequence[PlannedJob], start: datetime, end: datetime, limit: int) -> Planned:
    """What the jobs plan in [start, end), up to `limit` instants of it one by one."""
    sizes = [(group, group.size()) for group in grouped(jobs, start, end)]
    groups = [(group, size) for group, size in sizes if size]
    return Planned(
        total=sum(size * len(group.jobs) for group, size in groups),
        instants=_earliest([group for group, _ in groups], limit),
        busiest=busy_minutes(groups),
    )


def _earliest(groups: Sequence[Group], limit: int) -> list[PlannedInstant]:
    streams = [zip(group.instants(), repeat(number)) for number, group in enumerate(groups)]
    found: list[PlannedInstant] = []
    for instant, number in merge(*streams):
        # All of one instant, so that they can be put in order.
        if len(found) >= limit and instant != found[-1].planned:
            break
        found += (PlannedInstant(job, instant, instant + job.slot) for job in groups[number].jobs)
    found.sort(key=lambda one: (one.planned, one.job.name, one.job.id))
    return found[:limit]
