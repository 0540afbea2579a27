"""The checkpoint: how far everything is decided. Written by compare-and-set, so that it fences an old leader."""

from dataclasses import dataclass

import orjson

from shared.bus import subjects
from shared.bus.connect import Bus, WrongLastSequence
from shared.bus.envelope import EXPECTED_LAST_SUBJECT_SEQUENCE, Outgoing, pack
from shared.bus.streams import SCHEDULER_STREAM, bucket_subject
from shared.clock import Clock
from shared.events import CheckpointReached

_SUBJECT = bucket_subject(subjects.SCHEDULER_BUCKET, subjects.CHECKPOINT_KEY)
_ROLLUP = {"Nats-Rollup": "sub"}


class Fenced(Exception):
    """Another leader has written the checkpoint."""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint and the revision that the next write must name."""

    value: CheckpointReached
    revision: int


async def read_checkpoint(bus: Bus) -> StoredCheckpoint | None:
    """The checkpoint; None until the gateway has made one. Raises `Transient` when the bus does not answer."""
    last = await bus.last(SCHEDULER_STREAM, _SUBJECT)
    if last is None or not last.data:
        return None
    return StoredCheckpoint(CheckpointReached.model_validate({**orjson.loads(last.data)}), last.seq or 0)


async def write_checkpoint(bus: Bus, value: CheckpointReached, revision: int) -> StoredCheckpoint:
    """Replace the checkpoint that has this revision.

    Raises `Fenced` when it is not the newest any more, `Unpublished` when it is not known whether it was written.
    """
    body = orjson.dumps(value.body())
    headers = {EXPECTED_LAST_SUBJECT_SEQUENCE: str(revision)}
    try:
        ack = await bus.publish(Outgoing(subject=_SUBJECT, body=body, headers=headers))
    except WrongLastSequence:
        # Our own write may have been stored although its answer was lost.
        last = await bus.last(SCHEDULER_STREAM, _SUBJECT)
        if last is None or last.data != body:
            raise Fenced("another leader has written the checkpoint") from None
        return StoredCheckpoint(value, last.seq or 0)
    return StoredCheckpoint(value, ack.seq)


async def announce(bus: Bus, value: CheckpointReached, clock: Clock) -> int:
    """Tell the ledger, behind the decisions that the checkpoint covers; returns its place in the stream.

    Only the newest announcement is kept.
    """
    message = pack(
        value,
        subject=subjects.CHECKPOINT,
        source="scheduler",
        event_id=f"checkpoint:{value.generation}:{value.until.isoformat()}",
        time=clock(),
    )
    ack = await bus.publish(
        Outgoing(subject=message.subject, body=message.body, headers={**message.headers, **_ROLLUP})
    )
    return ack.seq
