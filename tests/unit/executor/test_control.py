"""A call that may be told to stop."""

import asyncio

import pytest

from services.executor.control import Held
from services.executor.targets.result import CallResult, failure

ENDED = failure("it ended")


class Call:
    """Goes on until it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.was_cancelled = False

    async def __call__(self) -> CallResult:
        self.begun.set()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return ENDED


async def test_one_that_nobody_stops_ends_by_itself() -> None:
    call, held = Call(), Held()
    call.let_go.set()
    assert await held.make(call()) == ENDED


async def test_one_that_is_stopped_has_no_result() -> None:
    call, held = Call(), Held()
    making = asyncio.create_task(held.make(call()))
    await call.begun.wait()
    held.stop()
    held.stop()
    assert await making is None
    assert call.was_cancelled


async def test_one_that_is_stopped_before_it_begins_is_not_made() -> None:
    call, held = Call(), Held()
    held.stop()
    assert await held.make(call()) is None
    assert not call.begun.is_set()


async def test_one_that_has_ended_is_not_stopped() -> None:
    call, held = Call(), Held()
    making = asyncio.create_task(held.make(call()))
    await call.begun.wait()
    call.let_go.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    held.stop()
    assert await making == ENDED


async def test_what_it_raises_is_raised() -> None:
    async def breaks() -> CallResult:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Held().make(breaks())


async def test_whoever_gives_up_waiting_for_it_ends_it() -> None:
    call, held = Call(), Held()
    making = asyncio.create_task(held.make(call()))
    await call.begun.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert call.was_cancelled
