"""The schedulers that are there: each tells of itself every few seconds, and is forgotten when it no longer does.

Who leads is not theirs alone to say: it is whoever holds the lease.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing
from shared.bus.newest import newest_of
from shared.bus.streams import SCHEDULER_STREAM, bucket_subject

BEAT = 2.0  # seconds
LIFETIME = 6  # whole seconds, as the server wants them: three beats
MARKER_LIFETIME = 1  # whole seconds

_LEASE = bucket_subject(subjects.SCHEDULER_BUCKET, subjects.LEASE_KEY)
_CHECKPOINT = bucket_subject(subjects.SCHEDULER_BUCKET, subjects.CHECKPOINT_KEY)

logger = structlog.get_logger()


class NextJob(BaseModel):
    """The job that is due next."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    name: str
    at: AwareDatetime


class Instance(BaseModel):
    """One scheduler process, as it tells of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    """Of this process: no other one has it or had it."""
    name: str
    """Under which it stands for election."""
    hostname: str
    pid: int
    started_at: AwareDatetime
    last_heartbeat: AwareDatetime
    version: str
    is_leader: bool = False
    """Whether it leads as far as it knows."""
    leader_since: AwareDatetime | None = None
    term: int | None = None
    """Of its leadership; each leader's is higher than its predecessor's."""
    jobs: int = 0
    """How many it knows."""
    until: AwareDatetime | None = None
    """Up to when it knows everything to be decided."""
    next_job: NextJob | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedulers:
    """All that are there, at one moment."""

    holder: str | None
    """The name under which the lease is held; None while nobody holds it."""
    decided_until: datetime | None
    """The checkpoint's."""
    instances: list[Instance]
    """Those that were there first come first. None claims to lead that does not hold the lease."""

    @property
    def leader(self) -> Instance | None:
        """None while nobody leads, and for the moment until a new leader has told of itself."""
        return next((one for one in self.instances if one.is_leader), None)


async def tell(bus: Bus, instance: Instance) -> None:
    """Write a beat; raises `Unpublished`."""
    body = orjson.dumps(instance.model_dump(mode="json"))
    await bus.publish(
        Outgoing(subject=_subject(instance.id), body=body, headers={"Nats-TTL": f"{LIFETIME}s"})
    )


async def take_leave(bus: Bus, instance_id: UUID) -> None:
    """Be forgotten at once; raises `Unpublished`."""
    headers = {"KV-Operation": "PURGE", "Nats-TTL": f"{MARKER_LIFETIME}s"}
    await bus.publish(Outgoing(subject=_subject(instance_id), body=b"", headers=headers))


async def look_at_schedulers(bus: Bus, patience: float) -> Schedulers:
    """Who is there; raises `Transient` when the bus does not answer within `patience` seconds."""
    instances = _subject("*")
    found = await newest_of(bus, SCHEDULER_STREAM, [_LEASE, _CHECKPOINT, instances], patience)
    lease, checkpoint = found.pop(_LEASE, None), found.pop(_CHECKPOINT, None)
    holder = orjson.loads(lease)["holder"] if lease else None
    return Schedulers(
        holder=holder,
        decided_until=datetime.fromisoformat(orjson.loads(checkpoint)["until"]) if checkpoint else None,
        instances=sorted(
            (one if one.name == holder else _not_leading(one) for one in _readable(found)),
            key=lambda one: (one.started_at, one.id),
        ),
    )


def _not_leading(instance: Instance) -> Instance:
    # One that was killed says for a while yet that it leads, and one that stood still does not know better.
    return instance.model_copy(update={"is_leader": False, "leader_since": None, "term": None})


def _readable(beats: dict[str, bytes]) -> Iterator[Instance]:
    for subject, body in beats.items():
        try:
            yield Instance.model_validate_json(body)
        except ValidationError as error:
            logger.warning("unreadable beat", action="instances", subject=subject, error=str(error))


def _subject(instance_id: UUID | str) -> str:
    return bucket_subject(subjects.SCHEDULER_BUCKET, f"{subjects.INSTANCE_KEYS}.{instance_id}")
