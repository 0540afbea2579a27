"""A notice as it was delivered. It may be settled only while its store is there.

Acknowledgements name a place in a stream, and a new store has other messages at the same places.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from nats.aio.msg import Msg

from shared.bus.fence import Fence
from shared.bus.streams import CONSUMER_ACK_WAIT
from shared.observability import BUS_FAILURES

HEARTBEAT = CONSUMER_ACK_WAIT / 4


class Delivery:
    """One message, taken in one generation of the store."""

    def __init__(self, message: Msg, fence: Fence, generation: int) -> None:
        self.message = message
        self._fence = fence
        self._generation = generation

    @property
    def is_current(self) -> bool:
        """Whether its store is there."""
        return self._fence.holds(self._generation)

    @property
    def stored_at(self) -> datetime:
        """When the stream stored it."""
        return self.message.metadata.timestamp.astimezone(UTC)

    @property
    def count(self) -> int:
        """How often it was delivered by now."""
        return self.message.metadata.num_delivered

    async def ack(self) -> None:
        """It is done."""
        if self.is_current:
            await self.message.ack()

    async def again(self, seconds: float) -> None:
        """It must come again after a while."""
        if self.is_current:
            await self.message.nak(delay=seconds)

    async def end(self) -> None:
        """It must never come again."""
        if self.is_current:
            await self.message.term()

    async def beat(self) -> None:
        """Keep it from coming again meanwhile, for ever."""
        while True:
            await asyncio.sleep(HEARTBEAT)
            if self.is_current:
                with suppress(*BUS_FAILURES):
                    await self.message.in_progress()
