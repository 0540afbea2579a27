"""Large bodies on a real socket: whoever is still sending must be able to read the answer."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from services.gateway.api.boundary import MAX_BODY_BYTES, BodyLimit

TRIES = 10  # a reset connection is a race, lost nearly always


async def say_how_much(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            BodyLimit(say_how_much), http="httptools", ws="none", lifespan="off", log_config=None
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        url = "http://{}:{}".format(*listening.getsockname())
        try:
            async with httpx.AsyncClient(base_url=url) as client:
                yield client
        finally:
            server.should_exit = True
            await serving


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 8 * MAX_BODY_BYTES])
async def test_a_body_that_says_that_it_is_too_large_is_answered(
    client: httpx.AsyncClient, size: int
) -> None:
    for _ in range(TRIES):
        answer = await client.post("/", content=b"x" * size)
        assert (answer.status_code, answer.json()["error"]) == (413, "Request too large")


async def test_the_connection_is_good_for_the_next_request(client: httpx.AsyncClient) -> None:
    await client.post("/", content=b"x" * (MAX_BODY_BYTES + 1))
    answer = await client.post("/", content=b"x" * MAX_BODY_BYTES)
    assert (answer.status_code, answer.text) == (200, str(MAX_BODY_BYTES))
