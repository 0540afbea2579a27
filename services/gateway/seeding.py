"""Seeding: a new generation of the store, made from SQL, after the old one was lost or rolled back (or never was).

There is one path for all of it. Nobody may work meanwhile: the fence is gone first and comes back last.
1. What is left of the old streams is read to its end.
2. All streams and buckets are deleted and created together.
3. Job states that the last checkpoint covers, then the marker of that place, then the changes that it does not cover.
4. Unfinished executions: what may have been called is recorded `unknown`, and each is published to run again; what waits is
   published as waiting. Instants that were decided after the last checkpoint are published as settled, so that nobody
   decides them twice.
5. The checkpoint, from `ledgered_until`; then the `seeded` marker, which reaches JOBS behind the jobs; then the fence.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog
from nats.js.api import PubAck
from sqlalchemy import Row, bindparam, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.bus_state import BusState, begin_generation, finish_generation
from services.gateway.folding import Fold, absorb_rest
from services.gateway.relay import Relay, event_message
from services.gateway.seeding_executions import ExecutionSeeds
from services.gateway.settings import GatewaySettings
from services.gateway.store.database import Database
from services.gateway.store.tables import events
from shared.bus import streams, subjects
from shared.bus.connect import Bus
from shared.bus.envelope import EXPECTED_LAST_SUBJECT_SEQUENCE, Outgoing, pack
from shared.bus.fence import LIFETIME
from shared.clock import Clock
from shared.events import CheckpointReached, JobsSeeded

PAGE = 500

logger = structlog.get_logger()

_mark = update(events).where(events.c.position == bindparam("at")).values(published_seq=bindparam("seq"))


class Seeder:
    """Makes the next generation."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        relay: Relay,
        executions: ExecutionSeeds,
        settings: GatewaySettings,
        clock: Clock,
    ) -> None:
        self._database = database
        self._bus = bus
        self._relay = relay
        self._executions = executions
        self._settings = settings
        self._clock = clock

    async def seed(
        self, state: BusState, folds: Sequence[Fold], reason: str, must_hold: Callable[[], None]
    ) -> int:
        """Run the whole path; returns the new generation. Done again from the start when it is interrupted.

        `must_hold` raises when another gateway may look after the bus; asked before each step that destroys.
        """
        generation = state.generation + 1
        logger.warning(
            "a new generation of the store", action="seeding", generation=generation, reason=reason
        )
        must_hold()
        await streams.remove_fence(self._bus.js)
        if state.generation > 0:
            await asyncio.sleep(LIFETIME + 0.5)
            state = await absorb_rest(self._database, self._bus, folds, state, self._clock())
        must_hold()
        await streams.recreate(self._bus.js, self._settings.bus_max_bytes, self._settings.nats_replicas)
        async with self._database.write() as connection:
            await connection.execute(_flag_covered(state.ledgered_events_seq))
            await begin_generation(connection, before=state.generation, generation=generation)
            undecided_since = await _undecided_since(connection, state.ledgered_until)
        base = await self._publish_covered()
        base_seq = max(base.values(), default=0)
        await self._relay.drain_events(lambda: True)
        await self._executions.publish(generation, undecided_since)
        await self._publish_checkpoint(state, base_seq, generation)
        await self._publish_marker(generation)
        found = await streams.read_streams(self._bus.js)
        found.pop(streams.FENCE_STREAM, None)
        async with self._database.write() as connection:
            if base:
                await connection.execute(_mark, [{"at": at, "seq": seq} for at, seq in base.items()])
            await finish_generation(self._database, connection, found, base_seq)
        await self.raise_fence(generation)
        logger.info("seeded", action="seeding", generation=generation, states=len(base))
        return generation

    async def raise_fence(self, generation: int) -> None:
        """Let everybody work in this generation."""
        await streams.ensure_fence(self._bus.js, self._settings.bus_max_bytes, self._settings.nats_replicas)
        subject = streams.bucket_subject(subjects.FENCE_BUCKET, subjects.GENERATION_KEY)
        await self._bus.publish(Outgoing(subject=subject, body=str(generation).encode(), headers={}))

    async def _publish_covered(self) -> dict[int, int]:
        """Publish the newest covered state of everything that exists; returns position → sequence."""
        base: dict[int, int] = {}
        async for rows in self._covered_pages():
            acks = await self._bus.publish_all([event_message(row, 0) for row in rows])
            for row, ack in zip(rows, acks, strict=True):
                if not isinstance(ack, PubAck):
                    raise ack
                base[row.position] = ack.seq
        return base

    async def _covered_pages(self) -> AsyncIterator[Sequence[Row[Any]]]:
        newest = (
            select(func.max(events.c.position).label("position"))
            # Alerts are news: whoever was told of one once need not read it again.
            .where(events.c.published_seq == 0, events.c.aggregate != "alert")
            .group_by(events.c.aggregate_id)
            .subquery()
        )
        after = 0
        while True:
            page = (
                select(events)
                .join(newest, newest.c.position == events.c.position)
                .where(events.c.position > after)
                .order_by(events.c.position)
                .limit(PAGE)
            )
            async with self._database.read() as connection:
                rows = (await connection.execute(page)).all()
            if not rows:
                return
            after = rows[-1].position
            yield [row for row in rows if not row.type.endswith(".deleted")]

    async def _publish_checkpoint(self, state: BusState, events_seq: int, generation: int) -> None:
        checkpoint = CheckpointReached(
            until=state.ledgered_until, events_seq=events_seq, decisions_seq=0, generation=generation
        )
        subject = streams.bucket_subject(subjects.SCHEDULER_BUCKET, subjects.CHECKPOINT_KEY)
        headers = {EXPECTED_LAST_SUBJECT_SEQUENCE: "0"}
        await self._bus.publish(
            Outgoing(subject=subject, body=orjson.dumps(checkpoint.body()), headers=headers)
        )

    async def _publish_marker(self, generation: int) -> None:
        marker = pack(
            JobsSeeded(generation=generation),
            subject=subjects.SEEDED,
            source="gateway",
            event_id=f"seeded:{generation}",
            time=self._clock(),
        )
        await self._bus.publish(marker)


async def _undecided_since(connection: AsyncConnection, ledgered_until: datetime) -> datetime:
    """From when on a new leader decides: the checkpoint, or the earliest change of a job that it does not cover."""
    earliest = await connection.scalar(
        select(func.min(events.c.recorded_at)).where(
            events.c.aggregate == "job", events.c.published_seq.is_(None)
        )
    )
    return ledgered_until if earliest is None else min(ledgered_until, earliest - timedelta(seconds=1))


def _flag_covered(covered_seq: int) -> Any:
    """Flag each published event: 0 where the last checkpoint covers it, unpublished again where it does not.

    Only the changes of jobs have instants to cover. A seeding that was interrupted finds its own flags again.
    """
    covered = or_(events.c.aggregate != "job", events.c.published_seq <= covered_seq)
    return (
        update(events)
        .where(events.c.published_seq.is_not(None))
        .values(published_seq=case((covered, 0), else_=None))
    )
