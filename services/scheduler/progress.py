"""How far everything is decided, as the leader says it: the checkpoint, moved behind what is stored, and announced."""

import asyncio
from datetime import datetime, timedelta

import structlog

from services.scheduler.checkpoint import Fenced, announce, read_checkpoint, write_checkpoint
from services.scheduler.publishing import MAX_RETRY, RETRY, Right
from services.scheduler.replica import Replica
from shared.bus.connect import Bus, Unpublished
from shared.clock import Clock
from shared.errors import Transient
from shared.events import CheckpointReached

ANNOUNCE_EVERY = timedelta(seconds=1)

logger = structlog.get_logger()


class Progress:
    """One leader's side of the checkpoint; the replica holds what is stored of it."""

    def __init__(self, bus: Bus, right: Right, replica: Replica, clock: Clock) -> None:
        self._bus = bus
        self._right = right
        self._replica = replica
        self._clock = clock
        self._announced_at: datetime | None = None
        self._announced_seq = 0

    @property
    def checkpoint(self) -> CheckpointReached:
        """As it is stored; raises `Fenced` when there is none."""
        if self._replica.checkpoint is None:
            raise Fenced("there is no checkpoint")
        return self._replica.checkpoint.value

    async def take_over(self, name: str, horizon: datetime) -> CheckpointReached:
        """Make the checkpoint this leader's, which fences the one before, and fix up to when it catches up.

        A predecessor that had not caught up has fixed that already.
        """
        found = await read_checkpoint(self._bus)
        if found is None or found.value.generation != self._right.generation:
            raise Fenced("there is no checkpoint of this generation")
        value = found.value
        catchup_until = value.catchup_until
        if catchup_until is None or catchup_until <= value.until:
            catchup_until = max(horizon, value.until)
        taken = value.model_copy(update={"leader": name, "catchup_until": catchup_until})
        await self._replica.adopt(await write_checkpoint(self._bus, taken, found.revision))
        return taken

    async def fix_catch_up(self, horizon: datetime) -> None:
        """This leader stood still: say up to when it catches up, so that a successor decides alike."""
        await self._write(self.checkpoint.model_copy(update={"catchup_until": horizon}))

    def is_announcement_due(self, horizon: datetime) -> bool:
        """Whether the ledger has not heard of it for a while."""
        return self._announced_at is None or horizon - self._announced_at >= ANNOUNCE_EVERY

    async def reach(self, until: datetime, events_seq: int, highest: int) -> None:
        """Everything up to `until` is decided, for all changes up to `events_seq`; `highest` is the last decision's place.

        `decisions_seq` stays before the oldest decision that waits: a new leader finds it there.
        """
        checkpoint = self.checkpoint
        # What was announced before stands behind all decisions up to then.
        decisions_seq = max(highest, self._announced_seq, checkpoint.decisions_seq)
        oldest_waiting = self._replica.board.waiting.oldest_sequence()
        if oldest_waiting is not None:
            decisions_seq = min(decisions_seq, oldest_waiting - 1)
        catching_up = checkpoint.catchup_until is not None and until < checkpoint.catchup_until
        reached = checkpoint.model_copy(
            update={
                "until": until,
                "events_seq": max(events_seq, checkpoint.events_seq),
                "decisions_seq": decisions_seq,
                "catchup_until": checkpoint.catchup_until if catching_up else None,
            }
        )
        await self._write(reached)
        self._announced_seq = max(self._announced_seq, await self._announce(reached))
        self._announced_at = until
        self._replica.board.reach(until)

    async def _write(self, value: CheckpointReached) -> None:
        wait = RETRY
        while True:
            self._right.must_hold()
            known = self._replica.checkpoint
            if known is None:
                raise Fenced("there is no checkpoint")
            try:
                self._replica.checkpoint = await write_checkpoint(self._bus, value, known.revision)
                return
            except Transient as error:
                logger.warning("the checkpoint is not stored yet", action="checkpoint", error=error.message)
                await asyncio.sleep(wait)
                wait = min(wait * 2, MAX_RETRY)

    async def _announce(self, value: CheckpointReached) -> int:
        try:
            return await announce(self._bus, value, self._clock)
        except Unpublished as error:
            # The next one says the same and more.
            logger.warning("the checkpoint was not announced", action="checkpoint", error=error.message)
            return 0
