"""Jobs by what they plan in a period. Most share their schedule with others, so that each schedule is walked once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.schedule import Schedule, count_fires, fires_between
from shared.domain.spread import slot

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """An active job, as far as it matters when it runs."""

    id: UUID
    name: str
    schedule: Schedule
    effective_at: datetime
    """From when on it plans what its schedule says."""

    @property
    def slot(self) -> timedelta:
        """How much later than planned its runs begin."""
        return slot(self.id, self.schedule.jitter_seconds)


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs that plan the same instants in [begin, end)."""

    schedule: Schedule
    """Theirs, but for how they are spread, which may differ."""
    begin: datetime
    end: datetime
    jobs: list[PlannedJob] = field(default_factory=list)
    """By name."""

    def instants(self) -> Iterator[datetime]:
        """What each of them plans."""
        return fires_between(self.schedule, self.begin - _TICK, self.end - _TICK)

    def size(self) -> int:
        """How many instants that are."""
        return count_fires(self.schedule, self.begin - _TICK, self.end - _TICK)


def grouped(jobs: Sequence[PlannedJob], start: datetime, end: datetime) -> list[Group]:
    """The jobs by what they plan in [start, end)."""
    groups: dict[tuple[Schedule, datetime], Group] = {}
    for job in sorted(jobs, key=lambda job: (job.name, job.id)):
        schedule, begin = job.schedule, max(start, job.effective_at)
        if schedule.jitter_seconds:
            schedule = schedule.model_copy(update={"jitter_seconds": 0})
        key = (schedule, begin)
        if key not in groups:
            groups[key] = Group(schedule, begin, end)
        groups[key].jobs.append(job)
    return list(groups.values())
