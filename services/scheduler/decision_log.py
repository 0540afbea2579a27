"""TRIGGERS as the scheduler reads it: what each message says of planned instants, without building whole events.

Every replica reads all of them, so this is cheap: an envelope's type, and a few fields of its body.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any, Literal, TypeAlias
from uuid import UUID

import orjson
import structlog

from services.scheduler.kept_json import kept_json
from shared.bus.reader import StreamMessage
from shared.domain.execution import Kind

WaitReason: TypeAlias = Literal["spread", "overlap", "catch_up"]

logger = structlog.get_logger()


class Meaning(Enum):
    """What a decision makes of an execution."""

    RUNS = auto()
    WAITS = auto()
    CANCELLED = auto()
    """It waited, and will not run."""
    SETTLED = auto()
    """It does not run, or its row stands in SQL already."""


@dataclass(frozen=True, slots=True)
class Waits:
    """That a run waits, and what it will be."""

    reason: WaitReason
    not_before: datetime | None
    order: bytes
    """The order's JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One decision on planned instants."""

    meaning: Meaning
    sequence: int
    job_id: UUID
    execution_id: UUID
    first: datetime
    last: datetime
    version: int | None
    """Of the job, by which a range was planned; None where nobody knows."""
    waits: Waits | None = None
    cancels: tuple[UUID, ...] = ()


def entries(batch: Iterable[StreamMessage], generation: int) -> Iterator[Entry]:
    """The decisions of this generation; all else (asked-for runs, checkpoints) is passed over."""
    for message in batch:
        try:
            entry = _entry(message, generation)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            logger.error("unreadable decision", action="follow", sequence=message.sequence, error=repr(error))
            continue
        if entry is not None:
            yield entry


def _entry(message: StreamMessage, generation: int) -> Entry | None:
    type_ = (message.headers or {}).get("ce-type", "")
    if type_ == "trigger.run":
        return _of_order(message, orjson.loads(message.body), generation)
    if type_ == "decision.waiting":
        body = orjson.loads(message.body)
        return _of_order(message, body["order"], generation, body["reason"])
    if not type_.startswith("decision."):
        return None
    body = orjson.loads(message.body)
    if body["generation"] != generation:
        return None
    first = datetime.fromisoformat(body["planned_at"] if type_ == "decision.settled" else body["from"])
    to = body.get("to")
    return Entry(
        meaning=Meaning.CANCELLED if type_ == "decision.cancelled" else Meaning.SETTLED,
        sequence=message.sequence,
        job_id=UUID(body["job_id"]),
        execution_id=UUID(body["execution_id"]),
        first=first,
        last=datetime.fromisoformat(to) if to else first,
        version=body.get("job_version"),
    )


def _of_order(
    message: StreamMessage, order: dict[str, Any], generation: int, reason: WaitReason | None = None
) -> Entry | None:
    facts = order["facts"]
    planned_at = facts.get("planned_at")
    if order["generation"] != generation or facts["kind"] != Kind.SCHEDULED.value or planned_at is None:
        return None
    instant, not_before = datetime.fromisoformat(planned_at), facts.get("not_before")
    waits = None
    if reason is not None:
        waits = Waits(reason, datetime.fromisoformat(not_before) if not_before else None, kept_json(order))
    # A redrive is what a person asked for: the instant is decided, and no planned run is open.
    runs = Meaning.SETTLED if order.get("redrive") else Meaning.RUNS
    return Entry(
        meaning=runs if waits is None else Meaning.WAITS,
        sequence=message.sequence,
        job_id=UUID(facts["job_id"]),
        execution_id=UUID(facts["execution_id"]),
        first=instant,
        last=instant,
        version=facts["job_version"],
        waits=waits,
        cancels=tuple(UUID(one) for one in order.get("cancels") or ()),
    )
