"""Commands on jobs, as their owner gives them."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.gateway.domain.actor import Actor, Role
from services.gateway.domain.job import (
    CreateJob,
    DeleteJob,
    JobState,
    RestoreJob,
    UpdateJob,
    decide,
    evolve,
)
from shared.domain.job import Job
from shared.domain.schedule import CronSchedule
from tests.fixtures.builders import SOME_TIME, make_job
from tests.fixtures.decider import Decider

JOBS = Decider(JobState(), decide, evolve)
given = JOBS.given

LATER = SOME_TIME + timedelta(minutes=1)
EARLIER = SOME_TIME - timedelta(hours=1)
JUST_AFTER = SOME_TIME + timedelta(microseconds=1)
OWNER = uuid4()
AS_OWNER = Actor(OWNER, Role.USER)
AS_ADMIN = Actor(uuid4(), Role.ADMIN)
NOT_THEIRS = [Actor(uuid4(), Role.USER), Actor(uuid4(), Role.VIEWER), Actor(OWNER, Role.VIEWER)]
NOT_THEIRS_NAMES = ["another user", "a viewer", "the owner, a viewer by now"]


def job_of_owner(**overrides: Any) -> Job:
    """A job of the one who gives the commands."""
    return make_job(**{"owner_id": OWNER, **overrides})


def ending(day: date | None, zone: str = "Asia/Tokyo") -> CronSchedule:
    """A minutely schedule with that last day."""
    return CronSchedule(expression="* * * * *", timezone=zone, end_date=day)


def create(job: Job, **overrides: Any) -> CreateJob:
    """By its owner, now."""
    return CreateJob(**{"job": job, "actor": AS_OWNER, "now": SOME_TIME, "name_taken": False, **overrides})


def update(job: Job, changes: dict[str, Any], **overrides: Any) -> UpdateJob:
    """By its owner, a minute later."""
    values = {"job_id": job.id, "changes": changes, "actor": AS_OWNER, "now": LATER, "name_taken": False}
    return UpdateJob(**{**values, **overrides})


def delete(job_id: UUID, **overrides: Any) -> DeleteJob:
    """By its owner, a minute later."""
    return DeleteJob(**{"job_id": job_id, "actor": AS_OWNER, "now": LATER, **overrides})


def restore(job_id: UUID, **overrides: Any) -> RestoreJob:
    """By its owner, a minute later."""
    values = {"job_id": job_id, "actor": AS_OWNER, "now": LATER, "name_taken": False, "slugs": {}}
    return RestoreJob(**{**values, **overrides})


def next_version(job: Job, at: datetime = LATER, effective_at: datetime | None = None, **changes: Any) -> Job:
    """The job after a change at that time."""
    times = {"version": job.version + 1, "updated_at": at, "effective_at": effective_at or at}
    return job.model_copy(update={**changes, **times})
