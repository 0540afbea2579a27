"""Continuous pull: requests for messages overlap, so that the next ones are under way while these are handled.

Never more is outstanding than the reader has room for, and what the server says about a request (expired, consumer
gone, leader changed) is taken into account.
https://docs.nats.io/reference/reference-protocols/nats_api_reference#fetch-from-a-consumer-using-a-pull
"""

import asyncio
import time
from contextlib import suppress
from typing import Self

import orjson
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from shared.bus.connect import Bus

EXPIRES = 30.0  # seconds a request waits at the server
HEARTBEAT = 5.0  # seconds between signs of life of a waiting request
NANOSECONDS = 1_000_000_000

_CONSUMER_GONE = ("Consumer Deleted", "Consumer is push based", "Stream Deleted")


class ConsumerGone(Exception):
    """The consumer does not exist any more, or the server does not answer for it."""


class Pull:
    """Messages of one consumer. Ask with `want`, take with `take`."""

    def __init__(self, bus: Bus, stream: str, consumer: str) -> None:
        self._bus = bus
        self._subscription: Subscription | None = None
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._arrived: asyncio.Queue[Msg | ConsumerGone] = asyncio.Queue()
        self._inbox = ""
        self._outstanding = 0
        self._requests = 0
        self._asked: dict[str, int] = {}
        self._alive_at = 0.0
        self._disconnects = bus.disconnects

    async def __aenter__(self) -> Self:
        self._inbox = self._bus.nc.new_inbox()
        self._subscription = await self._bus.nc.subscribe(f"{self._inbox}.*", cb=self._on_message)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._subscription is not None:
            # Also while the server is away: the client would subscribe again on its return.
            with suppress(NatsError):
                await self._subscription.unsubscribe()

    @property
    def outstanding(self) -> int:
        """Messages asked for and not arrived."""
        return self._outstanding

    @property
    def waiting(self) -> int:
        """Messages arrived and not taken."""
        return self._arrived.qsize()

    async def want(self, count: int) -> None:
        """Ask for `count` messages more."""
        if count <= 0:
            return
        if self._outstanding == 0:
            self._alive_at = time.monotonic()
        self._outstanding += count
        self._requests += 1
        reply = f"{self._inbox}.{self._requests}"
        self._asked[reply] = count
        request = {
            "batch": count,
            "expires": int(EXPIRES * NANOSECONDS),
            "idle_heartbeat": int(HEARTBEAT * NANOSECONDS),
        }
        await self._bus.nc.publish(self._subject, orjson.dumps(request), reply=reply)

    async def take(self, seconds: float) -> Msg | None:
        """The next message, or None when none arrived in time. Raises `ConsumerGone`."""
        try:
            async with asyncio.timeout(seconds):
                arrived = await self._arrived.get()
        except TimeoutError:
            self._check_alive()
            return None
        if isinstance(arrived, ConsumerGone):
            raise arrived
        return arrived

    def take_nowait(self) -> Msg | None:
        """A message that has arrived already, if any. Raises `ConsumerGone`."""
        if self._arrived.empty():
            return None
        arrived = self._arrived.get_nowait()
        if isinstance(arrived, ConsumerGone):
            raise arrived
        return arrived

    def _check_alive(self) -> None:
        silent = time.monotonic() - self._alive_at
        if self._disconnects != self._bus.disconnects or (self._outstanding and silent > 2.5 * HEARTBEAT):
            raise ConsumerGone("the server has forgotten the requests")

    async def _on_message(self, message: Msg) -> None:
        self._alive_at = time.monotonic()
        status = (message.headers or {}).get("Status") if not message.data else None
        if status is None:
            self._outstanding = max(0, self._outstanding - 1)
            self._arrived.put_nowait(message)
        elif status != "100":
            self._on_status(status, message.headers or {}, self._asked.pop(message.subject, 0))

    def _on_status(self, status: str, headers: dict[str, str], asked: int) -> None:
        description = headers.get("Description", "")
        if status == "503" or any(reason in description for reason in _CONSUMER_GONE):
            self._arrived.put_nowait(ConsumerGone(description or "nobody answers for the consumer"))
            return
        unserved = headers.get("Nats-Pending-Messages")
        # Every other status ends the request that it answers: what it did not deliver is not outstanding any more.
        # One that was refused at once does not say how much that was.
        self._outstanding = max(0, self._outstanding - (int(unserved) if unserved else asked))
