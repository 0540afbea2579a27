"""Calls that may be told to stop, by whoever ended their execution.

One subscription per process: of all that hear a request, only the one that runs the execution answers it.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from services.executor.targets.result import CallResult
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.observability import BUS_FAILURES

ANSWER_WITHIN = 2.0  # seconds

logger = structlog.get_logger()


class Held:
    """An execution that this process is at."""

    def __init__(self) -> None:
        self._call: asyncio.Task[CallResult] | None = None
        self._is_stopped = False
        self.over = asyncio.Event()
        """Set when this process is done with it."""

    async def make(self, call: Coroutine[Any, Any, CallResult]) -> CallResult | None:
        """Make a call; None if it was told to stop."""
        if self._is_stopped:
            call.close()
            return None
        self._call = asyncio.create_task(call)
        try:
            await asyncio.wait([self._call])
        finally:
            if not self._call.done():
                self._call.cancel()
                await asyncio.wait([self._call])
        return None if self._call.cancelled() else self._call.result()

    def stop(self) -> None:
        """Stop the call, or keep it from being made. One that has ended is reported as it ended."""
        self._is_stopped = True
        if self._call is not None:
            self._call.cancel()


class Control:
    """What this process is at, and the requests to stop it. The client subscribes again by itself after a reconnect."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._held: dict[UUID, Held] = {}
        self._subscription: Subscription | None = None
        self._answers: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take requests from now on."""
        self._subscription = await self._bus.nc.subscribe(subjects.ALL_CONTROL, cb=self._on_request)

    async def stop(self) -> None:
        """Take no more requests."""
        for answer in self._answers:
            answer.cancel()
        if self._subscription is not None:
            with suppress(*BUS_FAILURES):
                await self._subscription.unsubscribe()

    @contextmanager
    def holding(self, execution_id: UUID) -> Iterator[Held]:
        """Be at an execution within the block."""
        held = self._held[execution_id] = Held()
        try:
            yield held
        finally:
            del self._held[execution_id]
            held.over.set()

    async def ask_to_stop(self, execution_id: UUID) -> bool:
        """Ask whoever is at an execution to stop it; returns whether they have, or are done with it, in time."""
        try:
            await self._bus.nc.request(subjects.control(execution_id), timeout=ANSWER_WITHIN)
        except BUS_FAILURES as error:
            logger.info(
                "nobody stopped a call", action="control", execution=str(execution_id), error=repr(error)
            )
            return False
        return True

    async def _on_request(self, message: Msg) -> None:
        try:
            held = self._held.get(UUID(message.subject.rpartition(".")[2]))
        except ValueError:
            return
        if held is None:
            return
        held.stop()
        answer = asyncio.create_task(self._answer(message, held))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def _answer(self, message: Msg, held: Held) -> None:
        await held.over.wait()
        with suppress(*BUS_FAILURES):
            await message.respond(b"")
