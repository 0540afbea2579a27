"""A cancellation that comes together with the server's answer."""

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any

import pytest

from shared.bus.client import CancellableClient
from shared.bus.connect import close_client
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess


class TestCancellation:
    async def test_it_is_not_lost_when_the_answer_comes_at_the_same_moment(
        self, nats_server: NatsProcess
    ) -> None:
        client = CancellableClient()
        await client.connect(nats_server.url, allow_reconnect=False)
        try:
            await client.subscribe("silence")
            asking = asyncio.create_task(client.request("silence", b"", timeout=30))
            waiting = await eventually(lambda: list(client._resp_map.values()))
            waiting[0].set_result(None)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        finally:
            await client.close()

    async def test_it_is_not_lost_while_a_slow_server_holds_up_what_is_sent(
        self, nats_server: NatsProcess
    ) -> None:
        client = CancellableClient()
        await client.connect(nats_server.url, pending_size=1)
        sent, server = 0, nats_server.pid

        async def send_for_ever() -> None:
            nonlocal sent
            while True:
                await client.publish("silence", bytes(2**19))
                sent += 1

        os.kill(server, signal.SIGSTOP)
        try:
            sending, before = asyncio.create_task(send_for_ever()), -1
            while before < sent:
                before = sent
                await asyncio.sleep(0.2)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(sending, 5)
        finally:
            os.kill(server, signal.SIGCONT)
            await client.close()

    async def test_who_was_cancelled_before_may_still_ask(self, nats_server: NatsProcess) -> None:
        client = CancellableClient()
        await client.connect(nats_server.url, allow_reconnect=False)

        async def tidy_up() -> bytes:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return (await client.request("$JS.API.INFO", b"", timeout=30)).data

        try:
            tidying = asyncio.create_task(tidy_up())
            await asyncio.sleep(0)
            tidying.cancel()
            assert b"io.nats.jetstream.api" in await tidying
        finally:
            await client.close()


class _NeverClosed(CancellableClient):
    """Its server does not take what is still to be sent."""

    async def close(self) -> None:
        await asyncio.Event().wait()


class TestClosing:
    async def test_whoever_closes_is_not_cancelled_with_a_reconnection_that_waited_for_the_same_socket(
        self, nats_server: NatsProcess
    ) -> None:
        client = CancellableClient()
        await client.connect(nats_server.url, allow_reconnect=False)
        socket: Any = client._transport
        reconnecting = asyncio.create_task(socket.wait_closed())
        await asyncio.sleep(0)
        reconnecting.cancel()
        await close_client(client)
        assert client.is_closed
        assert reconnecting.cancelled()

    async def test_whoever_is_cancelled_while_closing_is_cancelled(self) -> None:
        closing = asyncio.create_task(close_client(_NeverClosed()))
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
