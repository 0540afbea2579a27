"""Every message on the bus, typed. Wire names and versions are explicit, so that classes may be renamed.

Four families: domain events (EVENTS), decisions on planned instants (TRIGGERS), reports of executions (EXECUTIONS)
and notifications for the inbox (INBOX). A field is only ever added, and optional; a changed meaning is a new
version with an upcaster in `UPCASTERS`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from shared.domain.execution import Kind, Phase
from shared.domain.job import Job, Target


class Event(BaseModel):
    """What all messages share; `type` travels in the envelope, not in the body."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: ClassVar[int] = 1
    type: str

    def body(self) -> dict[str, Any]:
        """The JSON-ready body, as stored and as sent."""
        return self.model_dump(mode="json", exclude={"type"})


# Domain events ------------------------------------------------------------------------------------------------


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


class JobDeleted(JobEvent):
    """A job is gone; `version` and `effective_at` say which change that was."""

    type: Literal["job.deleted"] = "job.deleted"
    job: None = None
    before: Job
    version: int
    effective_at: AwareDatetime


class JobsSeeded(Event):
    """All jobs of this generation stand before this marker; a job that is absent is deleted."""

    type: Literal["job.seeded"] = "job.seeded"
    generation: int


class User(BaseModel):
    """A user as other services may see one: no credentials."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: UUID
    username: str
    email: str
    role: Literal["admin", "user", "viewer"]
    is_active: bool = True
    token_version: int = 1
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class UserRegistered(Event):
    """A user exists from now on."""

    type: Literal["user.registered"] = "user.registered"
    user: User


DomainEvent: TypeAlias = JobCreated | JobUpdated | JobDeleted | UserRegistered


# Decisions on planned instants --------------------------------------------------------------------------------


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
    queue: str
    target_kind: str
    target_label: str
    queued_at: AwareDatetime

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


class InstantsMissed(Event):
    """Planned instants that will not run, and why; `into` names the run that stands for them, if any."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    type: Literal["decision.missed"] = "decision.missed"
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


class InstantSettled(Event):
    """A planned instant was decided in an earlier generation of the store; its row stands in SQL."""

    type: Literal["decision.settled"] = "decision.settled"
    job_id: UUID
    execution_id: UUID
    planned_at: AwareDatetime
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


Decision: TypeAlias = RunTriggered | InstantsMissed | InstantSettled | CheckpointReached


# Reports of executions ----------------------------------------------------------------------------------------


class ExecutionReported(Event):
    """One step of one attempt. `started` is the claim: nobody calls a target before it is stored."""

    type: Literal["execution.reported"] = "execution.reported"
    phase: Phase
    facts: RunFacts
    redrive: int = 0
    attempt: int
    at: AwareDatetime
    started_at: AwareDatetime | None = None
    token: str | None = None
    """Of a claim: proves to its author that it is theirs when the answer was lost."""
    trigger_seq: int | None = None
    """Of a claim: the place of its trigger in the stream, told apart from another trigger of the execution."""
    unknown_count: int = 0
    """Attempts in a row until now whose end nobody saw."""
    executor: str | None = None
    duration_seconds: float | None = None
    response_status: int | None = None
    timed_out: bool = False
    error: str | None = None
    output: str | None = None
    generation: int


# Inbox --------------------------------------------------------------------------------------------------------


class NotificationPosted(Event):
    """A message for a user's inbox."""

    type: Literal["inbox.posted"] = "inbox.posted"
    notification_id: UUID
    user_id: UUID
    title: str
    message: str
    level: Literal["info", "success", "warning", "error"]
    related_job_id: UUID | None = None
    related_execution_id: UUID | None = None
    created_at: AwareDatetime


AnyEvent: TypeAlias = Annotated[
    DomainEvent | JobsSeeded | Decision | ExecutionReported | NotificationPosted, Field(discriminator="type")
]

_ADAPTER: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)

UPCASTERS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""(type, version) → a function that makes the body one version newer."""


class UnreadableEvent(ValueError):
    """A message that no version of this program can have written, or one from a newer version."""


def parse_event(type_name: str, version: int, body: dict[str, Any]) -> AnyEvent:
    """The typed event of a stored or received body.

    Raises `UnreadableEvent` when the type is unknown, the version is newer than ours, or the body does not fit.
    """
    while upcast := UPCASTERS.get((type_name, version)):
        body, version = upcast(body), version + 1
    try:
        event = _ADAPTER.validate_python({**body, "type": type_name})
    except ValueError as error:
        raise UnreadableEvent(f"{type_name} v{version} cannot be read: {error}") from error
    if version != event.schema_version:
        raise UnreadableEvent(
            f"{type_name} v{version} is newer than v{event.schema_version}, which is read here"
        )
    return event
