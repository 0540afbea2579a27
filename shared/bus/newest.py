"""The newest message of each of several subjects, in one question and as of one moment.

A batched direct get (https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-31.md). Whichever server holds
a copy answers, so that what was stored a moment ago may be missing.
"""

import asyncio
from contextlib import suppress

import orjson
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from shared.bus.connect import Bus
from shared.errors import Transient

_END_OF_BATCH = "204"
_NO_RESULTS = "404"


async def newest_of(bus: Bus, stream: str, subjects: list[str], patience: float) -> dict[str, bytes]:
    """The bodies by subject; subjects may have wildcards. A marker of what has ended has no body and is left out.

    Raises `Transient` when the whole answer has not arrived within `patience` seconds, or the stream is not there.
    """
    if not bus.is_connected:
        raise Transient("the bus is out of reach")
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = bus.nc.new_inbox()
    try:
        async with asyncio.timeout(patience):
            subscription = await bus.nc.subscribe(inbox, cb=arrived.put)
            try:
                await bus.nc.publish(
                    f"$JS.API.DIRECT.GET.{stream}", orjson.dumps({"multi_last": subjects}), reply=inbox
                )
                return await _collected(arrived, stream)
            finally:
                with suppress(NatsError):
                    await subscription.unsubscribe()
    except (NatsError, TimeoutError, OSError) as error:
        raise Transient(f"stream {stream} cannot be read: {error!r}") from error


async def _collected(arrived: asyncio.Queue[Msg], stream: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    while True:
        message = await arrived.get()
        headers = message.headers or {}
        match headers.get("Status"):
            case None if message.data:
                found[headers["Nats-Subject"]] = message.data
            case None:
                continue
            case status if status in (_END_OF_BATCH, _NO_RESULTS):
                return found
            case status:
                raise Transient(f"stream {stream} does not answer ({status})")
