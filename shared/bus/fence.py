"""The fence: who works in which generation of the store.

The generation stands in a bucket in memory, so it vanishes whenever the store restarts. Only a gateway writes it,
after it has compared SQL with the streams. Relay, scheduler and executors publish and call only while they hold
it. What was read is good for `LIFETIME`; a gateway that changes the generation removes the fence and waits that long.
"""

import asyncio
import time

import structlog

from shared.bus.connect import Bus
from shared.bus.streams import FENCE_STREAM, bucket_subject
from shared.bus.subjects import FENCE_BUCKET, GENERATION_KEY
from shared.errors import Transient

LIFETIME = 3.0  # seconds
REFRESH = 1.0  # seconds
RETRY = 0.1  # seconds

logger = structlog.get_logger()


async def read_generation(bus: Bus) -> int | None:
    """The generation that stands in the fence; None when there is none. Raises `Transient` without an answer."""
    try:
        message = await bus.last(FENCE_STREAM, bucket_subject(FENCE_BUCKET, GENERATION_KEY))
    except Transient:
        if not bus.is_connected:
            raise
        return None
    return int(message.data) if message is not None and message.data else None


class Fence:
    """This process's view of the fence; `follow` keeps it fresh."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._generation: int | None = None
        self._good_until = 0.0
        self._disconnects = -1
        self._open = asyncio.Event()

    @property
    def generation(self) -> int | None:
        """The generation that is held now; None means: neither publish nor call."""
        fresh = time.monotonic() < self._good_until and self._disconnects == self._bus.disconnects
        return self._generation if fresh and self._bus.is_connected else None

    def holds(self, generation: int) -> bool:
        """Whether work of that generation may go on."""
        return self.generation == generation

    async def wait(self) -> int:
        """Return the generation once one is held."""
        while (generation := self.generation) is None:
            self._open.clear()
            await self._open.wait()
        return generation

    async def follow(self) -> None:
        """Keep reading the fence, for ever."""
        while True:
            await self._refresh()
            await asyncio.sleep(REFRESH if self.generation is not None else RETRY)

    async def _refresh(self) -> None:
        # Both are taken before the read: what it answers is as old as its question.
        asked, disconnects = time.monotonic(), self._bus.disconnects
        try:
            await self._bus.wait_connected()
            found = await read_generation(self._bus)
        except Transient as error:
            logger.debug("the fence cannot be read", action="fence", error=error.message)
            return
        if found != self._generation:
            logger.info("generation", action="fence", generation=found)
        self._generation, self._good_until, self._disconnects = found, asked + LIFETIME, disconnects
        if found is not None:
            self._open.set()
