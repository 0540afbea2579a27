"""Domain events of jobs: each carries the whole job after the change, and before it."""

from typing import Literal, TypeAlias

from pydantic import AwareDatetime

from shared.domain.job import Job
from shared.events.base import Event

ChangeReason: TypeAlias = Literal["ended", "failing", "calendar"]
"""`ended`: its last day is over; `failing`: too many failures in a row; `calendar`: a calendar that it follows changed."""


class JobEvent(Event):
    """A change of a job: the whole job after it and before it (absent where there is none)."""

    job: Job | None
    before: Job | None = None

    @property
    def current(self) -> Job:
        """The newest state there is: after the change, or before it when the job is gone."""
        state = self.job or self.before
        if state is None:
            raise ValueError("a job event carries a state")
        return state


class JobCreated(JobEvent):
    """A job exists from now on."""

    type: Literal["job.created"] = "job.created"
    job: Job


class JobUpdated(JobEvent):
    """A job changed; pausing and resuming are changes of `is_active`."""

    type: Literal["job.updated"] = "job.updated"
    job: Job
    before: Job
    reason: ChangeReason | None = None
    """Why the system changed it by itself."""


class JobDeleted(JobEvent):
    """A job is gone; `version` and `effective_at` say which change that was."""

    type: Literal["job.deleted"] = "job.deleted"
    job: None = None
    before: Job
    version: int
    effective_at: AwareDatetime


class JobRestored(JobEvent):
    """A deleted job exists again, as it was or as its rules want it now."""

    type: Literal["job.restored"] = "job.restored"
    job: Job


class JobsSeeded(Event):
    """All jobs of this generation stand before this marker; a job that is absent is deleted."""

    type: Literal["job.seeded"] = "job.seeded"
    generation: int
