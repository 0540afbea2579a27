"""FastStream consumers that survive what a durable cannot: a store that was lost and made anew.

The streams and durables are the gateway's; subscribers here only bind to them. A broker is started for one generation of the
store and one unbroken connection, and started anew for the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias

import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.aio.msg import Msg

from shared.bus.connect import Bus, close_client, servers
from shared.bus.envelope import unpack
from shared.bus.fence import Fence
from shared.bus.streams import wait_for_consumer
from shared.errors import Transient
from shared.events import AnyEvent, UnreadableEvent
from shared.observability import BUS_FAILURES

BATCH = 200
COLLECT = 0.25  # seconds a batch may wait to become full
LOOK = 0.2  # seconds
RETRY = 1.0  # seconds

logger = structlog.get_logger()

Handler: TypeAlias = Callable[[Sequence[AnyEvent]], Awaitable[None]]


async def subscribe(
    bus: Bus, fence: Fence, url: str, *, stream: str, subject: str, durable: str, handler: Handler
) -> None:
    """Hand batches of a durable's events to `handler`, for ever; a batch is acknowledged when it returns.

    When it raises `Transient`, or the process dies, the batch comes again.
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
    """A broker with one batch subscriber on an existing durable.

    Messages are acknowledged only while `may_settle` says that their store is there: an acknowledgement names a place in a
    stream, and a new store has other messages at the same places.
    """
    broker = NatsBroker(servers(url), logger=None, graceful_timeout=5.0)

    @broker.subscriber(
        subject,
        stream=JStream(stream, declare=False),
        durable=durable,
        pull_sub=PullSub(batch_size=BATCH, timeout=COLLECT, batch=True),
        ack_policy=AckPolicy.MANUAL,
    )
    async def on_batch(message: NatsMessage) -> None:
        raw = message.raw_message
        messages = raw if isinstance(raw, list) else [raw]
        try:
            await handler(list(_readable(messages)))
        except (Transient, *BUS_FAILURES) as error:
            logger.warning("a batch waits", action="subscribe", stream=stream, error=repr(error))
            for one in messages if may_settle() else ():
                await one.nak(delay=RETRY)
            return
        for one in messages if may_settle() else ():
            await one.ack()

    return broker


async def _stop(broker: NatsBroker) -> None:
    """Stop a broker whose server may be away: a connection that cannot say goodbye is closed as it is."""
    try:
        await broker.stop()
    except BUS_FAILURES as error:
        logger.debug("a broker did not stop well", action="subscribe", error=repr(error))
        await close_client(broker.connection)


def _readable(messages: Sequence[Msg]) -> Sequence[AnyEvent]:
    events = []
    for message in messages:
        try:
            events.append(unpack(message.data, message.headers).event)
        except UnreadableEvent as error:
            logger.error("unreadable message", action="subscribe", subject=message.subject, error=str(error))
    return events
