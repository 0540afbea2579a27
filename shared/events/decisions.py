"""Decisions on planned instants, and runs that people asked for: the messages of TRIGGERS."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.domain.execution import Kind
from shared.domain.job import Job, Notifications, Target
from shared.events.base import Event


class RunFacts(BaseModel):
    """What every message about an execution repeats, so that any of them can create its whole row."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    execution_id: UUID
    job_id: UUID
    job_version: int
    job_name: str
    account_id: UUID
    owner_id: UUID
    kind: Kind
    planned_at: AwareDatetime | None = None
    """The planned instant; None where a person asked for the run."""
    not_before: AwareDatetime | None = None
    """Its slot, where the job spreads its runs; None where that is the planned instant."""
    backfills: AwareDatetime | None = None
    """The planned instant that it makes up for."""
    queue: str
    target_kind: str
    target_label: str
    queued_at: AwareDatetime
    pic_team: str | None = None
    notifications: Notifications = Notifications()

    @classmethod
    def of(
        cls, job: Job, execution_id: UUID, kind: Kind, queued_at: datetime, planned_at: datetime | None = None
    ) -> Self:
        """The facts of an execution of this version of a job."""
        return cls(
            execution_id=execution_id,
            job_id=job.id,
            job_version=job.version,
            job_name=job.name,
            account_id=job.account_id,
            owner_id=job.owner_id,
            kind=kind,
            planned_at=planned_at,
            queue=job.queue,
            target_kind=job.target.kind,
            target_label=job.target.label,
            queued_at=queued_at,
            pic_team=job.pic_team,
            notifications=job.notifications,
        )


class RunTriggered(Event):
    """Run this now. The whole work order: no executor asks anybody back."""

    type: Literal["trigger.run"] = "trigger.run"
    facts: RunFacts
    target: Target
    metadata: dict[str, Any] = Field(default_factory=dict)
    timeout_seconds: float
    generation: int
    redrive: int = 0
    sealed_overrides: str | None = None
    """What this run has of its own (`shared.overrides`): only an executor reads it."""
    cancels: tuple[UUID, ...] = ()
    """Executions of the job that end before this one begins (`overlap_policy` cancel_running)."""

    @classmethod
    def of(cls, job: Job, facts: RunFacts, generation: int, redrive: int = 0) -> Self:
        """The order to run this version of a job."""
        return cls(
            facts=facts,
            target=job.target,
            metadata=job.metadata,
            timeout_seconds=job.timeout_seconds,
            generation=generation,
            redrive=redrive,
        )


class RunWaiting(Event):
    """A planned instant will run, later: at its slot, or when another run of the job has ended.

    The order is complete; the leader publishes it under `released_message_id`, or `RunCancelled` in its place.
    """

    type: Literal["decision.waiting"] = "decision.waiting"
    order: RunTriggered
    reason: Literal["spread", "overlap", "catch_up"]

    @property
    def generation(self) -> int:
        """In which it was decided."""
        return self.order.generation


class InstantsNotRun(Event):
    """Planned instants, from the first to the last of `count`, that do not run, and why.

    `into` names the run that stands for them, if any.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    job_id: UUID
    job_version: int
    job_name: str
    account_id: UUID
    owner_id: UUID
    execution_id: UUID
    from_: Annotated[AwareDatetime, Field(alias="from")]
    to: AwareDatetime
    count: int = 1
    reason: str
    into: UUID | None = None
    target_kind: str
    target_label: str
    queue: str
    decided_at: AwareDatetime
    generation: int

    def body(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude={"type"}, by_alias=True)


class InstantsMissed(InstantsNotRun):
    """Their time passed while nobody decided on them."""

    type: Literal["decision.missed"] = "decision.missed"


class InstantsSkipped(InstantsNotRun):
    """The job's rules say that they do not run."""

    type: Literal["decision.skipped"] = "decision.skipped"


class RunCancelled(InstantsNotRun):
    """An instant that waited and will not run after all."""

    type: Literal["decision.cancelled"] = "decision.cancelled"


class InstantSettled(Event):
    """A planned instant was decided in an earlier generation of the store; its row stands in SQL."""

    type: Literal["decision.settled"] = "decision.settled"
    job_id: UUID
    execution_id: UUID
    planned_at: AwareDatetime
    to: AwareDatetime | None = None
    """The last of the instants that the row stands for; None where `planned_at` is the only one."""
    job_version: int | None = None
    """The version of the job that planned them."""
    generation: int


class CheckpointReached(Event):
    """Every planned instant up to `until` is decided, for every job event up to `events_seq`."""

    type: Literal["scheduler.checkpoint"] = "scheduler.checkpoint"
    until: AwareDatetime
    events_seq: int
    decisions_seq: int
    generation: int
    catchup_until: AwareDatetime | None = None
    leader: str | None = None


Decision: TypeAlias = (
    RunTriggered
    | RunWaiting
    | InstantsMissed
    | InstantsSkipped
    | RunCancelled
    | InstantSettled
    | CheckpointReached
)
