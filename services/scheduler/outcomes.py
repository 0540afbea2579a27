"""What can become of a planned instant: it runs, it waits, or it does not run and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from services.scheduler.decision_log import WaitReason
from services.scheduler.known_jobs import NO_SLOT, KnownJob
from services.scheduler.waiting import Waiting


class NotRunAs(StrEnum):
    """Which decision says that instants do not run."""

    MISSED = "missed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Planned:
    """An instant that is to run, unless other runs of the job are in its way."""

    job: KnownJob
    instant: datetime
    catches_up: bool = False
    """Whether it waits its turn whatever the job's overlap policy says."""

    @property
    def slot(self) -> datetime | None:
        """When it may begin, where that is not the instant itself."""
        return self.instant + self.job.slot if self.job.slot > NO_SLOT else None


@dataclass(frozen=True, slots=True)
class Run:
    """A planned instant runs now."""

    job: KnownJob
    instant: datetime
    not_before: datetime | None = None
    cancels: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """A planned instant runs later."""

    job: KnownJob
    instant: datetime
    not_before: datetime | None
    reason: WaitReason


@dataclass(frozen=True, slots=True)
class NotRun:
    """Planned instants, from the first to the last of `count`, do not run."""

    job: KnownJob
    kind: NotRunAs
    first: datetime
    last: datetime
    count: int
    reason: str
    into: UUID | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """An instant that waited runs now."""

    waiting: Waiting
    cancels: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Cancel:
    """An instant that waited does not run after all."""

    waiting: Waiting
    reason: str
    into: UUID | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """An instant whose slot has come goes on waiting, behind the job's open runs. Nothing is published of it."""

    waiting: Waiting


Decision: TypeAlias = Run | Wait | NotRun | Release | Cancel | Join
