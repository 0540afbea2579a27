"""A receiver that costs little: it reads the head of each call, notes when it came and for which execution, and says OK."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

_END = b"\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Call:
    """One that arrived."""

    execution_id: str
    arrived_at: float


@dataclass(slots=True)
class CallSink:
    """All calls so far."""

    url: str
    calls: list[Call] = field(default_factory=list)


@asynccontextmanager
async def call_sink() -> AsyncIterator[CallSink]:
    """A server on loopback."""
    sink = CallSink("")
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(sink), "127.0.0.1", 0, backlog=1024
    )
    sink.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield sink
    finally:
        server.close()


class _Connection(asyncio.Protocol):
    """GETs without a body, one after another."""

    def __init__(self, sink: CallSink) -> None:
        self._sink = sink
        self._transport: asyncio.Transport | None = None
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by their type.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        arrived_at = time.time()
        *heads, self._unread = (self._unread + data).split(_END)
        for head in heads:
            self._sink.calls.append(_call(head, arrived_at))
            if self._transport is not None:
                self._transport.write(_OK)


def _call(head: bytes, arrived_at: float) -> Call:
    _, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Call(headers["webhook-id"], arrived_at)
