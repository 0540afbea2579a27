"""Pausing a job by an ordinary command that the gateway gives itself."""

from services.gateway.domain import job as job_rules
from services.gateway.domain.actor import SYSTEM
from services.gateway.store.aggregates import JOBS
from services.gateway.store.event_store import Change, Context
from shared.domain.job import Job
from shared.events import ChangeReason


def pause(job: Job, reason: ChangeReason, context: Context) -> list[Change]:
    """The changes that pause the job, to be appended in a transaction that has read it."""
    command = job_rules.UpdateJob(
        job_id=job.id,
        changes={"is_active": False},
        actor=SYSTEM,
        now=context.at,
        name_taken=False,
        reason=reason,
    )
    events = job_rules.decide(command, job_rules.JobState(job, job.version, job.effective_at))
    return [
        Change(aggregate=JOBS.name, aggregate_id=job.id, version=number, event=event)
        for number, event in enumerate(events, job.version + 1)
    ]
