"""Keeping the bounded streams from filling up: what everybody has read and nobody will ask for is purged.

TRIGGERS and EXECUTIONS refuse new messages when they are full ("no claim stored, no call"), so they must not get there.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import structlog
from nats.js.api import StreamInfo
from sqlalchemy import func, select
from sqlalchemy.sql import Select

from services.gateway.bus_state import load_bus_state
from services.gateway.store.database import Database
from services.gateway.store.tables import executions
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.streams import SCHEDULER_STREAM, bucket_subject, durables
from shared.clock import Clock
from shared.errors import Transient
from shared.events import CheckpointReached
from shared.observability import BUS_FAILURES

LOOK = 60.0  # seconds
PURGE_ABOVE = 0.5
"""The share of its bytes above which a stream is purged."""
URGENT_ABOVE = 0.75
"""Above this share reports go although nobody was told of them yet: telling comes after running."""
ALARM_ABOVE = 0.9
MAX_LAG = 10_000  # messages
KEEP = timedelta(hours=1)
"""Reports stay at least this long: a claim must be found by every trigger that could still be a duplicate of its own."""

logger = structlog.get_logger()


class Housekeeping:
    """Purges TRIGGERS and EXECUTIONS above half their bytes."""

    def __init__(self, database: Database, bus: Bus, clock: Clock) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock

    async def run(self) -> None:
        """Look once a minute, for ever."""
        while True:
            try:
                await self.purge_triggers()
                await self.purge_executions()
                await self.look_at_compacted()
            except (Transient, *BUS_FAILURES) as error:
                logger.warning("housekeeping waits", action="housekeeping", error=repr(error))
            await asyncio.sleep(LOOK)

    async def purge_triggers(self) -> None:
        """Purge up to what the queues, the ledger and the next leader have all behind them."""
        info = await self._bus.js.stream_info(subjects.TRIGGERS)
        if not _is_filling(info):
            return
        state = await load_bus_state(self._database, self._clock())
        floors = [state.ledger_position, await self._decisions_seq()]
        floors += await self._ack_floors(subjects.TRIGGERS)
        await self._purge(info, min(floors))

    async def purge_executions(self) -> None:
        """Purge up to what is projected, told, older than `KEEP` and than every unfinished execution's last report."""
        info = await self._bus.js.stream_info(subjects.EXECUTIONS)
        if not _is_filling(info):
            return
        state = await load_bus_state(self._database, self._clock())
        async with self._database.read() as connection:
            unfinished = await connection.scalar(oldest_unfinished(state.generation))
        until = min(self._clock() - KEEP, await self._oldest_unfinished_trigger())
        floors = [state.projector_position, await self._last_before(info, until)]
        if unfinished is not None:
            floors.append(unfinished - 1)
        if _share(info) <= URGENT_ABOVE:
            floors += await self._ack_floors(subjects.EXECUTIONS)
        await self._purge(info, min(floors))

    async def look_at_compacted(self) -> None:
        """Tell when a compacted stream fills up or falls behind: who starts would not know all jobs or all people."""
        for name in (subjects.JOBS, subjects.DIRECTORY):
            info = await self._bus.js.stream_info(name)
            behind = max((source.lag or 0 for source in info.sources or []), default=0)
            if _share(info) > ALARM_ABOVE or behind > MAX_LAG:
                logger.error(
                    "a compacted stream is too small or behind; raise BUS_MAX_BYTES",
                    action="housekeeping",
                    stream=name,
                    share=round(_share(info), 2),
                    behind=behind,
                )

    async def _ack_floors(self, stream: str) -> list[int]:
        """Up to where each durable of the stream has acknowledged everything."""
        floors = []
        for durable in durables():
            if durable.stream == stream:
                consumer = await self._bus.js.consumer_info(stream, durable.config.durable_name or "")
                floors.append((consumer.ack_floor.stream_seq if consumer.ack_floor else 0) or 0)
        return floors

    async def _oldest_unfinished_trigger(self) -> datetime:
        """When the oldest trigger was stored that may come again: reports since then answer it."""
        oldest = self._clock()
        for durable in durables():
            if durable.stream != subjects.TRIGGERS:
                continue
            consumer = await self._bus.js.consumer_info(durable.stream, durable.config.durable_name or "")
            floor = (consumer.ack_floor.stream_seq if consumer.ack_floor else 0) or 0
            subject = durable.config.filter_subject or subjects.ALL_TRIGGERS
            message = await self._bus.next(subjects.TRIGGERS, subject, floor + 1)
            if message is not None and message.time is not None:
                oldest = min(oldest, message.time)
        return oldest

    async def _decisions_seq(self) -> int:
        checkpoint = await read_checkpoint(self._bus)
        return checkpoint.decisions_seq if checkpoint is not None else 0

    async def _last_before(self, info: StreamInfo, until: datetime) -> int:
        """The newest sequence stored by then, found by halving; 0 when there is none."""
        low, high = info.state.first_seq, info.state.last_seq
        while low < high:
            middle = (low + high + 1) // 2
            message = await self._bus.js.get_msg(info.config.name or "", seq=middle, next=True, subject=">")
            if message.time is not None and message.time <= until:
                low = max(middle, message.seq or middle)
            else:
                high = middle - 1
        first = await self._bus.js.get_msg(info.config.name or "", seq=low, next=True, subject=">")
        return low if first.time is not None and first.time <= until else 0

    async def _purge(self, info: StreamInfo, up_to: int) -> None:
        name = info.config.name or ""
        if up_to <= info.state.first_seq:
            logger.error("a stream fills up and nothing may be purged", action="housekeeping", stream=name)
            return
        await self._bus.js.purge_stream(name, seq=up_to)
        logger.info("purged", action="housekeeping", stream=name, up_to=up_to)


async def read_checkpoint(bus: Bus) -> CheckpointReached | None:
    """How far everything is decided, and carried out; None where there is none. Raises `Transient`."""
    subject = bucket_subject(subjects.SCHEDULER_BUCKET, subjects.CHECKPOINT_KEY)
    last = await bus.last(SCHEDULER_STREAM, subject)
    return CheckpointReached.model_validate_json(last.data) if last is not None and last.data else None


def oldest_unfinished(generation: int) -> Select[Any]:
    """Asks for the place of the oldest report that is the newest one of an unfinished execution."""
    return select(func.min(executions.c.report_seq)).where(
        executions.c.is_open, executions.c.report_seq > 0, executions.c.generation == generation
    )


def _is_filling(info: StreamInfo) -> bool:
    return _share(info) > PURGE_ABOVE


def _share(info: StreamInfo) -> float:
    limit = info.config.max_bytes or 0
    return info.state.bytes / limit if limit > 0 else 0.0
