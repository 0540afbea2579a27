"""Publishing decisions until every one is stored, and none without the right to."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

import structlog
from nats.js.api import PubAck

from services.scheduler.board import Board
from services.scheduler.messages import Message, Published, message
from services.scheduler.replica import Replica
from shared.bus.connect import CONCURRENT_PUBLISHES, Bus, Unpublished
from shared.bus.envelope import MESSAGE_ID
from shared.bus.fence import Fence
from shared.bus.lease import Lease, LeaseLost
from shared.clock import Clock
from shared.errors import Transient

RETRY = 0.1  # seconds, doubled up to MAX_RETRY
MAX_RETRY = 2.0  # seconds

Result = TypeVar("Result")

logger = structlog.get_logger()


class Right:
    """The right to write as the leader of one generation."""

    def __init__(self, lease: Lease, fence: Fence, generation: int) -> None:
        self._lease = lease
        self._fence = fence
        self.generation = generation

    def must_hold(self) -> None:
        """Asked right before each write; raises `LeaseLost`."""
        if not self._lease.is_held:
            raise LeaseLost("the lease ran out")
        if not self._fence.holds(self.generation):
            raise LeaseLost("the fence does not hold this generation")


class Publisher:
    """Stores decisions, and notes on the replica's board what is stored."""

    def __init__(self, bus: Bus, right: Right, replica: Replica, clock: Clock) -> None:
        self._bus = bus
        self._right = right
        self._replica = replica
        self._clock = clock

    @property
    def _board(self) -> Board:
        # A replica that loads again has another one.
        return self._replica.board

    async def publish(self, decisions: Sequence[Published]) -> int:
        """Go on until every decision is acknowledged; returns the highest sequence (0 without decisions)."""
        highest, wait = 0, RETRY
        remaining = list(decisions)
        while remaining:
            failed: list[Published] = []
            for start in range(0, len(remaining), CONCURRENT_PUBLISHES):
                part = remaining[start : start + CONCURRENT_PUBLISHES]
                highest = max(highest, await self._publish_part(part, failed))
            if failed:
                logger.warning("decisions are not stored yet", action="publish", count=len(failed))
                await asyncio.sleep(wait)
                wait = min(wait * 2, MAX_RETRY)
            remaining = failed
        return highest

    async def _publish_part(self, part: Sequence[Published], failed: list[Published]) -> int:
        now: datetime = self._clock()
        messages = [message(decision, now, self._right.generation) for decision in part]
        self._right.must_hold()
        acks = await self._bus.publish_all([one.outgoing for one in messages])
        stored: list[tuple[int, int]] = []
        for place, ack in enumerate(acks):
            if isinstance(ack, PubAck):
                stored.append((ack.seq, place))
            elif isinstance(ack, Unpublished):
                failed.append(part[place])
            else:
                raise ack
        highest = max((sequence for sequence, _ in stored), default=0)
        for sequence, place in sorted(stored):
            ack = acks[place]
            if not isinstance(ack, PubAck) or not ack.duplicate:
                self._board.note(messages[place].entry(sequence))
            # Another leader may have stored something else under this id, and that counts.
            elif not await self._insist(partial(self._board.note_stored, sequence)):
                highest = max(highest, await self._publish_beside(messages[place]))
        return highest

    async def _publish_beside(self, decision: Message) -> int:
        """Store a decision whose id is taken by one of an older generation; returns its sequence."""
        headers = dict(decision.outgoing.headers)
        headers[MESSAGE_ID] = f"{headers[MESSAGE_ID]}:{self._right.generation}"
        beside = replace(decision.outgoing, headers=headers)
        ack = await self._insist(lambda: self._bus.publish(beside))
        self._board.note(decision.entry(ack.seq))
        return ack.seq

    async def _insist(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        wait = RETRY
        while True:
            self._right.must_hold()
            try:
                return await attempt()
            except Transient as error:
                logger.warning("the bus does not answer", action="publish", error=error.message)
                await asyncio.sleep(wait)
                wait = min(wait * 2, MAX_RETRY)
