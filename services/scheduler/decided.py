"""What was decided: a leader looks before it decides.

Instants are kept in whole seconds, as they stand in ids: two instants of a job in one second are one.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.scheduler.decision_log import Entry, entries
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.reader import StreamReader

JOBS_AT_A_TIME = 100
_SECOND = timedelta(seconds=1)


class Stretch(NamedTuple):
    """A range: it covers each instant within it that one version of the job planned, or whatever version did (None)."""

    begin: int
    end: int
    version: int | None

    def is_about(self, version: int) -> bool:
        """Whether it covers what this version planned."""
        return self.version is None or self.version == version


class DecidedOfJob:
    """The instants of one job that are decided: single ones, and ranges."""

    __slots__ = ("_instants", "_ranges")

    def __init__(self) -> None:
        self._instants = array("q")
        self._ranges: list[Stretch] = []

    def add(self, first: datetime, last: datetime, version: int | None = None) -> None:
        """From the first to the last one, which may be the same."""
        begin, end = _second(first), _second(last)
        if begin == end:
            self._instants.append(begin)
        else:
            self._ranges.append(Stretch(begin, end, version))

    def add_all(self, other: "DecidedOfJob") -> None:
        """What another one knows too."""
        self._instants.extend(other._instants)
        self._ranges.extend(other._ranges)

    def forget(self, until: datetime) -> bool:
        """Keep only what reaches beyond `until`; returns whether anything does."""
        limit = _second(until)
        self._instants = array("q", (one for one in self._instants if one > limit))
        self._ranges = [one for one in self._ranges if one.end > limit]
        return bool(self._instants or self._ranges)

    def ranges_of_others(self, version: int, first: datetime, last: datetime) -> set[Stretch]:
        """The ranges of other versions than this one that reach into [first, last]."""
        begin, end = _second(first), _second(last)
        return {
            one for one in self._ranges if not one.is_about(version) and one.begin <= end and begin <= one.end
        }

    def spell_out(self, stretch: Stretch, instants: Iterable[datetime] | None) -> None:
        """Replace a range by the instants that it stands for; None where nobody knows any more: it covers all then."""
        self._ranges.remove(stretch)
        if instants is None:
            self._ranges.append(stretch._replace(version=None))
        else:
            self._instants.extend(_second(one) for one in instants)

    def stretches(self, version: int) -> list[tuple[int, int]]:
        """The seconds that are decided for a version, as ranges in ascending order that neither meet nor overlap."""
        merged: list[tuple[int, int]] = []
        ranges = [(one.begin, one.end) for one in self._ranges if one.is_about(version)]
        for begin, end in sorted([*ranges, *((one, one) for one in self._instants)]):
            if merged and begin <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((begin, end))
        return merged

    def covers(self, instant: datetime, version: int) -> bool:
        """Whether an instant that the version planned is decided."""
        second = _second(instant)
        return second in self._instants or any(
            one.is_about(version) and one.begin <= second <= one.end for one in self._ranges
        )


class Decided:
    """The same of all jobs."""

    def __init__(self) -> None:
        self._jobs: dict[UUID, DecidedOfJob] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, entry: Entry) -> None:
        """What a decision is about."""
        self._jobs.setdefault(entry.job_id, DecidedOfJob()).add(entry.first, entry.last, entry.version)

    def add_all(self, other: "Decided") -> None:
        """What another one knows too."""
        for job_id, theirs in other._jobs.items():
            self._jobs.setdefault(job_id, DecidedOfJob()).add_all(theirs)

    def of(self, job_id: UUID) -> DecidedOfJob | None:
        """One job's; None where nothing of it is decided."""
        return self._jobs.get(job_id)

    def forget(self, until: datetime) -> None:
        """Keep only what reaches beyond `until`."""
        self._jobs = {job_id: one for job_id, one in self._jobs.items() if one.forget(until)}


def open_stretches(
    decided: DecidedOfJob | None, version: int, first: datetime, last: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """The pieces of [first, last] in which nothing that the version planned is decided, ascending."""
    begin = first
    for low, high in decided.stretches(version) if decided is not None else ():
        decided_from, decided_to = moment(low), moment(high) + _SECOND
        if decided_to <= begin:
            continue
        if decided_from > last:
            break
        if decided_from > begin:
            yield begin, decided_from - timedelta(microseconds=1)
        begin = decided_to
    if begin <= last:
        yield begin, last


async def read_decided(bus: Bus, generation: int, job_ids: Sequence[UUID]) -> Decided:
    """All that the stream says of decisions on these jobs' instants.

    A decision of an older generation, stored late by a leader that stood still, does not count: nobody runs it.

    Raises nats-py's errors or `ConsumerGone` when the stream cannot be read to its end.
    """
    decided = Decided()
    for start in range(0, len(job_ids), JOBS_AT_A_TIME):
        some = job_ids[start : start + JOBS_AT_A_TIME]
        wanted = [subjects.trigger("*", one) for one in some] + [subjects.decision(one) for one in some]
        async for batch in StreamReader(bus, subjects.TRIGGERS, subjects=wanted).read_to_end():
            for entry in entries(batch, generation):
                decided.add(entry)
    return decided


def moment(second: int) -> datetime:
    """The beginning of a second."""
    return datetime.fromtimestamp(second, UTC)


def _second(instant: datetime) -> int:
    return int(instant.timestamp() // 1)
