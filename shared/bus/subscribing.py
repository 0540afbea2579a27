"""FastStream consumers that survive what a durable cannot: a store that was lost and made anew.

The streams and durables are the gateway's; subscribers here only bind to them. The server pushes: fetching in batches
through the client loses a delivery now and then until it times out. A broker is started for one generation of the
store and one unbroken connection, and started anew for the next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage
from nats.aio.msg import Msg

from shared.bus.connect import Bus, close_client, servers
from shared.bus.envelope import unpack
from shared.bus.fence import Fence
from shared.bus.streams import wait_for_consumer
from shared.errors import Transient
from shared.events import AnyEvent, UnreadableEvent
from shared.observability import BUS_FAILURES

LOOK = 0.2  # seconds
RETRY = 1.0  # seconds

logger = structlog.get_logger()

Handler: TypeAlias = Callable[[AnyEvent], Awaitable[None]]


async def subscribe(
    bus: Bus, fence: Fence, url: str, *, stream: str, subject: str, durable: str, handler: Handler
) -> None:
    """Hand a durable's events to `handler`, for ever; one is acknowledged when it returns.

    When it raises, or the process dies, the event comes again.
    """
    while True:
        generation = await fence.wait()
        disconnects = bus.disconnects
        await wait_for_consumer(bus.js, stream, durable)
        broker = make_broker(
            url,
            stream=stream,
            subject=subject,
            durable=durable,
            handler=handler,
            may_settle=partial(fence.holds, generation),
        )
        try:
            await broker.start()
            while bus.disconnects == disconnects and fence.generation in (None, generation):
                await asyncio.sleep(LOOK)
        except BUS_FAILURES as error:
            logger.warning("subscribing starts again", action="subscribe", stream=stream, error=repr(error))
            await asyncio.sleep(RETRY)
        finally:
            await _stop(broker)


def make_broker(
    url: str, *, stream: str, subject: str, durable: str, handler: Handler, may_settle: Callable[[], bool]
) -> NatsBroker:
    """A broker with one subscriber on an existing durable.

    Messages are acknowledged only while `may_settle` says that their store is there: an acknowledgement names a place in a
    stream, and a new store has other messages at the same places.
    """
    broker = NatsBroker(servers(url), logger=None, graceful_timeout=5.0)

    @broker.subscriber(
        subject,
        queue=durable,  # nats-py binds a queue to the durable of its name
        stream=JStream(stream, declare=False),
        ack_policy=AckPolicy.MANUAL,
    )
    async def on_message(message: NatsMessage) -> None:
        raw = message.raw_message
        try:
            event = unpack(raw.data, raw.headers).event
        except UnreadableEvent as error:
            logger.error("unreadable message", action="subscribe", subject=raw.subject, error=str(error))
            await _settle(raw, may_settle, again=False)
            return
        try:
            await handler(event)
        except (Transient, *BUS_FAILURES) as error:
            logger.warning("a message waits", action="subscribe", stream=stream, error=repr(error))
            await _settle(raw, may_settle, again=True)
        except (
            Exception
        ):  # unforeseen: told here, since the framework would only leave the message to its time-out
            logger.exception("a message was not handled", action="subscribe", stream=stream)
            await _settle(raw, may_settle, again=True)
        else:
            await _settle(raw, may_settle, again=False)

    return broker


async def _settle(message: Msg, may_settle: Callable[[], bool], *, again: bool) -> None:
    if may_settle():
        await (message.nak(delay=RETRY) if again else message.ack())


async def _stop(broker: NatsBroker) -> None:
    """Stop a broker whose server may be away: a connection that cannot say goodbye is closed as it is."""
    try:
        await broker.stop()
    except BUS_FAILURES as error:
        logger.debug("a broker did not stop well", action="subscribe", error=repr(error))
        await close_client(broker.connection)
