"""What becomes of planned instants: run, or missed and why. Pure: two leaders that look at the same instants decide alike."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.scheduler.timetable import Due
from shared.bus import subjects
from shared.bus.envelope import Outgoing, pack
from shared.domain.execution import Kind
from shared.domain.ids import decision_message_id, planned_execution_id
from shared.domain.job import Job
from shared.events import InstantsMissed, RunFacts, RunTriggered

ON_TIME = timedelta(seconds=10)
"""An instant that is decided this soon after its time is not late: it runs whatever else is due."""

COALESCED = "The scheduler was down; a later instant of the job runs in its place"
TOO_LATE = "The scheduler was down for longer than the job's misfire grace"


@dataclass(frozen=True, slots=True)
class _Planned:
    """One instant and the version of its job that is in force at it."""

    job: Job
    instant: datetime


def decide(
    dues: Iterable[Due], horizon: datetime, now: datetime, generation: int
) -> Iterator[list[RunTriggered | InstantsMissed]]:
    """One decision for each due instant, job by job, as of `horizon` (which a successor reuses, so that it decides alike).

    Of a job's late instants the latest runs, if it lies within the job's grace; the earlier ones are missed, with a link
    to that run.
    """
    by_job: defaultdict[UUID, list[Due]] = defaultdict(list)
    for due in dues:
        by_job[due.job.id].append(due)
    for of_job in by_job.values():
        planned = sorted(
            (_Planned(due.job, instant) for due in of_job for instant in due.instants()),
            key=lambda one: one.instant,
        )
        yield _decide_job(planned, horizon, now, generation)


def planned_instant(decision: RunTriggered | InstantsMissed) -> datetime:
    """The instant that was decided on."""
    if isinstance(decision, InstantsMissed):
        return decision.from_
    if decision.facts.planned_at is None:
        raise ValueError("a decision has a planned instant")
    return decision.facts.planned_at


def message(decision: RunTriggered | InstantsMissed) -> Outgoing:
    """The message of a decision: one id per planned instant, whatever was decided."""
    instant = planned_instant(decision)
    if isinstance(decision, RunTriggered):
        job_id: UUID = decision.facts.job_id
        subject = subjects.trigger(decision.facts.queue, job_id)
    else:
        job_id = decision.job_id
        subject = subjects.decision(job_id)
    message_id = decision_message_id(job_id, instant)
    return pack(
        decision,
        subject=subject,
        source="scheduler",
        event_id=message_id,
        time=instant,
        message_id=message_id,
    )


def _decide_job(
    dues: Sequence[_Planned], horizon: datetime, now: datetime, generation: int
) -> list[RunTriggered | InstantsMissed]:
    runs = [due for due in dues if horizon - due.instant <= ON_TIME]
    if not runs:
        latest = dues[-1]
        if horizon - latest.instant <= timedelta(seconds=latest.job.misfire_grace_seconds):
            runs = [latest]
    missed = dues[: len(dues) - len(runs)]
    into = planned_execution_id(runs[0].job.id, runs[0].instant) if runs else None
    return [
        *(_missed(due, into, now, generation) for due in missed),
        *(_run(due, now, generation) for due in runs),
    ]


def _run(due: _Planned, now: datetime, generation: int) -> RunTriggered:
    job = due.job
    execution_id = planned_execution_id(job.id, due.instant)
    return RunTriggered.of(job, RunFacts.of(job, execution_id, Kind.SCHEDULED, now, due.instant), generation)


def _missed(due: _Planned, into: UUID | None, now: datetime, generation: int) -> InstantsMissed:
    job = due.job
    return InstantsMissed(
        job_id=job.id,
        job_version=job.version,
        job_name=job.name,
        account_id=job.account_id,
        owner_id=job.owner_id,
        execution_id=planned_execution_id(job.id, due.instant),
        from_=due.instant,
        to=due.instant,
        reason=COALESCED if into is not None else TOO_LATE,
        into=into,
        target_kind=job.target.kind,
        target_label=job.target.label,
        queue=job.queue,
        decided_at=now,
        generation=generation,
    )
