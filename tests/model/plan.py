"""The plain model that the installation is held against: a dictionary of jobs, each a list of versions, and arithmetic."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from shared.domain.job import Job
from shared.domain.schedule import CronSchedule, IntervalSchedule, OneShotSchedule

AHEAD = timedelta(seconds=2)
"""By as much a scheduler's clock may be ahead: it may have decided an instant before a change that came first."""
SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class Version:
    """What a job plans from `since` on; nothing where `job` is None or paused."""

    since: datetime
    job: Job | None
    known_at: datetime | None = None
    """When the scheduler that led had heard of it."""

    def instants(self, first: datetime, last: datetime) -> list[datetime]:
        """What it plans in [first, last]."""
        if self.job is None or not self.job.is_active:
            return []
        match self.job.schedule:
            case IntervalSchedule(every_seconds=every, anchor=anchor):
                return _steps(anchor, timedelta(seconds=every), first, last)
            case CronSchedule(expression=expression):
                # Only `*/n * * * *` in UTC: full minutes whose number n divides.
                every = int(expression.split()[0].removeprefix("*/"))
                midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
                return _steps(midnight, timedelta(minutes=every), first, last)
            case OneShotSchedule(at=at):
                return [at] if first <= at <= last else []


@dataclass(slots=True)
class Plan:
    """All jobs there ever were."""

    jobs: dict[UUID, list[Version]] = field(default_factory=dict)

    def write(self, job_id: UUID, since: datetime, job: Job | None) -> None:
        """Another version of a job."""
        self.jobs.setdefault(job_id, []).append(Version(since, job))

    def heard(self, published: dict[UUID, int], now: datetime) -> None:
        """The scheduler that leads knows so many versions of each job."""
        for job_id, count in published.items():
            for version in self.jobs[job_id][:count]:
                version.known_at = version.known_at or now

    def expected(self, job_id: UUID, until: datetime) -> list[datetime]:
        """What the versions in force planned, each for its own time."""
        versions = self.jobs[job_id]
        found: list[datetime] = []
        for place, version in enumerate(versions):
            ends = versions[place + 1].since - SECOND / 1_000_000 if place + 1 < len(versions) else until
            found += version.instants(version.since, min(ends, until))
        return found

    def assert_accounted(self, rows: list[dict[str, Any]], until: datetime) -> None:
        """Every planned instant is in exactly one row, and no row stands for anything else."""
        for job_id in self.jobs:
            covered = Counter(
                instant for row in rows if row["job_id"] == job_id for instant in self._instants_of(row)
            )
            expected = set(self.expected(job_id, until))
            doubled = [instant for instant, count in covered.items() if count > 1]
            assert doubled == [], f"in two rows: {doubled} of {job_id}"
            lost = sorted(expected - set(covered))
            assert lost == [], f"in no row: {lost} of {job_id}"
            for instant in sorted(set(covered) - expected):
                assert self._was_planned_before(job_id, instant), f"never planned: {instant} of {job_id}"

    def _instants_of(self, row: dict[str, Any]) -> list[datetime]:
        first: datetime = row["planned_at"]
        if row["planned_count"] == 1:
            return [first]
        version: Version = self.jobs[row["job_id"]][row["job_version"] - 1]
        instants = version.instants(first, row["planned_to"])
        assert len(instants) == row["planned_count"], row
        assert (instants[0], instants[-1]) == (first, row["planned_to"]), row
        return instants

    def _was_planned_before(self, job_id: UUID, instant: datetime) -> bool:
        """Whether a version planned it that was replaced before it came, unknown to whoever decided it."""
        versions = self.jobs[job_id]
        return any(
            version.instants(instant, instant)
            and (later.known_at is None or instant <= later.known_at + AHEAD)
            for version, later in pairwise(versions)
        )


def _steps(anchor: datetime, gap: timedelta, first: datetime, last: datetime) -> list[datetime]:
    instant = anchor + -((anchor - first) // gap) * gap
    found = []
    while instant <= last:
        if instant >= first:
            found.append(instant)
        instant += gap
    return found
