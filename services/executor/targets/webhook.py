"""Calls a webhook once and says what came of it.

The receiver is not trusted: it may drip its answer for hours, send gigabytes, or send a small archive of gigabytes.
So one deadline spans everything, nothing is decompressed, and little is read.
"""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

import aiohttp
import structlog

from services.executor.egress import EgressPolicy, EgressRefused
from services.executor.targets.result import CallResult
from shared.domain.ids import instant_text

logger = structlog.get_logger()

READ_LIMIT_BYTES = 256 * 1024
KEEP_LIMIT_BYTES = 64 * 1024
USER_AGENT = f"jetcron/{version('jetcron')}"

_NOT_TEXT = ("image/", "audio/", "video/", "font/", "application/gzip", "application/pdf", "application/zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCall:
    """One attempt at calling a webhook."""

    url: str
    method: str
    """`GET` or `POST`."""
    webhook_id: str
    """The execution's id, the same on every attempt, so that the receiver can drop a repetition."""
    attempt: int
    planned_at: datetime | None
    """None if nobody planned the run: a person asked for it."""
    timeout_seconds: float
    body: bytes | None = None


async def call_webhook(
    session: aiohttp.ClientSession, policy: EgressPolicy, request: WebhookCall, *, now: Callable[[], datetime]
) -> CallResult:
    """Call it; only a cancellation passes, every other failure is a result."""
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
                headers=_headers(request, now()),
                data=request.body,
                skip_auto_headers=("content-type",),
                allow_redirects=False,
            ) as response,
        ):
            status = response.status
            try:
                output = await _read_text(response)
            finally:
                response.close()
        error = _judge(status)
    except TimeoutError:
        timed_out = True
        error = (
            f"Timed out after {request.timeout_seconds:g} s"
            if deadline.expired()
            else "Timed out while connecting"
        )
    except Exception as failure:  # noqa: BLE001 # whatever a hostile receiver provokes is the end of this call only
        error = _describe(failure)
    return CallResult(
        ok=error is None,
        response_status=status,
        error=error,
        output=output,
        duration_seconds=time.monotonic() - began,
        timed_out=timed_out,
    )


def _headers(request: WebhookCall, now: datetime) -> dict[str, str]:
    """`webhook-id` and `webhook-timestamp` as Standard Webhooks names them (https://www.standardwebhooks.com)."""
    headers = {
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",
        "webhook-id": request.webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "jetcron-attempt": str(request.attempt),
    }
    if request.planned_at is not None:
        headers["jetcron-planned-at"] = instant_text(request.planned_at)
    if request.body is not None:
        headers["content-type"] = "application/json; charset=utf-8"
    return headers


async def _read_text(response: aiohttp.ClientResponse) -> str | None:
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
    # PostgreSQL's text type takes no NUL. Cut as bytes, since a replacement character takes three of them.
    text = body.decode("utf-8", "replace").replace("\0", "")
    return text.encode()[:KEEP_LIMIT_BYTES].decode("utf-8", "ignore")


def _judge(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"HTTP {status}: redirects are not followed"
    return f"HTTP {status}"


def _describe(failure: Exception) -> str:
    """The failure in words of our own: those of aiohttp quote the URL, and with it passwords and tokens."""
    match failure:
        case EgressRefused():
            return f"Refused by the egress guard: {failure}"
        case aiohttp.InvalidURL():  # of what the guard lets pass, aiohttp refuses short and octal forms of IPv4
            return "Refused by the egress guard: the host is not a proper IPv4 address"
        case aiohttp.ClientConnectorCertificateError(
            certificate_error=ssl.SSLCertVerificationError() as cause
        ):
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
            logger.warning("webhook_call_broke", error_type=type(failure).__name__)
            return f"The call failed ({type(failure).__name__})"
