"""One connection to the bus per process: it waits for the server at the start and reconnects for ever."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import PubAck, RawStreamMsg
from nats.js.errors import APIError, NotFoundError

from shared.bus.client import CancellableClient
from shared.bus.envelope import Outgoing
from shared.bus.publishing import (
    CONCURRENT_PUBLISHES,
    PUBLISH_TIMEOUT,
    Answer,
    Publishing,
    Unpublished,
    WrongLastSequence,
)
from shared.errors import Transient

__all__ = [
    "CONCURRENT_PUBLISHES",
    "Answer",
    "Bus",
    "Unpublished",
    "WrongLastSequence",
    "close_client",
    "servers",
]

RECONNECT_WAIT = 0.25  # seconds
NO_MESSAGE_FOUND = 10037

logger = structlog.get_logger()


class Bus:
    """The connection, JetStream, and publishing with an answer that is one of three: stored, conflict, unknown."""

    def __init__(self) -> None:
        self._use(CancellableClient())
        self.disconnects = 0
        """How often the connection was lost; a change means that the server may have restarted."""
        self._connected = asyncio.Event()
        self._opened = False
        self._closing = False

    def _use(self, client: Client) -> None:
        self.nc = client
        self.js = JetStreamContext(client, timeout=PUBLISH_TIMEOUT)
        self._publishing = Publishing(client, lambda: self.is_connected)

    async def connect(self, url: str, name: str) -> None:
        """Connect to one of the servers (URLs separated by commas), waiting as long as it takes."""

        async def on_disconnect() -> None:
            self.disconnects += 1
            self._connected.clear()
            self._publishing.lose()
            if self._closing:
                return
            logger.warning("the bus is out of reach", action="bus_disconnected")

        async def on_reconnect() -> None:
            self._connected.set()
            logger.info("the bus is back", action="bus_reconnected")

        async def on_closed() -> None:
            if self._opened and not self._closing:
                # The client gives up for good on some answers of the server; a new process begins with a new one.
                logger.critical("the bus connection was closed for good", action="bus_closed")
                os.kill(os.getpid(), signal.SIGTERM)

        async def on_error(error: Exception) -> None:
            logger.debug("bus error", action="bus_error", error=repr(error))

        wait = RECONNECT_WAIT
        while True:
            try:
                await self.nc.connect(
                    servers(url),
                    name=name,
                    connect_timeout=5,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=RECONNECT_WAIT,  # type: ignore[arg-type] # annotated int, used as seconds
                    ping_interval=5,
                    max_outstanding_pings=2,
                    disconnected_cb=on_disconnect,
                    reconnected_cb=on_reconnect,
                    closed_cb=on_closed,
                    error_cb=on_error,
                )
                await self._publishing.start()
                self._opened = True
                self._connected.set()
                return
            except (OSError, NatsError, TimeoutError) as error:
                logger.warning("waiting for the bus", action="bus_waiting", error=repr(error))
                # A client whose first connection was refused halfway keeps its socket.
                await close_client(self.nc)
                self._use(CancellableClient())
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)

    @property
    def is_connected(self) -> bool:
        """Whether the server can be reached as far as this side knows."""
        return self._connected.is_set() and self.nc.is_connected

    async def wait_connected(self) -> None:
        """Return once the server can be reached."""
        await self._connected.wait()

    async def close(self) -> None:
        """Send what is buffered and close; safe when the server is gone."""
        self._closing = True
        if self.nc.is_connected:
            try:
                async with asyncio.timeout(2):
                    await self.nc.flush()
            except (NatsError, TimeoutError, OSError) as error:
                logger.debug("could not flush", action="bus_closing", error=repr(error))
        await close_client(self.nc)

    async def publish(self, message: Outgoing) -> PubAck:
        """Store a message; returns the stream's acknowledgement.

        Raises `WrongLastSequence` when the compare-and-set lost, `Unpublished` when there was no answer or a refusal.
        """
        [answer] = await self._publishing.publish([message])
        if isinstance(answer, PubAck):
            return answer
        raise answer

    async def publish_all(self, messages: Iterable[Outgoing]) -> list[Answer]:
        """Publish many at a time, in their order; the answers are in the order of the messages."""
        return await self._publishing.publish(list(messages))

    async def last(self, stream: str, subject: str) -> RawStreamMsg | None:
        """The newest message of a subject, read from the stream's leader; None when there is none.

        Raises `Transient` when the stream cannot be asked.
        """
        return await self._get(stream, subject=subject)

    async def next(self, stream: str, subject: str, start: int) -> RawStreamMsg | None:
        """The first message of a subject at or behind a place in the stream; otherwise as `last`."""
        return await self._get(stream, subject=subject, seq=start, next=True)

    async def _get(self, stream: str, **which: Any) -> RawStreamMsg | None:
        if not self.is_connected:
            raise Transient("the bus is out of reach")
        try:
            return await self.js.get_msg(stream, **which)
        except NotFoundError as error:
            if error.err_code == NO_MESSAGE_FOUND:
                return None
            raise Transient(f"stream {stream} is not there") from error
        except (NatsError, APIError, TimeoutError, OSError) as error:
            raise Transient(f"stream {stream} cannot be read: {error!r}") from error


def servers(url: str) -> list[str]:
    """The servers of a cluster, as they stand in NATS_URL."""
    return [one.strip() for one in url.split(",") if one.strip()]


async def close_client(client: Client) -> None:
    """Close a connection whatever state it is in."""
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        # nats-py asserts that it was opened once, and writes what it still holds even to a socket that is closed.
        with contextlib.suppress(AssertionError, RuntimeError, OSError):
            await client.close()
    except asyncio.CancelledError:
        # It cancels its own reconnection, and with it the future of the socket's end, for which it then waits itself.
        if task is None or task.cancelling() > before:
            raise
