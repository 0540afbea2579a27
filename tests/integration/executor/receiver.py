"""A receiver of webhooks that answers byte by byte as the test says, well or badly."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Received:
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Reads one request per connection and writes its reply."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """The client closed the connection while the answer was still being written."""


class Receivers:
    """All receivers of one test, on ports that the system chose."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, reply: Reply, *, tls: ssl.SSLContext | None = None, reads: bool = True) -> Receiver:
        receiver = Receiver()

        async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._connections.add(task)
            try:
                if reads:
                    receiver.requests.append(await _read_request(reader))
                    receiver.called.set()
                await reply(writer)
            except ConnectionError:
                receiver.hung_up.set()
            finally:
                self._connections.discard(task)
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()

        # The limit is where the reader stops taking data: a request of more than twice that waits in the socket.
        server = await asyncio.start_server(
            connection, "127.0.0.1", 0, ssl=tls, limit=65536 if reads else 1024
        )
        self._servers.append(server)
        scheme = "https" if tls else "http"
        receiver.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        return receiver

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        waiting = list(self._connections)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def answer(data: bytes) -> Reply:
    """Write this and hang up."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return reply


def endlessly(start: bytes, piece: bytes, pause: float = 0.0) -> Reply:
    """Write the start, then the piece again and again."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return reply


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody else signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = folder / "server.pem"
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def _read_request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return Received(head[0], headers, await reader.readexactly(int(headers.get("content-length", "0"))))
