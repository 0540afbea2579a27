"""Planned instants that wait: for their slot, or for other runs of their job to end."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from services.scheduler.decision_log import Entry, WaitReason

K = TypeVar("K", datetime, int)
_VOID_ENTRIES = 256
"""So many more than there are waiting runs may stand in a heap before it is tidied up."""


@dataclass(slots=True, eq=False)
class Waiting:
    """One run that waits."""

    job_id: UUID
    execution_id: UUID
    instant: datetime
    not_before: datetime | None
    reason: WaitReason
    order: bytes
    """What will be published: the order's JSON."""
    sequence: int
    """Of the decision, in the stream."""
    in_turn: bool
    """Whether it waits for other runs of its job, and no longer for its slot."""
    is_over: bool = False

    @property
    def catches_up(self) -> bool:
        """Whether it waits since the scheduler was down, and not for want of room."""
        return self.reason == "catch_up"


class WaitingRuns:
    """All runs that wait, by job; those that wait for their slot also by time."""

    def __init__(self) -> None:
        self._by_id: dict[UUID, Waiting] = {}
        self._by_job: dict[UUID, list[Waiting]] = {}
        self._by_slot: _Heap[datetime] = _Heap()
        self._by_sequence: _Heap[int] = _Heap()

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, entry: Entry) -> None:
        """One waits from now on; nothing happens if it does already."""
        if entry.waits is None or entry.execution_id in self._by_id:
            return
        waits = entry.waits
        in_turn = waits.reason != "spread" or waits.not_before is None
        waiting = Waiting(
            entry.job_id,
            entry.execution_id,
            entry.first,
            waits.not_before,
            waits.reason,
            waits.order,
            entry.sequence,
            in_turn,
        )
        self._by_id[waiting.execution_id] = waiting
        self._by_job.setdefault(waiting.job_id, []).append(waiting)
        self._by_sequence.push(entry.sequence, waiting, len(self._by_id))
        if not in_turn and waits.not_before is not None:
            self._by_slot.push(waits.not_before, waiting, len(self._by_id))

    def remove(self, execution_id: UUID) -> None:
        """It waits no longer; nothing happens if it did not."""
        waiting = self._by_id.pop(execution_id, None)
        if waiting is None:
            return
        waiting.is_over = True
        of_job = self._by_job[waiting.job_id]
        of_job.remove(waiting)
        if not of_job:
            del self._by_job[waiting.job_id]

    def next_slot(self) -> datetime | None:
        """When the next one's slot comes."""
        top = self._by_slot.top()
        return top[0] if top is not None else None

    def pop_slots(self, until: datetime, limit: int) -> set[UUID]:
        """The jobs of up to `limit` runs whose slot has come; each run comes once."""
        jobs: set[UUID] = set()
        for _ in range(limit):
            top = self._by_slot.top()
            if top is None or top[0] > until:
                break
            self._by_slot.pop()
            jobs.add(top[1].job_id)
        return jobs

    def ready(self, job_id: UUID, until: datetime) -> Sequence[Waiting]:
        """A job's runs that wait in turn, or whose slot has come."""
        return [
            one
            for one in self._by_job.get(job_id, ())
            if one.in_turn or (one.not_before is not None and one.not_before <= until)
        ]

    def jobs_in_turn(self) -> set[UUID]:
        """The jobs of which runs wait for others to end."""
        return {one.job_id for one in self._by_id.values() if one.in_turn}

    def waits_in_turn(self, job_id: UUID) -> bool:
        """Whether runs of the job wait for others to end."""
        return any(one.in_turn for one in self._by_job.get(job_id, ()))

    def oldest_sequence(self) -> int | None:
        """Where the oldest decision stands whose run is not published."""
        top = self._by_sequence.top()
        return top[0] if top is not None else None


class _Heap(Generic[K]):
    """Waiting runs by a key; those that are over stand in it until they come up, or are too many."""

    def __init__(self) -> None:
        self._entries: list[tuple[K, int, Waiting]] = []
        self._pushed = 0

    def push(self, key: K, waiting: Waiting, live: int) -> None:
        """Put one in; `live` says how many there are that are not over."""
        self._pushed += 1
        entry: tuple[Any, int, Waiting] = (key, self._pushed, waiting)
        heapq.heappush(self._entries, entry)
        if len(self._entries) > 2 * live + _VOID_ENTRIES:
            self._entries = [entry for entry in self._entries if not entry[2].is_over]
            heapq.heapify(self._entries)

    def top(self) -> tuple[K, Waiting] | None:
        """The one with the lowest key."""
        while self._entries and self._entries[0][2].is_over:
            heapq.heappop(self._entries)
        return (self._entries[0][0], self._entries[0][2]) if self._entries else None

    def pop(self) -> None:
        """Take it out."""
        heapq.heappop(self._entries)
