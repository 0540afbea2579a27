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

from services.scheduler.known_jobs import Change, KnownJob
from shared.domain.schedule import fires_between

_INSTANT_BEFORE = timedelta(microseconds=1)
_VOID_ENTRIES = 1_000
"""So many more than there are jobs may stand in the heap before it is tidied up."""


class _Version:
    """One version of a job; `job` is None from its deletion on. The newest one has no end yet."""

    __slots__ = ("ends", "events_seq", "job", "job_id", "next_at", "number", "starts")

    def __init__(
        self, job_id: UUID, number: int, job: KnownJob | None, starts: datetime, events_seq: int
    ) -> None:
        self.job_id = job_id
        self.number = number
        self.job = job
        self.starts = starts
        self.events_seq = events_seq
        self.ends: datetime | None = None
        self.next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """Planned instants of one version of a job whose time has come: the first one, and all that follow up to `until`."""

    job: KnownJob
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
        self._jobs = 0
        self.applied_seq = 0
        """The newest change that was taken in, by its place in EVENTS."""

    def __len__(self) -> int:
        """How many jobs there are; those that are deleted do not count."""
        return self._jobs

    def load(self, change: Change, events_seq: int, *, covered_seq: int, until: datetime) -> None:
        """Take in a job's newest change; `covered_seq` and `until` are the checkpoint's."""
        existed = self.newest(change.job_id) is not None
        if events_seq > covered_seq and (before := change.before) is not None:
            # In force at the checkpoint, unless changes in between say otherwise.
            self._insert(_Version(before.id, before.version, before, before.effective_at, 0), until)
        newest = _Version(change.job_id, change.version, change.job, change.effective_at, events_seq)
        self._insert(newest, until if events_seq <= covered_seq else newest.starts - _INSTANT_BEFORE)
        self._jobs += (self.newest(change.job_id) is not None) - existed
        self._tidy_up()

    def follow(self, change: Change, events_seq: int, *, covered_seq: int, until: datetime) -> None:
        """Take in the next change of the stream; one that was taken in before changes nothing."""
        if events_seq <= self.applied_seq:
            return
        self.load(change, events_seq, covered_seq=covered_seq, until=until)
        self.applied_seq = events_seq

    def newest(self, job_id: UUID) -> KnownJob | None:
        """The newest version of a job; None when it is deleted, or was never heard of."""
        versions = self._versions.get(job_id)
        return versions[-1].job if versions else None

    def next_instant(self) -> datetime | None:
        """The earliest planned instant."""
        head = self._head()
        return head[0] if head is not None else None

    def next_planned(self) -> tuple[KnownJob, datetime] | None:
        """The job that is due next, and when."""
        head = self._head()
        return (head[2], head[0]) if head is not None else None

    def pop_due(self, until: datetime, limit: int | None = None) -> dict[UUID, list[Due]]:
        """Take out what is planned up to `until`, each instant once, of up to `limit` jobs; the versions of a job together."""
        dues: dict[UUID, list[Due]] = {}
        while (limit is None or len(dues) < limit) and (head := self._head()) is not None:
            instant, version, _ = head
            if instant > until:
                break
            dues[version.job_id] = [
                due
                for one in tuple(self._versions[version.job_id])
                if (due := self._take(one, until)) is not None
            ]
        return dues

    def skipping(self, until: datetime, covered_seq: int) -> Iterator[None]:
        """Pass over what another leader has decided: instants up to `until` of versions up to `covered_seq`.

        Goes on a job at a time, so that whoever drives it can do something else in between.
        """
        kept: list[tuple[datetime, _Version]] = []
        try:
            while (head := self._head()) is not None and head[0] <= until:
                instant, version, _ = head
                heapq.heappop(self._heap)
                if version.events_seq > covered_seq:
                    kept.append((instant, version))
                else:
                    self._plan(version, until)
                yield
        finally:
            for instant, version in kept:
                if version.next_at == instant:
                    self._push(version, instant)

    def _head(self) -> tuple[datetime, _Version, KnownJob] | None:
        """The first entry that holds; a change may have ended or replaced a plan, what it left in the heap is void."""
        while self._heap:
            instant, _, version = self._heap[0]
            if version.next_at == instant and version.job is not None:
                if version.ends is None or instant < version.ends:
                    return instant, version, version.job
                version.next_at = None
            heapq.heappop(self._heap)
        return None

    def _take(self, version: _Version, until: datetime) -> Due | None:
        first, job = version.next_at, version.job
        if first is None or first > until or job is None:
            return None
        last = until if version.ends is None else min(until, version.ends - _INSTANT_BEFORE)
        if first > last:
            version.next_at = None
            return None
        self._plan(version, first)
        if version.next_at is None or version.next_at > last:
            return Due(job, first, first)
        self._plan(version, last)
        return Due(job, first, last)

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
        planned = version.job.next_instant(after) if version.job is not None else None
        if planned is not None and version.ends is not None and planned >= version.ends:
            planned = None
        version.next_at = planned
        if planned is not None:
            self._push(version, planned)

    def _push(self, version: _Version, instant: datetime) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (instant, self._pushed, version))

    def _tidy_up(self) -> None:
        if len(self._heap) > 2 * len(self._versions) + _VOID_ENTRIES:
            self._heap = []
            for version in (one for versions in self._versions.values() for one in versions):
                if version.next_at is not None:
                    self._push(version, version.next_at)
