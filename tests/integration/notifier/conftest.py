"""The world of the notifier's tests."""

import pytest

from shared.bus.connect import Bus
from shared.bus.fence import Fence
from tests.fixtures.mail import MailServer
from tests.fixtures.nats import NatsProcess
from tests.fixtures.receiver import Receiver
from tests.integration.notifier.world import World


@pytest.fixture
def world(
    nats_server: NatsProcess, made_bus: Bus, fence: Fence, mail_server: MailServer, receiver: Receiver
) -> World:
    """All streams, a raised fence, servers that take everything; no notifier yet."""
    return World(made_bus, nats_server.url, mail_server, receiver)
