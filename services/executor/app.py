"""The executor: takes triggers of its queue as it has room for them, calls their targets, and answers trials."""

import asyncio

import structlog

from services.executor.control import Control
from services.executor.settings import ExecutorSettings
from services.executor.targets.call import Targets, open_targets
from services.executor.trials import Trials
from services.executor.worker import Worker
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.fence import Fence
from shared.bus.pull import ConsumerGone, Pull
from shared.bus.streams import wait_for_consumer
from shared.clock import Clock, utc_now
from shared.observability import BUS_FAILURES
from shared.process import instance_name, run_until_stopped
from shared.secretbox import SecretBox

POLL = 1.0  # seconds between looks at the health of an idle intake
RETRY = 0.1  # seconds, doubled up to MAX_RETRY
MAX_RETRY = 2.0  # seconds

logger = structlog.get_logger()


class Executor:
    """One worker process of one queue."""

    def __init__(self, settings: ExecutorSettings, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._bus = Bus()
        self._fence = Fence(self._bus)
        self._control = Control(self._bus)
        self._box = SecretBox(settings.secret_key.get_secret_value())
        self._durable = subjects.executor_durable(settings.executor_queue)
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled, then let running calls finish within the grace."""
        settings = self._settings
        if settings.webhook_allowed_networks:
            networks = ", ".join(str(network) for network in settings.webhook_allowed_networks)
            logger.warning("webhooks may call these private networks", action="start", networks=networks)
        async with (
            open_targets(settings, self._clock) as targets,
            open_targets(settings, self._clock) as trial_targets,
        ):
            await self._work(targets, Trials(self._bus, trial_targets, self._box, settings.trial_limit))

    async def _work(self, targets: Targets, trials: Trials) -> None:
        settings = self._settings
        following: asyncio.Task[None] | None = None
        taking: asyncio.Task[None] | None = None
        try:
            await self._bus.connect(settings.nats_url.get_secret_value(), "jetcron executor")
            await trials.start(settings.executor_queue)
            await self._control.start()
            following = asyncio.create_task(self._fence.follow())
            worker = Worker(
                self._bus,
                self._fence,
                self._control,
                targets,
                self._box,
                name=instance_name(),
                per_host=settings.executor_concurrency_per_host,
                clock=self._clock,
            )
            taking = asyncio.create_task(self._take_for_ever(worker))
            await _first_to_end(following, taking)
        finally:
            await trials.stop()
            await _cancel(taking)
            await self._finish(trials)
            await self._control.stop()
            await _cancel(following)
            await self._bus.close()

    async def _take_for_ever(self, worker: Worker) -> None:
        wait = RETRY
        while True:
            await self._fence.wait()
            await wait_for_consumer(self._bus.js, subjects.TRIGGERS, self._durable)
            try:
                async with Pull(self._bus, subjects.TRIGGERS, self._durable) as pull:
                    wait = RETRY
                    await self._take(pull, worker)
            except (ConsumerGone, *BUS_FAILURES) as error:
                logger.warning("taking triggers starts again", action="intake", error=repr(error))
                await asyncio.sleep(wait)
                wait = min(wait * 2, MAX_RETRY)

    async def _take(self, pull: Pull, worker: Worker) -> None:
        asking = asyncio.create_task(self._ask_for_ever(pull))
        try:
            while True:
                if asking.done():
                    asking.result()
                message = await pull.take(POLL)
                if message is None:
                    self._room.set()
                    continue
                task = asyncio.create_task(worker.handle(message))
                self._tasks.add(task)
                task.add_done_callback(self._done)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            while (unstarted := pull.take_nowait()) is not None:
                await unstarted.nak()

    async def _ask_for_ever(self, pull: Pull) -> None:
        """Ask for as many messages as there is room for, as soon as there is."""
        self._room.set()
        while True:
            await self._room.wait()
            self._room.clear()
            taken = len(self._tasks) + pull.outstanding + pull.waiting
            await pull.want(self._settings.executor_concurrency - taken)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.set()
        if not task.cancelled() and task.exception() is not None:
            logger.error("a trigger was not handled", action="handle", exc_info=task.exception())

    async def _finish(self, trials: Trials) -> None:
        tasks = self._tasks | trials.tasks
        if not tasks:
            return
        logger.info("finishing", action="stop", calls=len(tasks))
        _, left = await asyncio.wait(tasks, timeout=self._settings.executor_grace_seconds)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=2)


async def _first_to_end(*tasks: asyncio.Task[None]) -> None:
    """Neither is meant to end: one that fails ends the process, which is started again."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def run() -> None:
    """Run an executor until it is told to stop."""
    settings = ExecutorSettings()
    run_until_stopped("executor", settings, Executor(settings).run())
