"""Taking turns: what becomes of a job's runs while earlier ones of it have not ended. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.scheduler.decided import DecidedOfJob
from services.scheduler.known_jobs import KnownJob
from services.scheduler.outcomes import Cancel, Decision, Join, NotRun, NotRunAs, Planned, Release, Run, Wait
from services.scheduler.waiting import Waiting
from shared.domain.ids import planned_execution_id
from shared.domain.job import OverlapPolicy

MAX_QUEUED = 10
"""So many instants of a job wait for a run to end; catching up, `MAX_CATCHING_UP`."""
MAX_CATCHING_UP = 100
OVERLAP = "An earlier run of the job had not ended"
QUEUE_FULL = f"{MAX_QUEUED} instants of the job were waiting already"
CATCH_UP_FULL = f"{MAX_CATCHING_UP} instants of the job were waiting to be caught up already"
REPLACED = "A later run of the job took its place"
DELETED = "The job was deleted before it ran"
PAUSED = "The job was paused before it ran"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands when its instants are decided."""

    newest: KnownJob | None
    """Its newest version; None when it is deleted."""
    open: Sequence[tuple[datetime, UUID]] = ()
    """Its planned runs that have not ended: instant and execution."""
    waiting: Sequence[Waiting] = ()
    """Its runs that wait behind others, and those whose slot has come."""
    decided: DecidedOfJob | None = None
    covered_until: datetime | None = None
    """The checkpoint. What waits behind it was decided by whoever takes this look, or by a leader whose look it goes on with."""

    @property
    def gone(self) -> str | None:
        """Why nothing of it runs any more; None where it may."""
        if self.newest is None:
            return DELETED
        return None if self.newest.is_active or self.newest.has_ended else PAUSED


def take_turns(runs: Sequence[Planned], standing: Standing, horizon: datetime) -> list[Decision]:
    """What becomes of the instants that are to run and of those that wait, in the order of the instants.

    Whoever waits goes before a later instant. `waiting` may hold runs whose slot has come: they are treated as if they
    were due now.
    """
    turns = _Turns(standing, horizon)
    candidates: list[Planned | Waiting] = [*runs, *standing.waiting]
    for one in sorted(candidates, key=_instant):
        if isinstance(one, Planned):
            turns.plan(one)
        else:
            turns.go_on(one)
    return turns.decisions


class _Turns:
    """One job's runs, instant by instant."""

    def __init__(self, standing: Standing, horizon: datetime) -> None:
        self.decisions: list[Decision] = []
        self._newest = standing.newest
        self._gone = standing.gone
        self._horizon = horizon
        self._open = sorted(standing.open)
        self._stay = False
        """Whether an earlier instant goes on waiting: no later one may pass it, except to replace it."""
        self._covered_until = standing.covered_until
        self._staying: list[Waiting] = []
        self._queued = sum(1 for one in standing.waiting if one.in_turn and not one.catches_up)
        self._catching_up = sum(1 for one in standing.waiting if one.catches_up)

    def plan(self, planned: Planned) -> None:
        """An instant that is due."""
        job, slot = planned.job, planned.slot
        if self._gone is not None:
            self._leave_out(planned, NotRunAs.SKIPPED, self._gone)
        elif slot is not None and slot > self._horizon:
            self.decisions.append(Wait(job, planned.instant, slot, "spread"))
        elif self._has_room(job):
            self._run(planned)
        elif planned.catches_up:
            if self._catching_up < MAX_CATCHING_UP:
                self._catching_up += 1
                self._stay = True
                self.decisions.append(Wait(job, planned.instant, slot, "catch_up"))
            else:
                self._leave_out(planned, NotRunAs.MISSED, CATCH_UP_FULL)
        elif job.overlap_policy is OverlapPolicy.CANCEL_RUNNING:
            self._replace_waiting(planned_execution_id(job.id, planned.instant))
            self._run(planned, self._make_room(job))
        elif job.overlap_policy is OverlapPolicy.SKIP:
            self._leave_out(planned, NotRunAs.SKIPPED, OVERLAP)
        elif self._queued < MAX_QUEUED:
            self._queued += 1
            self._stay = True
            self.decisions.append(Wait(job, planned.instant, slot, "overlap"))
        else:
            self._leave_out(planned, NotRunAs.SKIPPED, QUEUE_FULL)

    def go_on(self, waiting: Waiting) -> None:
        """An instant that waits."""
        job = self._newest
        if job is None or self._gone is not None:
            self._leave(waiting)
            self.decisions.append(Cancel(waiting, self._gone or DELETED))
        elif self._has_room(job):
            self._leave(waiting)
            self._release(waiting)
        elif waiting.in_turn:
            self._stay = True
            # A predecessor that began this look knew nothing yet of those that it has decided in it.
            if self._covered_until is not None and waiting.instant <= self._covered_until:
                self._staying.append(waiting)
        elif job.overlap_policy is OverlapPolicy.CANCEL_RUNNING:
            self._replace_waiting(waiting.execution_id)
            self._release(waiting, self._make_room(job))
        elif job.overlap_policy is OverlapPolicy.QUEUE and self._queued < MAX_QUEUED:
            self._queued += 1
            self._stay = True
            self.decisions.append(Join(waiting))
        else:
            full = job.overlap_policy is OverlapPolicy.QUEUE
            self.decisions.append(Cancel(waiting, QUEUE_FULL if full else OVERLAP, self._oldest()))

    def _has_room(self, job: KnownJob) -> bool:
        return not self._stay and len(self._open) < job.max_instances

    def _make_room(self, job: KnownJob) -> tuple[UUID, ...]:
        """Call off the oldest open runs, so that one more may run."""
        surplus = max(0, len(self._open) - job.max_instances + 1)
        called_off, self._open = self._open[:surplus], self._open[surplus:]
        return tuple(execution_id for _, execution_id in called_off)

    def _replace_waiting(self, by: UUID) -> None:
        """Who waits behind what is called off would be passed by each new run, and wait for ever."""
        for waiting in self._staying:
            self._leave(waiting)
            self.decisions.append(Cancel(waiting, REPLACED, by))
        self._staying.clear()

    def _run(self, planned: Planned, cancels: tuple[UUID, ...] = ()) -> None:
        execution_id = planned_execution_id(planned.job.id, planned.instant)
        self._open.append((planned.instant, execution_id))
        self.decisions.append(Run(planned.job, planned.instant, planned.slot, cancels))

    def _release(self, waiting: Waiting, cancels: tuple[UUID, ...] = ()) -> None:
        self._open.append((waiting.instant, waiting.execution_id))
        self.decisions.append(Release(waiting, cancels))

    def _leave(self, waiting: Waiting) -> None:
        if waiting.catches_up:
            self._catching_up -= 1
        elif waiting.in_turn:
            self._queued -= 1

    def _leave_out(self, planned: Planned, kind: NotRunAs, reason: str) -> None:
        instant = planned.instant
        into = None if reason == self._gone else self._oldest()
        self.decisions.append(NotRun(planned.job, kind, instant, instant, 1, reason, into))

    def _oldest(self) -> UUID | None:
        return self._open[0][1] if self._open else None


def _instant(one: Planned | Waiting) -> datetime:
    return one.instant
