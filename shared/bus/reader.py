"""Reading a stream in its order from a position that the reader keeps: ledger, projector, timetable.

An ephemeral consumer without acknowledgements; when a message is skipped, the connection drops or the consumer is gone, a
new one starts behind the last message that was handed out.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError

from shared.bus.connect import Bus
from shared.bus.pull import ConsumerGone, Pull

BATCH = 500
INACTIVE_THRESHOLD = 60.0  # seconds after which the server forgets a reader
POLL = 1.0  # seconds between looks at the health of an idle reader

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """A message and its place in the stream."""

    sequence: int
    subject: str
    body: bytes
    headers: dict[str, str] | None
    pending: int
    """How many messages stood behind it when it was sent: 0 means that the reader has caught up."""


class StreamReader:
    """All messages of a stream behind `after`, or stored at `since` or later, in order, in batches of what has arrived."""

    def __init__(
        self,
        bus: Bus,
        stream: str,
        *,
        after: int = 0,
        since: datetime | None = None,
        subjects: list[str] | None = None,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._since = since
        self._subjects = subjects
        self.position = after
        """The sequence of the last message that was handed out."""

    async def batches(self) -> AsyncIterator[list[StreamMessage]]:
        """Batches of at least one message, for ever; survives outages."""
        wait = 0.05
        while True:
            try:
                consumer = await self._create_consumer()
                async with Pull(self._bus, self._stream, consumer) as pull:
                    async for batch in self._read(pull):
                        wait = 0.05
                        if batch:
                            yield batch
            except (NatsError, APIError, TimeoutError, OSError, ConsumerGone) as error:
                logger.debug("reading starts again", action="reader", stream=self._stream, error=repr(error))
                await asyncio.sleep(wait)
                wait = min(wait * 2, 1.0)
                await self._bus.wait_connected()

    async def read_to_end(self) -> AsyncIterator[list[StreamMessage]]:
        """Batches up to what is the stream's end at some moment of reading, then stop.

        Raises nats-py's errors or `ConsumerGone` when the stream cannot be read to its end.
        """
        consumer = await self._create_consumer()
        info = await self._bus.js.consumer_info(self._stream, consumer)
        if not info.num_pending:
            return
        async with Pull(self._bus, self._stream, consumer) as pull:
            async for batch in self._read(pull):
                if batch:
                    yield batch
                    if batch[-1].pending == 0:
                        return
                elif not (await self._bus.js.consumer_info(self._stream, consumer)).num_pending:
                    # What was counted as pending has been purged or has aged out meanwhile.
                    return

    async def _read(self, pull: Pull) -> AsyncIterator[list[StreamMessage]]:
        """What arrives; an empty batch each `POLL` seconds in which nothing does."""
        delivered = 0
        while True:
            if pull.outstanding + pull.waiting <= BATCH:
                await pull.want(BATCH)
            first = await pull.take(POLL)
            if first is None:
                yield []
                continue
            batch = []
            message: Msg | None = first
            while message is not None:
                delivered += 1
                if message.metadata.sequence.consumer != delivered:
                    raise ConsumerGone("a message was skipped")
                batch.append(_stream_message(message))
                message = pull.take_nowait() if len(batch) < BATCH else None
            self.position = batch[-1].sequence
            yield batch

    async def _create_consumer(self) -> str:
        by_time = self._since is not None and self.position == 0
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_TIME if by_time else DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=None if by_time else self.position + 1,
            opt_start_time=self._since.astimezone(UTC) if by_time and self._since is not None else None,
            filter_subjects=self._subjects,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=INACTIVE_THRESHOLD,
            mem_storage=True,
            num_replicas=1,
        )
        info = await self._bus.js.add_consumer(self._stream, config=config)
        return info.name


def _stream_message(message: Msg) -> StreamMessage:
    metadata = message.metadata
    return StreamMessage(
        sequence=metadata.sequence.stream,
        subject=message.subject,
        body=message.data,
        headers=message.headers,
        pending=metadata.num_pending,
    )
