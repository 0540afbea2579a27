"""How late runs are when all are due at one instant: stored by the scheduler, called by the executor."""

from datetime import timedelta

from bench.scale.call_sink import call_sink
from bench.scale.planned_jobs import jobs_due_at
from bench.scale.processes import Meter, service
from bench.scale.runs import account, calls_late, late, read_decisions
from bench.scale.seeded_bus import seeded_bus
from bench.scale.waiting import called, executors, leading, sleep_until
from shared.clock import utc_now

READY = timedelta(seconds=10)
"""Until the instant, for each 5,000 jobs once more."""
PATIENCE_SECONDS = 20.0


async def measure_due(count: int, executor_count: int) -> None:
    """So many jobs at the next full minute."""
    now = utc_now()
    instant = (now + READY * (1 + count / 5_000)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    async with call_sink() as sink, seeded_bus() as bus:
        await bus.seed(jobs_due_at(count, instant, now, sink.url))
        async with (
            service("scheduler", bus.directory, NATS_URL=bus.url) as scheduler,
            executors(bus, executor_count) as started,
        ):
            await leading(bus, count, scheduler)
            await sleep_until(instant - timedelta(seconds=1))
            meter = Meter(scheduler=[scheduler], executor=started, server=[bus.server])
            await sleep_until(instant)
            await called(sink, count, PATIENCE_SECONDS)
            used = meter.seconds()
        decided = await read_decisions(bus)
    print(f"{count:,} jobs due at once, {executor_count} executor(s): {account(count, decided, sink.calls)}")
    print(f"  stored: {late(one.lateness for one in decided)}")
    print(f"  called: {late(calls_late(decided, sink.calls))}")
    print(f"  processor: {used}")
