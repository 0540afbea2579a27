"""What becomes of planned instants: run, or missed and why. Pure: two leaders that look at the same instants decide alike."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from services.scheduler.timetable import Due
from shared.bus import subjects
from shared.bus.envelope import Outgoing, pack
from shared.domain.execution import Kind
from shared.domain.ids import decision_message_id, planned_execution_id
from shared.events import InstantsMissed, RunFacts, RunTriggered

ON_TIME = timedelta(seconds=10)
"""An instant that is decided this soon after its time is not late: it runs whatever else is due."""

COALESCED = "The scheduler was down; a later instant of the job runs in its place"
TOO_LATE = "The scheduler was down for longer than the job's misfire grace"


def decide(
    dues: Iterable[Due], horizon: datetime, now: datetime, generation: int
) -> list[RunTriggered | InstantsMissed]:
    """One decision for each due instant, as of `horizon` (which a successor reuses, so that it decides alike).

    Of a job's late instants the latest runs, if it lies within the job's grace; the earlier ones are missed, with a link
    to that run.
    """
    decisions: list[RunTriggered | InstantsMissed] = []
    ordered = sorted(dues, key=lambda due: (due.job.id, due.instant))
    for _, of_job in groupby(ordered, key=lambda due: due.job.id):
        decisions += _decide_job(list(of_job), horizon, now, generation)
    return sorted(decisions, key=planned_instant)


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
    dues: Sequence[Due], horizon: datetime, now: datetime, generation: int
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


def _run(due: Due, now: datetime, generation: int) -> RunTriggered:
    job = due.job
    execution_id = planned_execution_id(job.id, due.instant)
    return RunTriggered.of(job, RunFacts.of(job, execution_id, Kind.SCHEDULED, now, due.instant), generation)


def _missed(due: Due, into: UUID | None, now: datetime, generation: int) -> InstantsMissed:
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
