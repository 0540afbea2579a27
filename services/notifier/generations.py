"""Work that belongs to one generation of the store."""

import asyncio
from collections.abc import Coroutine

import structlog

from shared.bus.fence import Fence

LOOK = 0.2  # seconds

logger = structlog.get_logger()


async def while_current(fence: Fence, generation: int, work: Coroutine[None, None, None]) -> None:
    """Do the work until the store has another generation; raises what the work raises."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK)
            if fence.generation not in (None, generation):
                logger.warning("a new generation: starting over", action="start")
                return
        task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
