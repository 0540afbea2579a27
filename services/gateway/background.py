"""Work beside the requests: it goes on whatever happens to it."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

FIRST_BACKOFF = 0.5  # seconds
MAX_BACKOFF = 30.0  # seconds
STEADY_SECONDS = 60.0
"""Work that ran this long before it failed is started again as if it had never failed."""
CANCEL_AGAIN_SECONDS = 2.0
"""Longer than any work needs to tidy up, which a second cancellation would interrupt."""

logger = structlog.get_logger()


async def keep_running(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run work that should never end; when it does, or fails, log that and start it again after a pause."""
    backoff = FIRST_BACKOFF
    while True:
        began = time.monotonic()
        try:
            await work()
            logger.error("background work ended", action="background", work=name)
        except Exception:  # one unforeseen failure must not end what only this process does
            logger.exception("background work failed", action="background", work=name)
        if time.monotonic() - began > STEADY_SECONDS:
            backoff = FIRST_BACKOFF
        await asyncio.sleep(backoff)
        backoff = min(backoff * 2, MAX_BACKOFF)


async def cancel(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and return when they have ended.

    A cancellation can be lost: before Python 3.12 `asyncio.wait_for` drops one that comes together with its answer
    (https://github.com/python/cpython/issues/96764). So whoever has not ended after a while is told again.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
