"""A cancellation that comes together with the server's answer."""

import asyncio
from contextlib import suppress

import pytest

from shared.bus.client import CancellableClient
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
