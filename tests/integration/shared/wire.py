"""A wire between a client and the server that can be cut and mended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from services.cli.nats_server import HOST

CHUNK = 65_536


class Wire:
    """Forwards connections to a port of the server while it is whole."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._is_whole = True
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Close what is connected, and refuse what comes."""
        self._is_whole = False
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_whole = True

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until one side closes it."""
        if not self._is_whole:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection(HOST, self._server_port)
        ends = {writer, server_writer}
        self._ends |= ends
        try:
            await asyncio.wait(
                {
                    asyncio.create_task(_pump(reader, server_writer)),
                    asyncio.create_task(_pump(server_reader, writer)),
                },
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for end in ends:
                end.transport.abort()
            self._ends -= ends


@asynccontextmanager
async def wired(server_url: str, server_port: int) -> AsyncIterator[tuple[Wire, str]]:
    """A wire and the URL of its near end."""
    wire = Wire(server_port)
    near = await asyncio.start_server(wire.forward, HOST, 0)
    port = near.sockets[0].getsockname()[1]
    try:
        yield wire, server_url.replace(f":{server_port}", f":{port}")
    finally:
        wire.cut()
        near.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
