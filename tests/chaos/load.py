"""Work that goes on while things are killed: a receiver that takes its time, and people who keep asking for runs."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle

import httpx
from aiohttp import web

from tests.fixtures.eventually import eventually
from tests.fixtures.jetcron import Jetcron, Json
from tests.fixtures.receiver import Call, Receiver

PAUSE_SECONDS = 0.35
"""Between requests for a run."""
SLOW_SECONDS = (1.0, 2.0, 1.5)
EVERY = 3
"""One call of this many is slow."""
FAILING = "/fail"
RUNNING_PATIENCE_SECONDS = 60.0
MINUTE = timedelta(minutes=1)


class SlowReceiver:
    """Makes a receiver slow now and then, and failing at one path; knows which calls wait for their answer."""

    def __init__(self, receiver: Receiver) -> None:
        self.running: set[str] = set()
        """The executions of the slow calls that are not answered yet."""
        self._delays = cycle(SLOW_SECONDS)
        self._count = 0
        receiver.handler = self._answer

    async def call_is_running(self) -> None:
        """Return while a slow call has only just begun."""
        before = set(self.running)
        await eventually(lambda: bool(self.running - before), within=RUNNING_PATIENCE_SECONDS)

    async def _answer(self, call: Call) -> web.StreamResponse:
        if call.path == FAILING:
            return web.Response(status=500, text="out of order")
        self._count += 1
        if self._count % EVERY == 0:
            execution = call.headers["webhook-id"]
            self.running.add(execution)
            await asyncio.sleep(next(self._delays))
            self.running.discard(execution)
        return web.Response(text="ok")


@asynccontextmanager
async def manual_runs(jetcron: Jetcron, jobs: Collection[Json]) -> AsyncIterator[list[str]]:
    """Keep asking for runs of the jobs in turn; yields the executions whose request was answered.

    A gateway that is away is waited for; one that answers must say yes, whatever the state of the bus.
    """
    acknowledged: list[str] = []

    async def ask() -> None:
        for job in cycle(jobs):
            try:
                acknowledged.append((await jetcron.execute(job))["id"])
            except httpx.TransportError:
                await asyncio.sleep(PAUSE_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)

    asking = asyncio.create_task(ask())
    try:
        yield acknowledged
    finally:
        asking.cancel()
        (outcome,) = await asyncio.gather(asking, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome


def next_minute(at_least: float) -> datetime:
    """The next full minute that is at least so many seconds away."""
    earliest = datetime.now(UTC) + timedelta(seconds=at_least)
    return earliest.replace(second=0, microsecond=0) + MINUTE


async def sleep_until(instant: datetime) -> None:
    """Sleep until then by the clock on the wall."""
    await asyncio.sleep(max(0.0, (instant - datetime.now(UTC)).total_seconds()))
