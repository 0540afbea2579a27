"""How long a scheduler takes until it knows its jobs, what they cost in memory, and what it does while nothing is due."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from bench.scale.planned_jobs import quiet_jobs
from bench.scale.processes import Process, service
from bench.scale.seeded_bus import SeededBus, seeded_bus
from bench.scale.waiting import leading, standing_by
from shared.clock import utc_now

SETTLE_SECONDS = 3.0
IDLE_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """What was measured of one number of jobs."""

    jobs: int
    until_led: float
    """Seconds from the start of the process until it led."""
    load: float
    """Seconds of that from its first line of work on: without the interpreter's start and imports."""
    memory: int
    most_memory: int
    idle: float
    """Processors that it uses while nothing is due; 1 is one of them, whole."""
    handover: float
    """Seconds from SIGTERM to the leader until another one led that knew all jobs."""


async def measure_load(counts: Iterable[int]) -> None:
    """Print it for each number of jobs, beside what a scheduler without jobs needs."""
    nothing = await _measure(0)
    print(
        f"no jobs: leads {nothing.until_led:.2f} s after its start ({nothing.load:.2f} s without imports), "
        f"{nothing.memory / 2**20:.0f} MiB, idle {nothing.idle:.1%} of a processor, "
        f"hands over within {nothing.handover * 1000:.0f} ms"
    )
    for count in counts:
        loaded = await _measure(count)
        more = loaded.memory - nothing.memory
        print(
            f"{count:,} jobs: leads {loaded.until_led:.2f} s after its start, load {loaded.load:.2f} s; "
            f"{loaded.memory / 2**20:.0f} MiB (+{more / 2**20:.0f} MiB, {more / count:,.0f} bytes a job; "
            f"at most {loaded.most_memory / 2**20:.0f} MiB); idle {loaded.idle:.1%} of a processor; "
            f"hands over within {loaded.handover * 1000:.0f} ms"
        )


async def _measure(jobs: int) -> _Loaded:
    async with seeded_bus() as bus:
        await bus.seed(quiet_jobs(jobs, utc_now()))
        started = time.monotonic()
        async with service("scheduler", bus.directory, NATS_URL=bus.url) as process:
            leader = await leading(bus, jobs, process)
            until_led = time.monotonic() - started
            await asyncio.sleep(SETTLE_SECONDS)
            used, memory = process.processor_seconds, process.memory
            await asyncio.sleep(IDLE_SECONDS)
            idle = (process.processor_seconds - used) / IDLE_SECONDS
            since = leader.leader_since or leader.last_heartbeat
            return _Loaded(
                jobs=jobs,
                until_led=until_led,
                load=(since - leader.started_at).total_seconds(),
                memory=memory,
                most_memory=process.most_memory,
                idle=idle,
                handover=await _hand_over(bus, jobs, process),
            )


async def _hand_over(bus: SeededBus, jobs: int, leader: Process) -> float:
    async with service("scheduler", bus.directory, NATS_URL=bus.url) as follower:
        await standing_by(bus, jobs, follower)
        told = time.monotonic()
        leader.tell_to_stop()
        await leading(bus, jobs, follower)
        return time.monotonic() - told
