"""The timetable: which planned instant of which job comes next. A heap; a change touches one job.

A job may stand in it with several versions at once, each for its own interval: a version is in force from its
`effective_at` until that of the next one. What has been decided is not planned again: a version that the
checkpoint covers begins behind `until`, one that it does not cover begins at its `effective_at`, even where that is past.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

import structlog

from shared.domain.job import Job
from shared.domain.schedule import InvalidSchedule, fires_between
from shared.events import JobDeleted, JobEvent

_INSTANT_BEFORE = timedelta(microseconds=1)

logger = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Version:
    """One version of a job; `job` is None from its deletion on. The newest one has no end yet."""

    job_id: UUID
    number: int
    job: Job | None
    starts: datetime
    events_seq: int
    ends: datetime | None = None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """Planned instants of one version of a job whose time has come: the first one, and all that follow up to `until`."""

    job: Job
    first: datetime
    until: datetime

    def instants(self) -> Iterator[datetime]:
        """They can be many after a long outage, so they are made one by one."""
        yield self.first
        if self.until > self.first:
            yield from fires_between(self.job.schedule, self.first, self.until)


class Timetable:
    """All jobs, by their next instant. Knows no clock: it is told what time it is."""

    def __init__(self) -> None:
        self._versions: dict[UUID, list[_Version]] = {}
        self._heap: list[tuple[datetime, int, _Version]] = []
        self._pushed = 0
        self.applied_seq = 0
        """The newest change that was taken in, by its place in EVENTS."""

    def __len__(self) -> int:
        return len(self._versions)

    def load(self, event: JobEvent, events_seq: int, *, covered_seq: int, until: datetime) -> None:
        """Take in a job's newest change; `covered_seq` and `until` are the checkpoint's."""
        if events_seq > covered_seq and event.before is not None:
            # In force at the checkpoint, unless changes in between say otherwise.
            self._insert(_version(event.before, 0), until)
        newest = _newest(event, events_seq)
        self._insert(newest, until if events_seq <= covered_seq else newest.starts - _INSTANT_BEFORE)

    def follow(self, event: JobEvent, events_seq: int, *, covered_seq: int, until: datetime) -> None:
        """Take in the next change of the stream; one that was taken in before changes nothing."""
        if events_seq <= self.applied_seq:
            return
        self.load(event, events_seq, covered_seq=covered_seq, until=until)
        self.applied_seq = events_seq

    def next_instant(self) -> datetime | None:
        """The earliest planned instant (or one that a change has made void meanwhile)."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, until: datetime) -> list[Due]:
        """Take out every planned instant up to `until`; each comes once."""
        dues = []
        while (popped := self._pop(until)) is not None:
            first, version, job = popped
            last = until if version.ends is None else min(until, version.ends - _INSTANT_BEFORE)
            dues.append(Due(job, first, last))
            self._plan(version, max(first, last))
        return dues

    def skip_to(self, until: datetime, covered_seq: int) -> None:
        """Pass over what another leader has decided: instants up to `until` of versions up to `covered_seq`."""
        kept: list[tuple[datetime, _Version]] = []
        while (popped := self._pop(until)) is not None:
            instant, version, _ = popped
            if version.events_seq > covered_seq:
                kept.append((instant, version))
            else:
                self._plan(version, until)
        for instant, version in kept:
            self._push(version, instant)

    def _pop(self, until: datetime) -> tuple[datetime, _Version, Job] | None:
        while self._heap and self._heap[0][0] <= until:
            instant, _, version = heapq.heappop(self._heap)
            # A change may have ended or replaced the plan; what it left in the heap is void.
            if version.next_at == instant and version.job is not None:
                if version.ends is None or instant < version.ends:
                    return instant, version, version.job
                version.next_at = None
        return None

    def _insert(self, version: _Version, after: datetime) -> None:
        versions = self._versions.setdefault(version.job_id, [])
        known = next((other for other in versions if other.number == version.number), None)
        if known is not None:
            if known.events_seq < version.events_seq:
                # So far it was known only as what a later change replaced; its own change says from when it counts.
                known.events_seq = version.events_seq
                self._plan(known, max(after, version.starts - _INSTANT_BEFORE))
            return
        position = sum(1 for other in versions if other.number < version.number)
        if position < len(versions):
            version.ends = versions[position].starts
        versions.insert(position, version)
        if position > 0:
            before = versions[position - 1]
            before.ends = version.starts
            if before.next_at is None or before.next_at >= version.starts:
                before.next_at = None
        self._plan(version, max(after, version.starts - _INSTANT_BEFORE))
        versions[:-1] = [older for older in versions[:-1] if older.next_at is not None]

    def _plan(self, version: _Version, after: datetime) -> None:
        planned = _next_instant(version.job, after) if version.job is not None else None
        if planned is not None and version.ends is not None and planned >= version.ends:
            planned = None
        version.next_at = planned
        if planned is not None:
            self._push(version, planned)

    def _push(self, version: _Version, instant: datetime) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (instant, self._pushed, version))


def _version(job: Job, events_seq: int) -> _Version:
    return _Version(job.id, job.version, job, job.effective_at, events_seq)


def _newest(event: JobEvent, events_seq: int) -> _Version:
    if isinstance(event, JobDeleted):
        return _Version(event.before.id, event.version, None, event.effective_at, events_seq)
    return _version(event.current, events_seq)


def _next_instant(job: Job, after: datetime) -> datetime | None:
    try:
        return job.next_instant(after)
    except (InvalidSchedule, ZoneInfoNotFoundError, ValueError) as error:
        # Written by a newer gateway, or in a zone that only a newer tzdata knows: it must not stop the other jobs.
        logger.error("a schedule cannot be read here", action="plan", job=str(job.id), error=repr(error))
        return None
