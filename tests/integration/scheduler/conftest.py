"""What all tests of the scheduler on a real bus begin with."""

from collections.abc import AsyncIterator

import pytest

from shared.bus.connect import Bus
from tests.fixtures.nats import NatsProcess
from tests.integration.scheduler.world import World


@pytest.fixture
async def world(nats_server: NatsProcess) -> AsyncIterator[World]:
    """A connected bus; what the test starts is stopped."""
    bus = Bus()
    await bus.connect(nats_server.url, "test")
    world = World(bus)
    try:
        yield world
    finally:
        await world.stop_schedulers()
        await bus.close()
