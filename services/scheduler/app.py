"""The scheduler: a warm replica of the timetable, which leads when it holds the lease."""

import asyncio
import gc
from collections.abc import Awaitable

import structlog

from services.scheduler.checkpoint import Fenced
from services.scheduler.instances import Presence
from services.scheduler.leader import ClockWrong, Leader
from services.scheduler.replica import Replica
from services.scheduler.settings import SchedulerSettings
from shared.bus.connect import Bus
from shared.bus.fence import Fence
from shared.bus.lease import Lease, LeaseLost
from shared.bus.pull import ConsumerGone
from shared.clock import Clock, utc_now
from shared.errors import Transient
from shared.observability import BUS_FAILURES
from shared.process import instance_name, run_until_stopped

RETRY = 0.5  # seconds
COLLECT_AFTER = (100_000, 50, 20)
"""Objects, and collections of each generation, before the collector looks at the next older one."""
FENCE_LOOK = 0.2  # seconds
WRONG_CLOCK_PAUSE = 5.0  # seconds in which others may lead

logger = structlog.get_logger()


class Scheduler:
    """One replica."""

    def __init__(self, settings: SchedulerSettings, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._bus = Bus()
        self._fence = Fence(self._bus)
        self._name = instance_name()
        self._lease: Lease | None = None
        self._presence = Presence(self._bus, self._name, clock)

    async def run(self) -> None:
        """Work until cancelled, then hand over at once."""
        try:
            await self._bus.connect(self._settings.nats_url.get_secret_value(), "jetcron scheduler")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._fence.follow())
                tasks.create_task(self._presence.keep_telling())
                tasks.create_task(self._work())
        finally:
            if self._lease is not None:
                await self._lease.release()
            await self._presence.leave()
            await self._bus.close()

    async def _work(self) -> None:
        if not self._settings.scheduler_enabled:
            logger.warning("SCHEDULER_ENABLED is false: this replica never leads", action="start")
            await asyncio.Event().wait()
        while True:
            generation = await self._fence.wait()
            await self._while_current(generation, self._one_term(generation))
            await asyncio.sleep(RETRY)

    async def _while_current(self, generation: int, work: Awaitable[None]) -> None:
        """Wait for the work, or end it when the store has a new generation."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=FENCE_LOOK)
                if self._fence.generation not in (None, generation):
                    logger.warning("a new generation: starting over", action="start")
                    return
            task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _one_term(self, generation: int) -> None:
        """Load, follow, and when elected lead; returns when the leadership is over, to start over with a fresh view."""
        replica = Replica(self._bus, generation, self._clock)
        await replica.load()
        _set_aside_what_lasts()
        self._presence.follows(replica)
        lease = Lease(self._bus, self._name, self._settings.scheduler_lease_seconds, self._clock)
        self._lease = lease
        try:
            # Together: a leader whose view is not kept up to date must not go on.
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(replica.follow())
                tasks.create_task(self._lead(replica, lease, generation))
        except* ClockWrong as wrong:
            logger.error("this machine's clock is wrong", action="lead", reason=str(wrong.exceptions[0]))
            await lease.release()
            await asyncio.sleep(WRONG_CLOCK_PAUSE)
        except* (LeaseLost, Fenced, Transient, ConsumerGone, *BUS_FAILURES) as ended:
            logger.warning("no longer leading", action="lead", reason=repr(ended.exceptions[0]))
        finally:
            self._presence.follows(None)
            await lease.release()

    async def _lead(self, replica: Replica, lease: Lease, generation: int) -> None:
        grant = await lease.acquire()
        replica.leads = True
        self._presence.leads(grant.term)
        await self._fence.wait()
        leader = Leader(self._bus, self._fence, lease, replica, generation, self._name, self._clock)
        await leader.lead(grant.server_time, self._settings.scheduler_poll_seconds)


def _set_aside_what_lasts() -> None:
    """Keep the collector of cycles away from the jobs: looking through all of them takes it as long as a lease may last."""
    gc.set_threshold(*COLLECT_AFTER)
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def run() -> None:
    """Run a scheduler until it is told to stop."""
    settings = SchedulerSettings()
    run_until_stopped("scheduler", settings, Scheduler(settings).run())
