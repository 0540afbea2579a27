"""nats-py's client, without what `asyncio.wait_for` does to it before Python 3.12."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from nats.aio.client import DEFAULT_FLUSH_TIMEOUT, Client
from nats.aio.msg import Msg


class CancellableClient(Client):
    """Whoever is cancelled while waiting for the server is cancelled, even if its answer came at the same moment.

    Before Python 3.12 `asyncio.wait_for` returns that answer, and the cancellation is lost
    (https://github.com/python/cpython/issues/96764). The task goes on for ever: a leader that was told to stop renews
    its lease and decides nothing.
    """

    async def connect(self, *arguments: Any, **options: Any) -> None:
        task = asyncio.current_task()
        before = task.cancelling() if task is not None else 0
        given, connecting = options.get("error_cb"), True

        async def on_error(error: Exception) -> None:
            # While no server answers the client tries for ever by itself, and tells only this of each try.
            if connecting and task is not None and task.cancelling() > before:
                raise asyncio.CancelledError
            if given is not None:
                await given(error)

        try:
            with _cancellation_kept():
                await super().connect(*arguments, **{**options, "error_cb": on_error})
        finally:
            connecting = False

    async def request(self, *arguments: Any, **options: Any) -> Msg:
        with _cancellation_kept():
            return await super().request(*arguments, **options)

    async def publish(self, *arguments: Any, **options: Any) -> None:
        # It waits only when the server is slow, and forgets a cancellation then.
        task = asyncio.current_task()
        before = task.cancelling() if task is not None else 0
        await super().publish(*arguments, **options)
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError

    async def flush(self, timeout: int = DEFAULT_FLUSH_TIMEOUT) -> None:  # noqa: ASYNC109 # nats-py's signature
        with _cancellation_kept():
            await super().flush(timeout)


@contextlib.contextmanager
def _cancellation_kept() -> Iterator[None]:
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        yield
    finally:
        # Only a request that came in here: cleaning up after an earlier one may go on.
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError
