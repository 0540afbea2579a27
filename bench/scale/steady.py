"""How late runs are when so many are due every second, for a while."""

from datetime import timedelta

from bench.scale.call_sink import call_sink
from bench.scale.planned_jobs import jobs_each_second
from bench.scale.processes import Meter, service
from bench.scale.runs import account, calls_late, late, read_decisions
from bench.scale.seeded_bus import seeded_bus
from bench.scale.waiting import called, executors, leading, sleep_until
from shared.clock import utc_now

READY = timedelta(seconds=10)
PATIENCE_SECONDS = 20.0


async def measure_steady(count: int, seconds: int, executor_count: int) -> None:
    """So many jobs at each full second: no schedule has fractions of one."""
    now = utc_now()
    begin = (now + READY).replace(microsecond=0)
    end = begin + timedelta(seconds=seconds)
    planned = count * seconds
    async with call_sink() as sink, seeded_bus() as bus:
        await bus.seed(jobs_each_second(count, begin, now, sink.url))
        async with executors(bus, executor_count) as started:
            async with service("scheduler", bus.directory, NATS_URL=bus.url) as scheduler:
                await leading(bus, count, scheduler)
                await sleep_until(begin)
                meter = Meter(scheduler=[scheduler], executor=started, server=[bus.server])
                # Stopped a moment later, so that the last second is whole; what comes then is not counted.
                await sleep_until(end + timedelta(seconds=1))
                used = meter.share()
            await called(sink, planned + count, PATIENCE_SECONDS / 4)
        decided = [one for one in await read_decisions(bus) if one.planned_at < end.timestamp()]
    counted = {one.execution_id for one in decided}
    calls = [call for call in sink.calls if call.execution_id in counted]
    print(f"{count:,} runs a second for {seconds} s: {account(planned, decided, calls)}")
    print(f"  stored: {late(one.lateness for one in decided)}")
    print(f"  called: {late(calls_late(decided, calls))}")
    print(f"  processors: {used}")
