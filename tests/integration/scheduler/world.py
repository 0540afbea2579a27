"""A bus as a gateway would have seeded it, without a gateway: jobs, a checkpoint where the test wants it, a fence."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import orjson

from services.scheduler.app import Scheduler
from services.scheduler.checkpoint import StoredCheckpoint, read_checkpoint
from services.scheduler.leader import Leader
from services.scheduler.replica import Replica
from services.scheduler.settings import SchedulerSettings
from shared.bus import streams, subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing, pack, unpack
from shared.bus.fence import Fence
from shared.bus.lease import Lease
from shared.bus.reader import StreamReader
from shared.clock import utc_now
from shared.domain.execution import Phase
from shared.domain.job import DEFAULT_QUEUE
from shared.events import (
    AnyEvent,
    CheckpointReached,
    InstantsNotRun,
    JobEvent,
    JobsSeeded,
    RunTriggered,
    RunWaiting,
)
from tests.fixtures.builders import make_report

GENERATION = 1
LEASE_SECONDS = 5
"""Of a leader that does not renew it: so long a test may drive one."""
MAX_BYTES = 64 * 2**20

Decided: TypeAlias = RunTriggered | RunWaiting | InstantsNotRun
"""Every decision on planned instants."""


class World:
    """What a test sets up and looks at."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._running: list[asyncio.Task[None]] = []

    async def seed(self, *, until: datetime, jobs: Sequence[JobEvent], late: Sequence[JobEvent] = ()) -> None:
        """All streams; `jobs` are covered by the checkpoint at `until`, `late` ones are not."""
        await streams.recreate(self.bus.js, MAX_BYTES, 1)
        covered = 0
        for event in jobs:
            covered = await self.publish(event)
        for event in late:
            await self.publish(event)
        checkpoint = CheckpointReached(
            until=until, events_seq=covered, decisions_seq=0, generation=GENERATION
        )
        await self.put_checkpoint(checkpoint)
        await self.bus.publish(
            pack(
                JobsSeeded(generation=GENERATION),
                subject=subjects.SEEDED,
                source="test",
                event_id="seeded",
                time=utc_now(),
            )
        )
        await streams.ensure_fence(self.bus.js, MAX_BYTES, 1)
        await self.put(subjects.FENCE_BUCKET, subjects.GENERATION_KEY, str(GENERATION).encode())

    async def publish(self, event: JobEvent) -> int:
        """Publish a change of a job; returns its place in EVENTS."""
        job = event.current
        message = pack(
            event,
            subject=subjects.event("job", job.id),
            source="test",
            event_id=f"{job.id}:{job.version}",
            time=utc_now(),
            aggregate_version=job.version,
        )
        return (await self.bus.publish(message)).seq

    async def report(self, run: RunTriggered, phase: Phase = Phase.SUCCEEDED, **details: Any) -> None:
        """Say what an executor says of a run."""
        report = make_report(phase, run.facts, **details)
        subject = subjects.execution(run.facts.job_id, run.facts.execution_id)
        event_id = f"{run.facts.execution_id}:{phase}"
        await self.bus.publish(
            pack(report, subject=subject, source="test", event_id=event_id, time=utc_now())
        )

    async def ack(self, count: int) -> None:
        """Acknowledge the next triggers, as an executor does once their results are stored."""
        durable = subjects.executor_durable(DEFAULT_QUEUE)
        pull = await self.bus.js.pull_subscribe_bind(durable, subjects.TRIGGERS)
        for message in await pull.fetch(count, timeout=5):
            await message.ack_sync()

    async def replica(self) -> Replica:
        """A replica that has loaded everything, and follows nothing by itself."""
        replica = Replica(self.bus, GENERATION)
        await replica.load()
        return replica

    async def leader(self, replica: Replica, name: str) -> Leader:
        """A leader that has taken over, and that the test drives: it neither ticks nor renews its lease by itself."""
        fence = Fence(self.bus)
        following = asyncio.create_task(fence.follow())
        self._running.append(following)
        await fence.wait()
        lease = Lease(self.bus, name, LEASE_SECONDS, utc_now)
        grant = await lease.acquire()
        leader = Leader(self.bus, fence, lease, replica, GENERATION, name, utc_now)
        leader.check_clock(grant.server_time)
        await leader.take_over()
        return leader

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        """Write a key."""
        await self.bus.publish(Outgoing(subject=streams.bucket_subject(bucket, key), body=value, headers={}))

    async def put_checkpoint(self, checkpoint: CheckpointReached) -> None:
        """Write the checkpoint, whoever leads."""
        await self.put(subjects.SCHEDULER_BUCKET, subjects.CHECKPOINT_KEY, orjson.dumps(checkpoint.body()))

    def start_scheduler(self, url: str) -> asyncio.Task[None]:
        """A scheduler in this process."""
        task = asyncio.create_task(Scheduler(SchedulerSettings.model_validate({"nats_url": url})).run())
        self._running.append(task)
        return task

    async def stop_schedulers(self) -> None:
        """Stop all of them; a failure of one fails the test."""
        for task in self._running:
            task.cancel()
        for ended in await asyncio.gather(*self._running, return_exceptions=True):
            if ended is not None and not isinstance(ended, asyncio.CancelledError):
                raise ended
        self._running.clear()

    async def decisions(self) -> list[Decided]:
        """All decisions so far, in stream order."""
        found: list[AnyEvent] = []
        reader = StreamReader(
            self.bus, subjects.TRIGGERS, subjects=[subjects.ALL_TRIGGERS, subjects.ALL_DECISIONS]
        )
        async for batch in reader.read_to_end():
            found += [unpack(message.body, message.headers).event for message in batch]
        return [event for event in found if isinstance(event, RunTriggered | RunWaiting | InstantsNotRun)]

    async def checkpoint(self) -> StoredCheckpoint:
        """The checkpoint as it stands."""
        stored = await read_checkpoint(self.bus)
        assert stored is not None
        return stored

    async def reached(self, moment: datetime) -> bool:
        """Whether everything up to that moment is decided."""
        return (await self.checkpoint()).value.until >= moment


def planned_instant(decision: Decided) -> datetime:
    """The instant that was decided on, or the first of them."""
    if isinstance(decision, InstantsNotRun):
        return decision.from_
    order = decision if isinstance(decision, RunTriggered) else decision.order
    assert order.facts.planned_at is not None
    return order.facts.planned_at


def job_of(decision: Decided) -> UUID:
    """Whose instant that is."""
    if isinstance(decision, InstantsNotRun):
        return decision.job_id
    order = decision if isinstance(decision, RunTriggered) else decision.order
    return order.facts.job_id


def minute(moment: datetime) -> datetime:
    """The full minute at or before a moment."""
    return moment.replace(second=0, microsecond=0)


def minutes(first: datetime, last: datetime) -> list[datetime]:
    """All full minutes in (first, last]."""
    found, instant = [], minute(first) + timedelta(minutes=1)
    while instant <= last:
        found.append(instant)
        instant += timedelta(minutes=1)
    return found
