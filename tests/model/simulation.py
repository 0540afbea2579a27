"""An installation whose every step a test takes by hand: real gateway parts on SQLite, a real nats-server, schedulers in
simulated time. What it stands on is real; only the clock, the lease and the fence do what the test says.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.gateway.bus_state import load_bus_state
from services.gateway.domain.actor import SYSTEM
from services.gateway.domain.job import CreateJob, DeleteJob, JobCommand, JobState, UpdateJob
from services.gateway.folding import Fold, absorb_to_end
from services.gateway.gateway import Gateway
from services.gateway.ledger import Ledger
from services.gateway.projector import Projector
from services.gateway.relay import Relay
from services.gateway.seeding import Seeder
from services.gateway.seeding_executions import ExecutionSeeds
from services.gateway.store.aggregates import JOBS
from services.gateway.store.event_store import Context
from services.gateway.store.tables import executions
from services.scheduler.leader import Leader
from services.scheduler.replica import Replica
from shared.bus import streams, subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing, pack, unpack
from shared.bus.lease import ServerTime
from shared.bus.reader import StreamMessage, StreamReader
from shared.domain.execution import Phase
from shared.domain.job import Job
from shared.events import (
    AnyEvent,
    ExecutionReported,
    InstantSettled,
    InstantsNotRun,
    RunTriggered,
    RunWaiting,
)
from tests.fixtures.bus import MAX_BYTES
from tests.fixtures.database import rows_of

BEGINNING = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Crashed(Exception):
    """The scheduler died between two publishes."""


class MortalBus(Bus):
    """A scheduler's connection. It can be told after how many messages its owner dies."""

    def __init__(self) -> None:
        super().__init__()
        self.messages_left: int | None = None

    async def publish(self, message: Outgoing) -> Any:
        self._count(1)
        return await super().publish(message)

    async def publish_all(self, messages: Iterable[Outgoing]) -> list[Any]:
        wanted = list(messages)
        if self.messages_left is not None and len(wanted) > self.messages_left:
            await super().publish_all(wanted[: self.messages_left])
            raise Crashed
        self._count(len(wanted))
        return await super().publish_all(wanted)

    def _count(self, number: int) -> None:
        if self.messages_left is None:
            return
        if self.messages_left < number:
            raise Crashed
        self.messages_left -= number


class Granted:
    """A lease or a fence that is whatever the test says."""

    def __init__(self, generation: int) -> None:
        self.is_held = True
        self._generation = generation

    def holds(self, generation: int) -> bool:
        """Whether it is held, for that generation."""
        return self.is_held and generation == self._generation


class Term:
    """One scheduler that leads, or takes itself for the leader."""

    def __init__(self, bus: MortalBus, generation: int, name: str, clock: "Clock") -> None:
        self.generation = generation
        self._clock = clock
        granted: Any = Granted(generation)
        self.replica = Replica(bus, generation, clock.local)
        self.leader = Leader(bus, granted, granted, self.replica, generation, name, clock.local)

    async def begin(self) -> None:
        """Load, and take over."""
        await self.replica.load()
        self.leader.check_clock(self._clock.server_time())
        await self.leader.take_over()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits."""
        return not self.replica.board.waiting

    @property
    def decided_until(self) -> datetime:
        """The checkpoint."""
        assert self.replica.checkpoint is not None
        return self.replica.checkpoint.value.until

    async def tick(self, *, follows: bool) -> None:
        """One look at what is due, with or without having heard of the newest changes."""
        if follows:
            await self.replica.catch_up()
        self.leader.check_clock(self._clock.server_time())
        await self.leader.tick()


class Clock:
    """The servers' time, and how far the scheduler's clock is from it."""

    def __init__(self) -> None:
        self.now = BEGINNING
        self.skew = timedelta(0)

    def local(self) -> datetime:
        """What the scheduler's clock says."""
        return self.now + self.skew

    def true(self) -> datetime:
        """What time it is."""
        return self.now

    def server_time(self) -> ServerTime:
        """As a renewal finds it out: just before the clock was moved."""
        return ServerTime(at=self.now, monotonic=time.monotonic(), offset=0.0)


class Simulation:
    """What a test does, one step after another."""

    def __init__(self, gateway: Gateway, scheduler_bus: MortalBus, clock: Clock) -> None:
        self._gateway = gateway
        self._bus = scheduler_bus
        self.clock = clock
        self.generation = 0
        self._terms = 0
        self._orders_seq = 0
        self._ended: set[UUID] = set()
        self.running: dict[UUID, RunTriggered] = {}
        """What executors were told to run and have not ended."""
        self.folds: list[Fold] = [
            Ledger(gateway.database),
            Projector(gateway.database, gateway.event_store, clock.true),
        ]
        fence: Any = Granted(0)
        relay = Relay(gateway.database, gateway.bus, fence, gateway.box, clock.true)
        seeds = ExecutionSeeds(gateway.database, gateway.bus, gateway.box, clock.true)
        self._relay = relay
        self._seeder = Seeder(gateway.database, gateway.bus, relay, seeds, gateway.settings, clock.true)

    async def seed(self) -> None:
        """Make the bus's store, or a new one after it was damaged."""
        state = await load_bus_state(self._gateway.database, self.clock.now)
        self.generation = await self._seeder.seed(state, self.folds, "simulated", lambda: None)
        self._orders_seq = 0
        self._ended.clear()
        self.running.clear()

    async def write(self, job_id: UUID, command: JobCommand) -> Job | None:
        """A change of a job, committed and not yet on the bus; returns what the job is now."""

        async def prepare(_connection: object, _state: JobState) -> JobCommand:
            return command

        context = Context(actor="model", at=self.clock.now)
        return (await self._gateway.event_store.execute(JOBS, job_id, prepare, context)).job

    async def create(self, job: Job) -> Job | None:
        """A new job."""
        return await self.write(
            job.id, CreateJob(job=job, actor=SYSTEM, now=self.clock.now, name_taken=False)
        )

    async def change(self, job_id: UUID, **changes: Any) -> Job | None:
        """Other values of some fields."""
        command = UpdateJob(
            job_id=job_id, changes=changes, actor=SYSTEM, now=self.clock.now, name_taken=False
        )
        return await self.write(job_id, command)

    async def delete(self, job_id: UUID) -> None:
        """The end of a job."""
        await self.write(job_id, DeleteJob(job_id=job_id, actor=SYSTEM, now=self.clock.now))

    async def relay(self) -> None:
        """Publish what was committed."""
        await self._relay.drain_events(lambda: True)

    async def term(self) -> Term:
        """Another scheduler, which leads from now on unless it dies while it takes over."""
        self._terms += 1
        self._bus.messages_left = None
        return Term(self._bus, self.generation, f"scheduler-{self._terms}", self.clock)

    def let_die_after(self, messages: int | None) -> None:
        """The scheduler dies before it publishes more than so many messages."""
        self._bus.messages_left = messages

    async def fold(self) -> None:
        """Write what the bus has into SQL."""
        state = await load_bus_state(self._gateway.database, self.clock.now)
        for fold in self.folds:
            await absorb_to_end(
                self._gateway.bus, fold, getattr(state, fold.position_column), state.generation
            )

    async def take_orders(self) -> None:
        """Executors hear what they are to run."""
        reader = StreamReader(
            self._gateway.bus, subjects.TRIGGERS, after=self._orders_seq, subjects=[subjects.ALL_TRIGGERS]
        )
        async for batch in reader.read_to_end():
            for message in batch:
                self._orders_seq = message.sequence
                order = unpack(message.body, message.headers).event
                if isinstance(order, RunTriggered) and order.generation == self.generation:
                    await self._take(order)

    async def end(self, execution_id: UUID, phase: Phase) -> None:
        """An execution ends, and everybody is told."""
        order = self.running.pop(execution_id)
        await self._report(order, phase)

    async def repeat_a_decision(self, which: int) -> None:
        """A decision that is stored once more, long after the first time."""
        messages = await self._read(subjects.TRIGGERS, [subjects.ALL_TRIGGERS, subjects.ALL_DECISIONS])
        if messages:
            await self._put(messages[which % len(messages)])

    @staticmethod
    def all_streams() -> list[str]:
        """What a store has, but for the fence."""
        return [
            config.name or ""
            for config in streams.stream_configs(MAX_BYTES, 1)
            if config.name != streams.FENCE_STREAM
        ]

    async def lose(self, stream: str) -> None:
        """A stream, or a bucket, is gone."""
        await self._gateway.bus.js.delete_stream(stream)

    async def roll_back_decisions(self, lost: int) -> None:
        """An older copy of TRIGGERS is put back: the newest messages were never there."""
        kept = await self._read(subjects.TRIGGERS, [">"])
        await self.lose(subjects.TRIGGERS)
        [config] = [one for one in streams.stream_configs(MAX_BYTES, 1) if one.name == subjects.TRIGGERS]
        await self._gateway.bus.js.add_stream(config)
        for message in kept[: max(0, len(kept) - lost)]:
            await self._put(message)

    async def rows(self) -> list[dict[str, Any]]:
        """The rows of all planned instants."""
        return [row for row in await rows_of(self._gateway.database, executions) if row["planned_at"]]

    async def story(self, job_id: UUID) -> str:
        """What the bus holds of a job's instants, to be read by whoever looks for a mistake."""
        filters = [subjects.trigger("*", job_id), subjects.decision(job_id)]
        told = []
        for message in await self._read(subjects.TRIGGERS, filters):
            event = unpack(message.body, message.headers).event
            told.append(f"{message.sequence} {event.type} {_instants(event)}")
        return "\n".join(told)

    async def _take(self, order: RunTriggered) -> None:
        execution_id = order.facts.execution_id
        for cancelled in order.cancels:
            if cancelled in self.running:
                await self.end(cancelled, Phase.CANCELLED)
        if execution_id not in self._ended:
            self.running[execution_id] = order

    async def _report(self, order: RunTriggered, phase: Phase) -> None:
        facts = order.facts
        self._ended.add(facts.execution_id)
        report = ExecutionReported(
            phase=phase, facts=facts, attempt=1, at=self.clock.now, generation=self.generation
        )
        await self._gateway.bus.publish(
            pack(
                report,
                subject=subjects.execution(facts.job_id, facts.execution_id),
                source="model",
                event_id=f"{facts.execution_id}:{phase}",
                time=self.clock.now,
            )
        )

    async def _read(self, stream: str, filters: Sequence[str]) -> list[StreamMessage]:
        reader = StreamReader(self._gateway.bus, stream, subjects=list(filters))
        return [message async for batch in reader.read_to_end() for message in batch]

    async def _put(self, message: StreamMessage) -> None:
        headers = {
            name: value for name, value in (message.headers or {}).items() if not name.startswith("Nats-")
        }
        await self._gateway.bus.publish(Outgoing(subject=message.subject, body=message.body, headers=headers))


def _instants(event: AnyEvent) -> str:
    match event:
        case RunTriggered():
            return str(event.facts.planned_at)
        case RunWaiting():
            return f"{event.order.facts.planned_at} {event.reason}"
        case InstantsNotRun():
            return f"{event.from_} to {event.to}: {event.reason}"
        case InstantSettled():
            return f"{event.planned_at} to {event.to}"
        case _:
            return ""
