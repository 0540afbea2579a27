"""Holding what a job's versions planned within a window against what its rows stand for."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from shared.domain.schedule import Schedule, fires_between

_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Version:
    """What a version of a job plans, from the instant on at which it comes into force until the next one does."""

    number: int
    begins: datetime
    schedule: Schedule | None
    """None where it plans nothing: the job is paused or deleted."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A planned instant, and the version in force at it."""

    version: int
    instant: datetime


@dataclass(frozen=True, slots=True)
class Range:
    """A row that stands for all planned instants from the first to the last."""

    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """Instants, counted and added up (in whole seconds): two different sets hardly ever agree in both."""

    count: int = 0
    seconds: int = 0

    @classmethod
    def of(cls, instants: Iterable[datetime]) -> "Tally":
        """The tally of these."""
        count = seconds = 0
        for instant in instants:
            count += 1
            seconds += int(instant.timestamp())
        return cls(count, seconds)

    def without(self, other: "Tally") -> "Tally":
        """What is left when these are taken away."""
        return Tally(self.count - other.count, self.seconds - other.seconds)


@dataclass(frozen=True, slots=True)
class Findings:
    """What does not agree."""

    unaccounted: tuple[tuple[Planned, ...], ...]
    """Stretches of planned instants without a row, each of one version and without an accounted one in between."""
    extra: int
    """Rows of instants that the version in force at them does not plan."""


def planned_instants(versions: Sequence[Version], after: datetime, until: datetime) -> Iterator[Planned]:
    """The planned instants in (after, until], ascending; `versions` are in their order. Raises as `fires_between` does."""
    ends = [later.begins - _BEFORE for _, later in pairwise(versions)]
    for version, ends_at in zip(versions, [*ends, until], strict=False):
        begin, end = max(after, version.begins - _BEFORE), min(until, ends_at)
        if version.schedule is not None and begin < end:
            for instant in fires_between(version.schedule, begin, end):
                yield Planned(version.number, instant)


def agrees(
    versions: Sequence[Version], single: Tally, ranges: Sequence[Range], after: datetime, until: datetime
) -> bool:
    """Whether the rows of the window stand for what was planned in it, as far as numbers tell.

    `single` are the rows that stand for one instant each; `ranges` may reach beyond the window.
    """
    if single.count == 0 and any(one.first <= after and until <= one.last for one in ranges):
        return True
    instants = (planned.instant for planned in planned_instants(versions, after, until))
    return Tally.of(instant for instant in instants if not _covered(instant, ranges)) == single


def compare(
    versions: Sequence[Version],
    single: Collection[datetime],
    ranges: Sequence[Range],
    after: datetime,
    until: datetime,
) -> Findings:
    """Which planned instants of the window no row stands for, and how many rows stand for none."""
    rows = set(single)
    planned = list(planned_instants(versions, after, until))
    judged = groupby(
        planned,
        key=lambda one: (one.version, one.instant in rows or _covered(one.instant, ranges)),
    )
    stretches = tuple(tuple(stretch) for (_, is_accounted), stretch in judged if not is_accounted)
    return Findings(stretches, len(rows - {one.instant for one in planned}))


def _covered(instant: datetime, ranges: Sequence[Range]) -> bool:
    return any(one.first <= instant <= one.last for one in ranges)
