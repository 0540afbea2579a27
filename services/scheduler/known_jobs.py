"""A job as the scheduler keeps it: what deciding needs at hand, the rest as JSON. A hundred thousand must fit.

Read without building the whole model, which takes ten times as long and as much space.
"""

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Self
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

import orjson
import structlog
from pydantic import TypeAdapter

from services.scheduler.kept_json import kept_json
from shared.bus.envelope import unpack
from shared.domain.job import Job, MisfirePolicy, OverlapPolicy, Target
from shared.domain.schedule import InvalidSchedule, Schedule, next_fire
from shared.domain.spread import slot
from shared.events import UPCASTERS, JobEvent, UnreadableEvent

NO_SLOT = timedelta(0)
_ORDERED = (
    "name", "account_id", "owner_id", "target", "metadata", "timeout_seconds", "pic_team", "notifications",
)  # fmt: skip
"""What its runs repeat and deciding does not look at."""
_FIELDS = frozenset(Job.model_fields)
_TARGETS: TypeAdapter[Target] = TypeAdapter(Target)
_SCHEDULES: TypeAdapter[Schedule] = TypeAdapter(Schedule)
_MISFIRE = {policy.value: policy for policy in MisfirePolicy}
_OVERLAP = {policy.value: policy for policy in OverlapPolicy}

logger = structlog.get_logger()


class KnownJob:
    """One version of a job."""

    __slots__ = (
        "effective_at", "id", "is_active", "max_instances", "misfire_grace_seconds", "misfire_policy", "order",
        "overlap_policy", "queue", "schedule_text", "slot", "version",
    )  # fmt: skip

    def __init__(self, job_id: UUID, state: dict[str, Any]) -> None:
        self.id = job_id
        self.version: int = state["version"]
        self.effective_at = datetime.fromisoformat(state["effective_at"])
        self.is_active: bool = state["is_active"]
        self.queue = sys.intern(state["queue"])
        self.misfire_policy = _MISFIRE[state["misfire_policy"]]
        self.misfire_grace_seconds: int = state["misfire_grace_seconds"]
        self.overlap_policy = _OVERLAP[state["overlap_policy"]]
        self.max_instances: int = state["max_instances"]
        self.schedule_text = sys.intern(orjson.dumps(state["schedule"]).decode())
        """Many jobs have the same one; it is kept once."""
        label = _TARGETS.validate_python(state["target"]).label
        self.order = kept_json({**{name: state[name] for name in _ORDERED}, "target_label": label})
        self.slot = _slot(job_id, self.schedule)

    @classmethod
    def read(cls, state: dict[str, Any]) -> Self:
        """A job as it stands in an event; raises `UnreadableEvent`."""
        try:
            if not state.keys() >= _FIELDS:
                # Written before some of them existed.
                state = Job.model_validate(state).model_dump(mode="json")
            return cls(UUID(state["id"]), state)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnreadableEvent(f"not a job: {type(error).__name__}") from error

    @classmethod
    def of(cls, job: Job) -> Self:
        """The same of a whole job."""
        return cls(job.id, job.model_dump(mode="json"))

    @property
    def schedule(self) -> Schedule:
        """When it is planned."""
        return _schedule(self.schedule_text)

    @property
    def name(self) -> str:
        """What people call it."""
        name: str = orjson.loads(self.order)["name"]
        return name

    @property
    def grace(self) -> timedelta:
        """How late an instant of it may still run."""
        return timedelta(seconds=self.misfire_grace_seconds)

    @property
    def has_ended(self) -> bool:
        """Whether its last day was over when this version came into force: what paused it is its end."""
        ends_at = self.schedule.ends_at
        return ends_at is not None and ends_at <= self.effective_at

    def next_instant(self, after: datetime) -> datetime | None:
        """The first planned instant strictly after `after`; None while paused and after the last one."""
        if not self.is_active:
            return None
        try:
            return next_fire(self.schedule, after)
        except (InvalidSchedule, ZoneInfoNotFoundError, ValueError) as error:
            # Written by a newer gateway, or in a zone that only a newer tzdata knows: it must not stop the other jobs.
            logger.error("a schedule cannot be read here", action="plan", job=str(self.id), error=repr(error))
            return None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a job as the timetable takes it in; `job` is None where it was deleted."""

    job_id: UUID
    version: int
    effective_at: datetime
    job: KnownJob | None
    replaced: dict[str, Any] | None
    """The state that it replaced, as it stands in the event; seldom asked for."""

    @classmethod
    def read(cls, type_: str, body: dict[str, Any]) -> Self:
        """A job event's body; raises `UnreadableEvent`."""
        state, replaced = body.get("job"), body.get("before")
        if state is not None:
            job = KnownJob.read(state)
            return cls(job.id, job.version, job.effective_at, job, replaced)
        try:
            gone, at = UUID(body["before"]["id"]), datetime.fromisoformat(body["effective_at"])
            return cls(gone, body["version"], at, None, replaced)
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableEvent(f"not a change of a job: {type_}") from error

    @classmethod
    def of(cls, event: JobEvent) -> Self:
        """The same of a whole event."""
        return cls.read(event.type, event.body())

    @property
    def before(self) -> KnownJob | None:
        """The job before the change; None where there was none, or where it cannot be read."""
        if self.replaced is None:
            return None
        try:
            return KnownJob.read(self.replaced)
        except UnreadableEvent as error:
            # What it planned is found out by the auditor; what it is now must not be lost for that.
            logger.error(
                "a replaced job cannot be read", action="plan", job=str(self.job_id), error=str(error)
            )
            return None


def read_change(body: bytes, headers: dict[str, str] | None) -> Change | None:
    """The change that a message tells of; None where it tells of none. Raises `UnreadableEvent`."""
    type_, version = (headers or {}).get("ce-type", ""), (headers or {}).get("ce-dataversion", "1")
    if not type_.startswith("job."):
        return None
    if version != str(JobEvent.schema_version) or (type_, int(version)) in UPCASTERS:
        event = unpack(body, headers).event
        return Change.of(event) if isinstance(event, JobEvent) else None
    try:
        data = orjson.loads(body)
    except ValueError as error:
        raise UnreadableEvent("not JSON") from error
    if not isinstance(data, dict):
        raise UnreadableEvent("not an event")
    return Change.read(type_, data) if data.keys() & {"job", "before"} else None


@lru_cache(maxsize=16_384)
def _schedule(text: str) -> Schedule:
    return _SCHEDULES.validate_json(text)


def _slot(job_id: UUID, schedule: Schedule) -> timedelta:
    return slot(job_id, schedule.jitter_seconds) if schedule.jitter_seconds else NO_SLOT
