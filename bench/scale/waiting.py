"""Waiting until the processes are ready."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from bench.scale.call_sink import CallSink
from bench.scale.processes import Process, service
from bench.scale.seeded_bus import SeededBus
from shared.bus import subjects
from shared.bus.instances import Instance, look_at_schedulers
from shared.clock import utc_now
from shared.domain.job import DEFAULT_QUEUE

POLL_SECONDS = 0.005
LOOK_SECONDS = 5.0
READY_SECONDS = 600.0


async def leading(bus: SeededBus, jobs: int, process: Process) -> Instance:
    """The process, once it leads and has told so."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        seen = await look_at_schedulers(bus.bus, LOOK_SECONDS)
        if seen.leader is not None and (seen.leader.pid, seen.leader.jobs) == (process.pid, jobs):
            return seen.leader
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"scheduler {process.pid} does not lead")


async def standing_by(bus: SeededBus, jobs: int, process: Process) -> Instance:
    """The process, once it knows all jobs."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        for one in (await look_at_schedulers(bus.bus, LOOK_SECONDS)).instances:
            if (one.pid, one.jobs) == (process.pid, jobs):
                return one
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"scheduler {process.pid} does not know the jobs")


@asynccontextmanager
async def executors(bus: SeededBus, count: int) -> AsyncIterator[Sequence[Process]]:
    """Executors that wait for work."""
    durable = subjects.executor_durable(DEFAULT_QUEUE)
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(
                service("executor", bus.directory, NATS_URL=bus.url, WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8")
            )
            for _ in range(count)
        ]
        while ((await bus.bus.js.consumer_info(subjects.TRIGGERS, durable)).num_waiting or 0) < count:
            await asyncio.sleep(POLL_SECONDS)
        yield started


async def called(sink: CallSink, count: int, patience: float) -> None:
    """Return when so many calls have arrived, or when none came for so long."""
    seen, since = 0, time.monotonic()
    while len(sink.calls) < count and time.monotonic() - since < patience:
        if len(sink.calls) > seen:
            seen, since = len(sink.calls), time.monotonic()
        await asyncio.sleep(POLL_SECONDS)


async def sleep_until(instant: datetime) -> None:
    """Sleep by the clock on the wall."""
    await asyncio.sleep(max(0.0, (instant - utc_now()).total_seconds()))
