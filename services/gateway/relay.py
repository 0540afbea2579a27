"""The relay: what was committed to SQL goes to the bus, in the order of each aggregate, once the bus takes it.

Several aggregates are published at once; version v+1 of one only after v is acknowledged, each with the expected last
sequence of its subject, so that the compacted view never goes back.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import orjson
import structlog
from nats.js.api import PubAck, RawStreamMsg
from sqlalchemy import Row, bindparam, select, update

from services.gateway.bus_state import note_acknowledged
from services.gateway.store.database import Database
from services.gateway.store.event_store import stored_event
from services.gateway.store.tables import events, runs
from services.gateway.turns import give_turns
from shared.bus import subjects
from shared.bus.connect import Bus, Unpublished, WrongLastSequence
from shared.bus.envelope import Outgoing, pack
from shared.bus.fence import Fence
from shared.clock import Clock
from shared.domain.ids import manual_message_id
from shared.errors import Transient
from shared.events import RunTriggered, UnreadableEvent
from shared.secretbox import SecretBox, UnknownKey

BATCH = 100
AT_A_TIME = 32
"""Aggregates that are being published: their events are read and packed while nothing else is done."""
LOOK = 0.5  # seconds between looks when nothing wakes the relay: another gateway may have committed
MAX_BACKOFF = 5.0  # seconds

logger = structlog.get_logger()

_previous = events.alias("previous")
_unpublished = (
    select(events, _previous.c.published_seq.label("previous_seq"))
    .outerjoin(
        _previous,
        (_previous.c.aggregate_id == events.c.aggregate_id) & (_previous.c.version == events.c.version - 1),
    )
    .where(events.c.published_seq.is_(None))
    .order_by(events.c.aggregate_id, events.c.version)
    .limit(BATCH)
)
_unpublished_runs = (
    select(runs)
    .where(runs.c.published_seq.is_(None), runs.c.turn.is_(None), runs.c.sealed_order.is_not(None))
    .order_by(runs.c.requested_at)
    .limit(BATCH)
)
_mark_event = (
    update(events).where(events.c.position == bindparam("at")).values(published_seq=bindparam("seq"))
)
_mark_run = update(runs).where(runs.c.execution_id == bindparam("at")).values(published_seq=bindparam("seq"))


class OutOfFence(Transient):
    """The fence does not hold this generation: nothing may be published."""


class Relay:
    """Publishes the outboxes: domain events, and runs that people asked for."""

    def __init__(self, database: Database, bus: Bus, fence: Fence, box: SecretBox, clock: Clock) -> None:
        self._database = database
        self._bus = bus
        self._fence = fence
        self._box = box
        self._clock = clock
        self.wake = asyncio.Event()
        self._turns = asyncio.Semaphore(AT_A_TIME)

    async def run(self, generation: int) -> None:
        """Publish whatever is committed, for ever, while the fence holds the generation."""
        backoff = 0.1
        while True:
            self.wake.clear()
            try:
                if self._fence.holds(generation):
                    await self.drain_events(lambda: self._fence.holds(generation))
                    await self.drain_runs(generation)
                backoff = 0.1
            except Transient as error:
                logger.warning("the relay waits", action="relay", error=error.message)
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, MAX_BACKOFF)
                continue
            try:
                async with asyncio.timeout(LOOK):
                    await self.wake.wait()
            except TimeoutError:
                continue

    async def drain_events(self, may_publish: Callable[[], bool]) -> None:
        """Publish domain events until none is left; raises `Transient` when the bus or the database fails."""
        while True:
            async with self._database.read() as connection:
                rows = (await connection.execute(_unpublished)).all()
            if not rows:
                return
            if not may_publish():
                raise OutOfFence("the fence is down")
            chains = [list(chain) for _, chain in groupby(rows, key=lambda row: row.aggregate_id)]
            outcomes = await asyncio.gather(*(self._publish_chain(chain) for chain in chains))
            published = [mark for marks, _ in outcomes for mark in marks]
            if published:
                async with self._database.write() as connection:
                    await connection.execute(_mark_event, published)
                    await note_acknowledged(
                        connection, subjects.EVENTS, max(mark["seq"] for mark in published)
                    )
            failed = next((error for _, error in outcomes if error is not None), None)
            if failed is not None:
                raise failed

    async def drain_runs(self, generation: int) -> None:
        """Publish the triggers of runs that people asked for, and whose turn it is, until none is left."""
        while True:
            if self._fence.holds(generation):
                await give_turns(self._database)
            async with self._database.read() as connection:
                rows = (await connection.execute(_unpublished_runs)).all()
            triggers = [(row, message) for row in rows if (message := self._manual_trigger(row, generation))]
            if not triggers:
                return
            if not self._fence.holds(generation):
                raise OutOfFence("the fence is down")
            acks = await self._bus.publish_all([message for _, message in triggers])
            await self._mark_runs([row for row, _ in triggers], acks)

    async def _mark_runs(self, rows: Sequence[Row[Any]], acks: Sequence[PubAck | BaseException]) -> None:
        marks = [
            {"at": row.execution_id, "seq": ack.seq}
            for row, ack in zip(rows, acks, strict=True)
            if isinstance(ack, PubAck)
        ]
        if marks:
            async with self._database.write() as connection:
                await connection.execute(_mark_run, marks)
                await note_acknowledged(connection, subjects.TRIGGERS, max(mark["seq"] for mark in marks))
        failed = next((ack for ack in acks if isinstance(ack, BaseException)), None)
        if failed is not None:
            raise failed

    def _manual_trigger(self, row: Row[Any], generation: int) -> Outgoing | None:
        try:
            order = open_order(self._box, row).model_copy(update={"generation": generation})
        except (UnknownKey, ValueError) as error:
            # It waits for a gateway that has the key.
            logger.error(
                "a run cannot be read",
                action="relay",
                execution=str(row.execution_id),
                error=type(error).__name__,
            )
            return None
        return pack_trigger(order, message_id=manual_message_id(row.execution_id), source="gateway")

    async def _publish_chain(self, chain: list[Row[Any]]) -> tuple[list[dict[str, int]], Transient | None]:
        """Publish one aggregate's events in order; returns what was acknowledged and what stopped it."""
        marks: list[dict[str, int]] = []
        expected = chain[0].previous_seq or 0
        for row in chain:
            try:
                async with self._turns:
                    expected = await self.publish_event(row, expected)
            except Transient as error:
                return marks, error
            except UnreadableEvent as error:
                return marks, Transient(f"event {row.id} waits for a newer gateway: {error}")
            marks.append({"at": row.position, "seq": expected})
        return marks, None

    async def publish_event(self, row: Row[Any], expected: int) -> int:
        """Publish one event behind the message `expected`; returns its sequence."""
        message = event_message(row, expected)
        try:
            return (await self._bus.publish(message)).seq
        except WrongLastSequence:
            last = await self._bus.last(subjects.EVENTS, message.subject)
        if last is not None and (last.headers or {}).get("ce-id") == str(row.id):
            return last.seq or 0
        if last is not None and _version(last) > row.version:
            # A newer version stands there already: this one must not come behind it.
            return await self._place(row, message.subject, expected)
        try:
            return (await self._bus.publish(event_message(row, last.seq or 0 if last is not None else 0))).seq
        except WrongLastSequence as error:
            raise Unpublished(f"{message.subject} is being written by another relay") from error

    async def _place(self, row: Row[Any], subject: str, after: int) -> int:
        """Where an event stands that newer versions have followed; just before them where it has aged out."""
        while (found := await self._bus.next(subjects.EVENTS, subject, after + 1)) is not None:
            place = found.seq or 0
            if (found.headers or {}).get("ce-id") == str(row.id):
                return place
            if _version(found) > row.version:
                return place - 1
            after = place
        return after


def _version(message: RawStreamMsg) -> int:
    return int((message.headers or {}).get("ce-aggregateversion", "0"))


def event_message(row: Row[Any], expected: int) -> Outgoing:
    """The message of a row of the events table."""
    return pack(
        stored_event(row),
        subject=subjects.event(row.aggregate, row.aggregate_id),
        source="gateway",
        event_id=str(row.id),
        time=row.recorded_at,
        message_id=None,
        expected_last=expected,
        aggregate_version=row.version,
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
    )


def pack_trigger(order: RunTriggered, *, message_id: str, source: str) -> Outgoing:
    """The message that makes an executor run something."""
    facts = order.facts
    return pack(
        order,
        subject=subjects.trigger(facts.queue, facts.job_id),
        source=source,
        event_id=message_id,
        time=facts.queued_at,
        message_id=message_id,
    )


def seal_order(box: SecretBox, order: RunTriggered) -> bytes:
    """A work order as it stands in the runs outbox."""
    return box.seal(orjson.dumps(order.body()), f"run:{order.facts.execution_id}")


def open_order(box: SecretBox, row: Row[Any]) -> RunTriggered:
    """The work order of a row of the runs outbox."""
    return RunTriggered.model_validate(orjson.loads(box.open(row.sealed_order, f"run:{row.execution_id}")))
