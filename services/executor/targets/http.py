"""One HTTP request to a target, and what came of it.

Whoever answers is not trusted: they may drip their answer for hours, send gigabytes, or send a small archive of gigabytes.
So one deadline spans everything, nothing is decompressed, and little is read.
"""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TypeAlias

import aiohttp
import structlog

from services.executor.targets.result import CallResult
from shared.egress import EgressPolicy, EgressRefused

logger = structlog.get_logger()

READ_LIMIT_BYTES = 256 * 1024
KEEP_LIMIT_BYTES = 64 * 1024
HIDDEN = "***"
USER_AGENT = f"jetcron/{version('jetcron')}"

_NOT_TEXT = ("image/", "audio/", "video/", "font/", "application/gzip", "application/pdf", "application/zip")

Judge: TypeAlias = Callable[[int, str | None], str | None]
"""From an answer's status and text: what is wrong with it, or None for a success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discretion:
    """What the result must not tell."""

    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """Texts of the request that are taken out of an answer that repeats them."""
    names_host: bool = True

    def hide(self, text: str) -> str:
        """The text without the secrets."""
        # Longer ones first: one may be a part of another.
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text


NOTHING_TO_HIDE = Discretion()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What to send."""

    method: str
    url: str
    headers: Mapping[str, str]
    """Beside `user-agent` and `accept-encoding`."""
    timeout_seconds: float
    body: bytes | None = None
    discretion: Discretion = NOTHING_TO_HIDE


async def send(
    session: aiohttp.ClientSession, policy: EgressPolicy, request: HttpRequest, judge: Judge
) -> CallResult:
    """Send it once; only a cancellation passes, every other failure is a result. Redirects are not followed."""
    began = time.monotonic()  # not the loop's time, which uvloop caches
    status: int | None = None
    output: str | None = None
    timed_out = False
    try:
        url = policy.check_url(request.url)
        async with (
            asyncio.timeout(request.timeout_seconds) as deadline,
            session.request(
                request.method,
                url,
                headers={"user-agent": USER_AGENT, "accept-encoding": "identity", **request.headers},
                data=request.body,
                skip_auto_headers=("content-type",),
                allow_redirects=False,
            ) as response,
        ):
            status = response.status
            try:
                output = await _read_text(response, request.discretion)
            finally:
                response.close()
        error = judge(status, output)
    except TimeoutError:
        timed_out = True
        error = (
            f"Timed out after {request.timeout_seconds:g} s"
            if deadline.expired()
            else "Timed out while connecting"
        )
    except Exception as failure:  # noqa: BLE001 # whatever a hostile receiver provokes is the end of this call only
        error = _describe(failure, names_host=request.discretion.names_host)
    return CallResult(
        ok=error is None,
        response_status=status,
        error=error,
        output=output,
        duration_seconds=time.monotonic() - began,
        timed_out=timed_out,
    )


async def _read_text(response: aiohttp.ClientResponse, discretion: Discretion) -> str | None:
    """What is worth keeping of the body; None if it is compressed or no text.

    It is read in any case, as sent: whether it arrives whole and in time belongs to the result.
    """
    body = bytearray()
    while len(body) < READ_LIMIT_BYTES:
        chunk = await response.content.read(READ_LIMIT_BYTES - len(body))
        if not chunk:
            break
        body += chunk
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    media_type = response.headers.get("content-type", "").strip().lower()
    if encoding not in ("", "identity") or media_type.startswith(_NOT_TEXT):
        return None
    # PostgreSQL's text type takes no NUL. Cut as bytes, since a replacement character takes three of them, and only
    # after hiding: half a secret would not be recognised.
    text = discretion.hide(body.decode("utf-8", "replace").replace("\0", ""))
    return text.encode()[:KEEP_LIMIT_BYTES].decode("utf-8", "ignore")


def _describe(failure: Exception, *, names_host: bool) -> str:
    """The failure in words of our own: those of aiohttp quote the URL, and with it passwords and tokens."""
    match failure:
        case EgressRefused():
            return f"Refused by the egress guard: {failure if names_host else f'the target {failure.reason}'}"
        case aiohttp.InvalidURL():  # of what the guard lets pass, aiohttp refuses short and octal forms of IPv4
            return "Refused by the egress guard: the host is not a proper IPv4 address"
        case aiohttp.ClientConnectorCertificateError(
            certificate_error=ssl.SSLCertVerificationError() as cause
        ) if names_host:
            return f"TLS: {cause.verify_message}"
        case aiohttp.ClientConnectorCertificateError():
            return "TLS: the certificate is not valid"
        case aiohttp.ClientConnectorSSLError(os_error=ssl.SSLError(reason=str() as reason)):
            return f"TLS: {reason.replace('_', ' ').lower()}"
        case aiohttp.ClientSSLError():
            return "TLS: the handshake failed"
        case aiohttp.ClientConnectorDNSError(os_error=socket.gaierror(errno=socket.EAI_AGAIN)):
            return "Name lookup failed for now"
        case (
            aiohttp.ClientConnectorDNSError() | UnicodeError()
        ):  # a label too long for IDNA is no name either
            return "Name not found"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "Connection refused"
        case aiohttp.ClientConnectorError(os_error=OSError(errno=int() as number)):
            return f"Connection failed: {os.strerror(number)}"
        case aiohttp.ClientConnectorError():
            return "Connection failed"
        case aiohttp.ClientPayloadError():
            return "The connection closed before the response was complete"
        case aiohttp.ClientResponseError():
            return "The answer is not valid HTTP"
        case aiohttp.ClientConnectionError() | OSError():
            return "The connection closed before a response"
        case _:
            # The type alone: its message may quote the URL.
            logger.warning("a call broke", action="call", error_type=type(failure).__name__)
            return f"The call failed ({type(failure).__name__})"
