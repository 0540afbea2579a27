"""How a service runs as a process: its name, its event loop, and how it is told to stop."""

import asyncio
import gc
import os
import signal
import socket
import zoneinfo
from collections.abc import Coroutine
from uuid import uuid4

import structlog
import uvloop

from shared.observability import configure_logging
from shared.settings import CommonSettings

COLLECT_AFTER = (10_000, 10, 10)
"""Objects, and collections of each generation, before the collector looks at the next older one."""

logger = structlog.get_logger()


def instance_name() -> str:
    """A name that no other process has or had."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:6]}"


def prepare_process(settings: CommonSettings, service: str) -> None:
    """Logs, and the time zones: every replica must plan alike, so the packaged ones are used, not the machine's."""
    zoneinfo.reset_tzpath(to=())
    configure_logging(settings, service)
    _set_aside_what_lasts()


def run_until_stopped(service: str, settings: CommonSettings, work: Coroutine[None, None, None]) -> None:
    """Run a service's work on uvloop; SIGTERM and SIGINT cancel it, and it ends in its own time."""
    prepare_process(settings, service)
    uvloop.run(_main(work))


def _set_aside_what_lasts() -> None:
    """Keep the collector of cycles away from the program itself: with what is imported, looking takes it a fifth of all time."""
    gc.set_threshold(*COLLECT_AFTER)
    gc.collect()
    gc.freeze()


async def _main(work: Coroutine[None, None, None]) -> None:
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for stop in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logger.info("stopped", action="stop")
