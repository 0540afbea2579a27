"""The fence: nobody works without it, and nobody trusts an old look at it."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

import shared.bus.fence
from shared.bus.connect import Bus
from shared.bus.fence import LIFETIME, Fence, read_generation
from shared.bus.streams import remove_fence
from tests.fixtures.bus import connected, following, raise_fence
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess
from tests.integration.shared.wire import wired


class CountedBus(Bus):
    """Counts how often something was read."""

    reads = 0

    async def last(self, stream: str, subject: str) -> object:  # type: ignore[override] # passed through
        found = await super().last(stream, subject)
        self.reads += 1
        return found


@pytest.fixture
async def followed(bus: Bus) -> AsyncIterator[Fence]:
    """A fence that is followed, on a server without any stream."""
    async with following(Fence(bus)) as fence:
        yield fence


async def held(fence: Fence, generation: int) -> None:
    """Return once the generation is held."""
    await eventually(lambda: fence.holds(generation))


async def test_without_a_fence_nothing_is_held(bus: Bus, followed: Fence) -> None:
    await eventually(lambda: bus.is_connected)
    for _ in range(10):
        assert await read_generation(bus) is None
        assert followed.generation is None
        assert not followed.holds(0)


async def test_once_it_is_raised_its_generation_is_held_and_no_other(bus: Bus, followed: Fence) -> None:
    waiting = asyncio.create_task(followed.wait())
    await raise_fence(bus, 7)
    assert await waiting == 7
    assert followed.generation == 7
    assert followed.holds(7)
    assert not followed.holds(6)
    assert not followed.holds(8)


async def test_the_next_generation_takes_the_place_of_the_last(bus: Bus, followed: Fence) -> None:
    await raise_fence(bus, 1)
    await held(followed, 1)
    await remove_fence(bus.js)
    await eventually(lambda: followed.generation is None)
    await raise_fence(bus, 2)
    await held(followed, 2)


async def test_a_restart_of_the_server_takes_it_down(
    nats_server: NatsProcess, bus: Bus, followed: Fence
) -> None:
    await raise_fence(bus, 3)
    await held(followed, 3)
    await nats_server.kill()
    await eventually(lambda: not bus.is_connected)
    assert followed.generation is None
    await nats_server.start()
    await eventually(lambda: bus.is_connected)
    assert await read_generation(bus) is None
    assert followed.generation is None
    await raise_fence(bus, 3)
    await held(followed, 3)


async def test_after_a_disconnect_it_must_be_read_again(nats_server: NatsProcess, bus: Bus) -> None:
    await raise_fence(bus, 5)
    async with (
        wired(nats_server.url, nats_server.port) as (wire, url),
        connected(url) as far,
        following(Fence(far)) as fence,
    ):
        await held(fence, 5)
        wire.cut()
        await eventually(lambda: far.disconnects > 0)
        assert fence.generation is None
        wire.mend()
        await held(fence, 5)


async def test_what_was_read_is_not_trusted_beyond_its_lifetime(
    nats_server: NatsProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.bus.fence, "LIFETIME", 0.5)
    bus = CountedBus()
    await bus.connect(nats_server.url, "test")
    await raise_fence(bus, 5)
    fence = Fence(bus)
    began = time.monotonic()
    async with following(fence):
        await held(fence, 5)
        reads = bus.reads
    await eventually(lambda: fence.generation is None, within=LIFETIME)
    assert bus.reads == reads
    assert bus.disconnects == 0
    assert time.monotonic() - began >= 0.5
    await bus.close()


async def test_while_it_is_read_it_stays_held(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.bus.fence, "REFRESH", 0.05)
    await raise_fence(bus, 5)
    async with following(Fence(bus)) as fence:
        await held(fence, 5)
        until = time.monotonic() + LIFETIME + 0.5
        while time.monotonic() < until:
            assert fence.holds(5)
            await asyncio.sleep(0.01)
