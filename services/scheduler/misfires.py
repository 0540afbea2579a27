"""Instants whose time passed while nobody decided on them: which of them run after all. Pure.

Which are late, and what becomes of them, follows from the plan and the horizon alone, whatever is decided already; that is then
left out. So a leader that takes over in the midst goes on as its predecessor would have.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.scheduler.decided import DecidedOfJob, open_stretches
from services.scheduler.known_jobs import KnownJob
from services.scheduler.outcomes import NotRun, NotRunAs, Planned
from services.scheduler.timetable import Due
from shared.domain.ids import planned_execution_id
from shared.domain.job import MisfirePolicy
from shared.domain.schedule import count_fires, fires_between, latest_fires, next_fire

ON_TIME = timedelta(seconds=10)
"""An instant that is decided this soon after its time is not late: it runs whatever else is due."""
MAX_SINGLE = 100
"""So many late instants of a job, the newest, are decided one by one; the older ones in ranges."""
COALESCED = "The scheduler was down; a later instant of the job runs in its place"
TOO_LATE = "The scheduler was down for longer than the job's misfire grace"
NOT_MADE_UP = "The scheduler was down, and the job does not make up for that"
TOO_MANY = f"The scheduler was down; only the latest {MAX_SINGLE} instants of the job run after all"
_INSTANT = timedelta(microseconds=1)


def sort_out(
    dues: Sequence[Due], horizon: datetime, decided: DecidedOfJob | None, gone: str | None = None
) -> tuple[list[Planned], list[NotRun]]:
    """Part one job's undecided instants into those that are to run and those that were missed; both ascending.

    `gone` says why none that is late runs after all, where the job was paused or deleted meanwhile.
    """
    late = _Late(horizon, decided, gone)
    late_until = horizon - ON_TIME - _INSTANT
    on_time = [Planned(due.job, instant) for due in dues for instant in _between(due, late_until, due.until)]
    if on_time:
        late.stand_in = min(on_time, key=lambda one: one.instant)
    for due in sorted(dues, key=lambda due: due.first, reverse=True):
        if due.first <= late_until:
            late.sort_out(due, min(due.until, late_until))
    runs = [*late.runs, *on_time]
    if decided is not None:
        runs = [one for one in runs if not decided.covers(one.instant, one.job.version)]
    return sorted(runs, key=lambda one: one.instant), sorted(late.missed, key=lambda one: one.first)


class _Late:
    """The late instants of one job, looked at from the newest to the oldest."""

    def __init__(self, horizon: datetime, decided: DecidedOfJob | None, gone: str | None) -> None:
        self.runs: list[Planned] = []
        self.missed: list[NotRun] = []
        self.stand_in: Planned | None = None
        """The next later instant that runs: it stands for those that do not."""
        self._horizon = horizon
        self._decided = decided
        self._gone = gone
        self._singles = MAX_SINGLE

    def sort_out(self, due: Due, until: datetime) -> None:
        """One version's instants up to `until`; those of newer versions come first."""
        job, begin = due.job, due.first
        singles = latest_fires(job.schedule, begin - _INSTANT, until, self._singles) if self._singles else []
        self._singles -= len(singles)
        for instant in reversed(singles):
            self._sort_out_one(job, instant)
        if singles:
            until = singles[0] - _INSTANT
        if begin <= until:
            self._sort_out_older(job, begin, until)

    def _sort_out_one(self, job: KnownJob, instant: datetime) -> None:
        within_grace = self._may_run(job, instant)
        runs = within_grace and (
            job.misfire_policy is MisfirePolicy.RUN_ALL
            or (job.misfire_policy is MisfirePolicy.RUN_LATEST and self.stand_in is None)
        )
        if runs:
            self._run(Planned(job, instant, job.misfire_policy is MisfirePolicy.RUN_ALL))
        elif self._decided is None or not self._decided.covers(instant, job.version):
            reason, into = self._why_not(job, within_grace)
            self.missed.append(NotRun(job, NotRunAs.MISSED, instant, instant, 1, reason, into))

    def _sort_out_older(self, job: KnownJob, begin: datetime, until: datetime) -> None:
        """What lies too far back for decisions of its own. The latest of it runs where no later instant does."""
        if job.misfire_policy is MisfirePolicy.RUN_LATEST and self.stand_in is None:
            latest = latest_fires(job.schedule, begin - _INSTANT, until, 1)
            if latest and self._may_run(job, latest[0]):
                self._run(Planned(job, latest[0]))
                until = latest[0] - _INSTANT
        # Only where each one could have run do they differ in why they do not.
        runs_all = self._gone is None and job.misfire_policy is MisfirePolicy.RUN_ALL
        in_time = self._horizon - job.grace if runs_all else begin
        for first, last, within_grace in ((in_time, until, True), (begin, in_time - _INSTANT, False)):
            reason, into = self._why_not(job, within_grace)
            self._leave_out(job, max(first, begin), min(last, until), reason, into)

    def _run(self, planned: Planned) -> None:
        self.runs.append(planned)
        self.stand_in = planned

    def _leave_out(
        self, job: KnownJob, begin: datetime, until: datetime, reason: str, into: UUID | None
    ) -> None:
        """Ranges over what is planned in [begin, until] and not decided."""
        if begin > until:
            return
        for first, last, count in _ranges(job, self._decided, begin, until):
            self.missed.append(NotRun(job, NotRunAs.MISSED, first, last, count, reason, into))

    def _why_not(self, job: KnownJob, within_grace: bool) -> tuple[str, UUID | None]:
        if self._gone is not None:
            return self._gone, None
        if job.misfire_policy is MisfirePolicy.SKIP:
            return NOT_MADE_UP, None
        if job.misfire_policy is MisfirePolicy.RUN_ALL:
            return (TOO_MANY if within_grace else TOO_LATE), None
        if self.stand_in is None:
            return TOO_LATE, None
        return COALESCED, planned_execution_id(self.stand_in.job.id, self.stand_in.instant)

    def _may_run(self, job: KnownJob, instant: datetime) -> bool:
        return self._gone is None and self._horizon - instant <= job.grace


def _between(due: Due, after: datetime, until: datetime) -> Iterator[datetime]:
    """What is due in (after, until]."""
    if due.first > after:
        yield from due.instants()
    elif due.until > after:
        yield from fires_between(due.job.schedule, after, until)


def _ranges(
    job: KnownJob, decided: DecidedOfJob | None, begin: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime, int]]:
    """First and last instant and their number, of each stretch in [begin, until] with nothing decided in it."""
    for low, high in open_stretches(decided, job.version, begin, until):
        first = next_fire(job.schedule, low - _INSTANT)
        if first is None or first > high:
            continue
        [last] = latest_fires(job.schedule, first - _INSTANT, high, 1)
        yield first, last, count_fires(job.schedule, first - _INSTANT, high)
