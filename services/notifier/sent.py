"""Marks of what was sent: looked at before sending, written after. A crash in between sends once more, with the same id."""

from uuid import UUID

from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing
from shared.bus.streams import SENT_STREAM, bucket_subject
from shared.bus.subjects import SENT_BUCKET


class SentMarks:
    """The marks in the bucket, and those that this process could not write yet."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._unwritten: set[UUID] = set()

    async def has(self, notification_id: UUID) -> bool:
        """Whether it was sent or given up; raises `Transient` when the bucket cannot be read."""
        if notification_id in self._unwritten:
            await self.write(notification_id)
            return True
        return await self._bus.last(SENT_STREAM, _subject(notification_id)) is not None

    async def write(self, notification_id: UUID) -> None:
        """Mark it; raises `Transient`, and remembers it all the same, when the mark is not stored."""
        self._unwritten.add(notification_id)
        await self._bus.publish(Outgoing(subject=_subject(notification_id), body=b"1", headers={}))
        self._unwritten.discard(notification_id)


def _subject(notification_id: UUID) -> str:
    # The id names the channel and the recipient as well.
    return bucket_subject(SENT_BUCKET, str(notification_id))
