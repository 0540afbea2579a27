"""The webhook target against real servers on loopback, the ill-behaved ones above all."""

import asyncio
import gzip
import socket
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from services.executor.targets.http import KEEP_LIMIT_BYTES
from services.executor.targets.result import CallResult
from services.executor.targets.webhook import WebhookCall, call_webhook
from shared.egress import STALLED_UPLOAD_SECONDS, EgressPolicy, EgressRefused, guarded_session
from tests.integration.executor.receiver import (
    Received,
    Receiver,
    Receivers,
    Reply,
    answer,
    endlessly,
    self_signed,
)

POLICY = EgressPolicy(allowed_networks=(ip_network("127.0.0.1/32"),))
NOW = datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
EXECUTION = "0190b2a8-7f5e-5c6d-9b1a-2f3e4d5c6b7a"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


Serve = Callable[[Reply], Awaitable[Receiver]]


@pytest.fixture
async def receivers() -> AsyncIterator[Receivers]:
    receivers = Receivers()
    yield receivers
    await receivers.close()


@pytest.fixture
def serve(receivers: Receivers) -> Serve:
    return receivers.start


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with guarded_session(POLICY) as session:
        yield session


CALL = WebhookCall(url="", method="GET", webhook_id=EXECUTION, attempt=2, planned_at=None, timeout_seconds=10)


async def _call(session: aiohttp.ClientSession, url: str, timeout_seconds: float = 10) -> CallResult:
    request = replace(CALL, url=url, timeout_seconds=timeout_seconds)
    return await call_webhook(session, POLICY, request, now=lambda: NOW)


def _without_duration(result: CallResult) -> CallResult:
    assert result.duration_seconds >= 0
    return replace(result, duration_seconds=0)


def _result(
    status: int | None, error: str | None = None, output: str | None = None, *, timed_out: bool = False
) -> CallResult:
    return CallResult(
        ok=error is None,
        response_status=status,
        error=error,
        output=output,
        duration_seconds=0,
        timed_out=timed_out,
    )


class TestRequest:
    async def test_a_get_carries_exactly_these_headers(
        self, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        receiver = await serve(answer(OK))
        result = await _call(session, receiver.url + "%2Fa?a=1&b=%26+#part")
        assert _without_duration(result) == _result(200, output="ok")
        (request,) = receiver.requests
        assert request == Received(
            "GET /hook%2Fa?a=1&b=%26+ HTTP/1.1",
            {
                "host": receiver.url.split("/")[2],
                "accept": "*/*",
                "connection": "close",
                "user-agent": f"jetcron/{version('jetcron')}",
                "accept-encoding": "identity",
                "webhook-id": EXECUTION,
                "webhook-timestamp": str(int(NOW.timestamp())),
                "jetcron-attempt": "2",
            },
            b"",
        )

    async def test_a_post_carries_its_body_and_the_planned_instant(
        self, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        receiver = await serve(answer(OK))
        tokyo = datetime(2030, 1, 2, 12, 0, tzinfo=timezone(timedelta(hours=9)))
        body = '{"name": "朝"}'.encode()
        request = replace(CALL, url=receiver.url, method="POST", body=body, planned_at=tokyo)
        result = await call_webhook(session, POLICY, request, now=lambda: NOW)
        assert result.ok
        (received,) = receiver.requests
        assert received.line == "POST /hook HTTP/1.1"
        assert received.body == body
        assert received.headers["content-type"] == "application/json; charset=utf-8"
        assert received.headers["jetcron-planned-at"] == "2030-01-02t03:00:00z"

    async def test_a_name_is_kept_as_the_host(self, serve: Serve) -> None:
        class Loopback(AbstractResolver):
            async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
                return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=2, proto=0, flags=0)]

            async def close(self) -> None:
                return None

        receiver = await serve(answer(OK))
        async with guarded_session(POLICY, resolver=Loopback()) as session:
            result = await _call(session, receiver.url.replace("127.0.0.1", "hooks.example"))
        assert result.ok
        assert receiver.requests[0].headers["host"].startswith("hooks.example:")


class TestStatus:
    async def test_a_failure_keeps_what_the_receiver_said(
        self, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        receiver = await serve(answer(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops"))
        result = await _call(session, receiver.url)
        assert _without_duration(result) == _result(500, "HTTP 500", "oops")

    async def test_no_content_is_a_success(self, session: aiohttp.ClientSession, serve: Serve) -> None:
        receiver = await serve(answer(b"HTTP/1.1 204 No Content\r\n\r\n"))
        assert _without_duration(await _call(session, receiver.url)) == _result(204, output="")

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_a_failure_and_not_followed(
        self, status: int, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        elsewhere = await serve(answer(OK))
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
        receiver = await serve(answer(head.encode()))
        result = await _call(session, receiver.url)
        assert _without_duration(result) == _result(status, f"HTTP {status}: redirects are not followed", "")
        assert elsewhere.requests == []


class TestDeadline:
    @pytest.mark.parametrize(
        ("start", "piece", "status"),
        [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b"x", 200),
            (b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n", None),
            (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", None),
            (b"", b"", None),
        ],
        ids=["body", "headers", "informational responses", "silence"],
    )
    async def test_nothing_that_drips_outlasts_it(
        self, start: bytes, piece: bytes, status: int | None, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        receiver = await serve(endlessly(start, piece, pause=0.02))
        result = await _call(session, receiver.url, timeout_seconds=0.4)
        assert _without_duration(result) == _result(status, "Timed out after 0.4 s", timed_out=True)
        assert 0.39 < result.duration_seconds < 2

    async def test_a_receiver_that_reads_nothing_ends_at_it(
        self, session: aiohttp.ClientSession, receivers: Receivers
    ) -> None:
        receiver = await receivers.start(endlessly(b"", b"", pause=0.02), reads=False)
        request = replace(CALL, url=receiver.url, method="POST", body=bytes(2**20), timeout_seconds=0.4)
        result = await call_webhook(session, POLICY, request, now=lambda: NOW)
        assert _without_duration(result) == _result(None, "Timed out after 0.4 s", timed_out=True)
        assert result.duration_seconds < 2

    @pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
    async def test_the_kernel_ends_what_is_left_of_an_upload(
        self, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        receiver = await serve(endlessly(b"HTTP/1.1 200 OK\r\n\r\n", b"x", pause=0.02))
        async with session.get(receiver.url) as response:
            assert response.connection is not None
            assert response.connection.transport is not None
            connected = response.connection.transport.get_extra_info("socket")
            timeout = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert timeout == STALLED_UPLOAD_SECONDS * 1000

    async def test_a_cancellation_passes(self, session: aiohttp.ClientSession, serve: Serve) -> None:
        receiver = await serve(endlessly(b"HTTP/1.1 200 OK\r\n\r\n", b"x", pause=0.01))
        call = asyncio.create_task(_call(session, receiver.url))
        await asyncio.wait_for(receiver.called.wait(), 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(receiver.hung_up.wait(), 5)


class TestBody:
    async def test_an_endless_one_is_cut_and_the_connection_closed(
        self, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        receiver = await serve(endlessly(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536))
        result = await _call(session, receiver.url)
        assert _without_duration(result) == _result(200, output="x" * KEEP_LIMIT_BYTES)
        await asyncio.wait_for(receiver.hung_up.wait(), 5)

    async def test_it_is_cut_between_characters(self, session: aiohttp.ClientSession, serve: Serve) -> None:
        body = "a" + "é" * 40_000
        receiver = await serve(answer(b"HTTP/1.1 200 OK\r\n\r\n" + body.encode()))
        result = await _call(session, receiver.url)
        assert result.output == "a" + "é" * ((KEEP_LIMIT_BYTES - 1) // 2)

    async def test_what_is_no_utf8_stays_within_the_limit(
        self, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        receiver = await serve(answer(b"HTTP/1.1 200 OK\r\n\r\n" + b"a\0b\xff" * 20_000))
        output = (await _call(session, receiver.url)).output
        assert output is not None
        assert output.startswith("ab\N{REPLACEMENT CHARACTER}ab")
        assert len(output.encode()) <= KEEP_LIMIT_BYTES

    @pytest.mark.parametrize("header", [b"Content-Encoding: gzip", b"Content-Type: image/png"])
    async def test_a_compressed_one_is_neither_inflated_nor_kept(
        self, header: bytes, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        bomb = gzip.compress(bytes(64 * 2**20))
        receiver = await serve(answer(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n" + bomb))
        tracemalloc.start()
        try:
            result = await _call(session, receiver.url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert _without_duration(result) == _result(200)
        assert peak < 4 * 2**20

    async def test_an_encoding_is_not_even_looked_at(
        self, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        receiver = await serve(answer(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip at all"))
        assert _without_duration(await _call(session, receiver.url)) == _result(200)


class TestBrokenReceivers:
    async def test_nobody_listens(self, session: aiohttp.ClientSession, unused_url: str) -> None:
        assert _without_duration(await _call(session, unused_url)) == _result(None, "Connection refused")

    async def test_one_that_hangs_up_is_called_once(
        self, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        receiver = await serve(answer(b""))
        result = await _call(session, receiver.url)
        assert _without_duration(result) == _result(None, "The connection closed before a response")
        assert len(receiver.requests) == 1

    async def test_one_that_closes_in_the_middle_of_its_body(
        self, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        receiver = await serve(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"))
        result = await _call(session, receiver.url)
        assert _without_duration(result) == _result(
            200, "The connection closed before the response was complete"
        )

    async def test_one_that_resets_in_the_middle_of_its_body(
        self, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        async def reset(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            await asyncio.sleep(0.1)
            writer.transport.abort()

        receiver = await serve(reset)
        result = await _call(session, receiver.url)
        assert _without_duration(result) == _result(
            200, "The connection closed before the response was complete"
        )

    @pytest.mark.parametrize(
        "data",
        [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 5_000_000 + b"\r\n\r\n"],
        ids=["no HTTP", "a header of 5 MB"],
    )
    async def test_an_answer_that_is_no_http(
        self, data: bytes, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        receiver = await serve(answer(data))
        result = await _call(session, receiver.url + "?token=hunter2")
        assert _without_duration(result) == _result(None, "The answer is not valid HTTP")

    async def test_one_whose_certificate_nobody_signed(
        self, session: aiohttp.ClientSession, receivers: Receivers, tmp_path: Path
    ) -> None:
        receiver = await receivers.start(answer(OK), tls=self_signed(tmp_path))
        result = await _call(session, receiver.url)
        assert _without_duration(result) == _result(None, "TLS: self-signed certificate")
        assert receiver.requests == []

    async def test_one_that_speaks_no_tls(self, session: aiohttp.ClientSession, receivers: Receivers) -> None:
        receiver = await receivers.start(answer(OK), reads=False)
        result = await _call(session, receiver.url.replace("http:", "https:"))
        assert _without_duration(result) == _result(None, "TLS: wrong version number")


class TestGuard:
    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("http://127.0.0.2/?token=hunter2", "127.0.0.2 is a loopback address"),
            ("http://169.254.169.254/latest/meta-data/", "169.254.169.254 is a link-local address"),
            ("http://u:hunter2@127.0.0.1/", "the URL must not contain a user name or password"),
            ("http://127.1/", "the host is not a proper IPv4 address"),
            ("http://127.0.0.1:4222/", "port 4222 of 127.0.0.1 does not speak HTTP"),
        ],
    )
    async def test_a_refusal_is_a_result(self, url: str, reason: str, session: aiohttp.ClientSession) -> None:
        result = await _call(session, url)
        assert _without_duration(result) == _result(None, f"Refused by the egress guard: {reason}")

    async def test_a_redirect_that_is_followed_meets_it_too(
        self, session: aiohttp.ClientSession, serve: Serve
    ) -> None:
        head = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
        receiver = await serve(answer(head))
        with pytest.raises(EgressRefused, match=r"169\.254\.169\.254 is a link-local address"):
            await session.get(receiver.url, allow_redirects=True)


@pytest.fixture
async def unused_url() -> str:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"http://127.0.0.1:{port}/"
