"""A nats-server of its own with everything on it that a gateway puts there: jobs, checkpoint, marker, fence.

The jobs are published as a gateway's relay publishes them, one event for each, many at a time; there is no SQL.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson

from bench.scale.processes import Process, spawn
from services.cli import nats_server
from shared.bus import streams, subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing, pack
from shared.clock import utc_now
from shared.domain.job import Job
from shared.events import CheckpointReached, Event, JobCreated, JobsSeeded

READY_SECONDS = 60.0
POLL_SECONDS = 0.05
GENERATION = 1
MAX_BYTES = 8 * 2**30
"""More than the default: 100,000 jobs must fit into a quarter of it, and thousands of runs with their reports."""
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededBus:
    """The server, and a connection to it."""

    bus: Bus
    url: str
    server: Process
    directory: Path

    async def seed(self, jobs: Iterable[Job]) -> None:
        """From now on schedulers may lead; everything until now is decided."""
        count, began, left = 0, time.monotonic(), iter(jobs)
        while batch := [_created(job) for job in islice(left, AT_ONCE)]:
            await self._publish(batch)
            count += len(batch)
        checkpoint = CheckpointReached(
            until=utc_now(), events_seq=count, decisions_seq=0, generation=GENERATION
        )
        await self._put(subjects.SCHEDULER_BUCKET, subjects.CHECKPOINT_KEY, orjson.dumps(checkpoint.body()))
        await self._publish([_event(JobsSeeded(generation=GENERATION), subjects.SEEDED, "seeded")])
        await streams.ensure_fence(self.bus.js, MAX_BYTES, 1)
        await self._put(subjects.FENCE_BUCKET, subjects.GENERATION_KEY, str(GENERATION).encode())
        size = await self._copied(count + 1)
        print(
            f"published {count:,} jobs in {time.monotonic() - began:.1f} s; "
            f"stream {subjects.JOBS}: {size / 2**20:,.0f} MiB, {size / max(count, 1):,.0f} bytes a job"
        )

    async def _copied(self, messages: int) -> int:
        """The bytes of the compacted stream, once everything has arrived there."""
        while (state := (await self.bus.js.stream_info(subjects.JOBS)).state).messages < messages:
            await asyncio.sleep(POLL_SECONDS)
        return state.bytes

    async def _put(self, bucket: str, key: str, value: bytes) -> None:
        subject = streams.bucket_subject(bucket, key)
        await self._publish([Outgoing(subject=subject, body=value, headers={})])

    async def _publish(self, messages: Iterable[Outgoing]) -> None:
        for ack in await self.bus.publish_all(messages):
            if isinstance(ack, BaseException):
                raise ack


@asynccontextmanager
async def seeded_bus() -> AsyncIterator[SeededBus]:
    """An empty server with all streams; nobody may work before it is seeded."""
    with tempfile.TemporaryDirectory(prefix="jetcron-bench-") as name:
        directory = Path(name)
        port, password = nats_server.free_port(), nats_server.password_for(directory)
        config = nats_server.write_config(directory, port, password)
        server = spawn(nats_server.command(config), directory)
        bus, url = Bus(), nats_server.nats_url(port, password)
        try:
            await nats_server.wait_until_ready(port, READY_SECONDS, nats_server.server_name(directory))
            await bus.connect(url, "bench")
            await streams.recreate(bus.js, MAX_BYTES, 1)
            yield SeededBus(bus=bus, url=url, server=server, directory=directory)
        finally:
            await bus.close()
            await server.stop()


def _created(job: Job) -> Outgoing:
    return _event(JobCreated(job=job), subjects.event("job", job.id), str(job.id))


def _event(event: Event, subject: str, event_id: str) -> Outgoing:
    return pack(event, subject=subject, source="bench", event_id=event_id, time=utc_now())
