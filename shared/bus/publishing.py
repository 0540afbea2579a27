"""Publishing with an answer: one inbox per connection, and each message with a number of its own.

The stream answers to the inbox and the number. This costs a third of a request for each message.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import PubAck

from shared.bus.envelope import Outgoing
from shared.errors import Transient

PUBLISH_TIMEOUT = 5.0  # seconds
CONCURRENT_PUBLISHES = 128
"""Messages without an answer yet, of all who publish over one connection."""
WRONG_LAST_SEQUENCE = 10071


class WrongLastSequence(Exception):
    """Somebody else wrote to the subject since its expected last message."""


class Unpublished(Transient):
    """The stream did not acknowledge: it may hold the message or not."""


Answer: TypeAlias = PubAck | WrongLastSequence | Unpublished


class _Batch:
    """Messages that are published together, and the answers to them."""

    __slots__ = ("answers", "messages", "whole")

    def __init__(self, messages: Sequence[Outgoing]) -> None:
        self.messages = messages
        self.answers: dict[int, Answer] = {}
        """By the message's place."""
        self.whole = asyncio.get_running_loop().create_future()

    def answer(self, place: int, answer: Answer) -> None:
        self.answers[place] = answer
        if len(self.answers) == len(self.messages) and not self.whole.done():
            self.whole.set_result(None)


_Sent: TypeAlias = tuple[_Batch, int, float]
"""A message that waits for its answer: its batch, its place there, and until when it waits."""


class Publishing:
    """What is under way over one connection. The client subscribes to the inbox again by itself after a reconnect."""

    def __init__(self, client: Client, is_connected: Callable[[], bool]) -> None:
        self._client = client
        self._is_connected = is_connected
        self._inbox = ""
        self._number = 0
        self._sent: dict[str, _Sent] = {}
        """By the subject of the answer, in the order in which they were sent."""
        self._slots = asyncio.Semaphore(CONCURRENT_PUBLISHES)
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Take answers from now on; raises nats-py's errors."""
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(f"{self._inbox}.*", cb=self._on_answer)

    async def publish(self, messages: Sequence[Outgoing]) -> list[Answer]:
        """Send the messages in their order, and return the answers in the same order once all are there."""
        if not messages:
            return []
        batch = _Batch(messages)
        try:
            for place in range(len(messages)):
                await self._slots.acquire()
                await self._send(batch, place)
            await batch.whole
        finally:
            if len(batch.answers) < len(messages):
                self._abandon(batch)
        return [batch.answers[place] for place in range(len(messages))]

    def lose(self) -> None:
        """The connection is gone, and with it what the server would have answered."""
        for reply in list(self._sent):
            self._refuse(reply, "the bus was lost before the acknowledgement of")

    async def _send(self, batch: _Batch, place: int) -> None:
        self._number += 1
        reply, message = f"{self._inbox}.{self._number}", batch.messages[place]
        deadline = asyncio.get_running_loop().time() + PUBLISH_TIMEOUT
        self._sent[reply] = batch, place, deadline
        if not self._is_connected():
            # The client would keep it and send it later, to a server that may have another store by then.
            self._refuse(reply, "the bus is out of reach for")
            return
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._expire)
        try:
            await self._client.publish(message.subject, message.body, reply=reply, headers=message.headers)
        except (NatsError, OSError) as error:
            self._refuse(reply, f"{error!r} for")

    async def _on_answer(self, message: Msg) -> None:
        sent = self._take(message.subject)
        if sent is not None:
            batch, place, _ = sent
            batch.answer(place, _read(message.data, batch.messages[place].subject))

    def _expire(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        for reply, (_, _, deadline) in list(self._sent.items()):
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._expire)
                return
            self._refuse(reply, f"no acknowledgement within {PUBLISH_TIMEOUT:g} s for")

    def _refuse(self, reply: str, reason: str) -> None:
        sent = self._take(reply)
        if sent is not None:
            batch, place, _ = sent
            batch.answer(place, Unpublished(f"{reason} {batch.messages[place].subject}"))

    def _abandon(self, batch: _Batch) -> None:
        """Whoever published was cancelled: nobody waits for these answers."""
        for reply in [reply for reply, sent in self._sent.items() if sent[0] is batch]:
            self._take(reply)

    def _take(self, reply: str) -> _Sent | None:
        sent = self._sent.pop(reply, None)
        if sent is not None:
            self._slots.release()
        return sent


def _read(body: bytes, subject: str) -> Answer:
    try:
        answer: dict[str, Any] = orjson.loads(body)
        error = answer.get("error")
        if error is None:
            return PubAck(
                stream=answer["stream"],
                seq=answer["seq"],
                domain=answer.get("domain"),
                duplicate=answer.get("duplicate"),
            )
        if error.get("err_code") == WRONG_LAST_SEQUENCE:
            return WrongLastSequence(subject)
        return Unpublished(f"the stream refused {subject}: {error.get('description')}")
    except (ValueError, KeyError, AttributeError):
        # No stream takes the subject: the server itself answers, with a status and no body.
        return Unpublished(f"no stream answers for {subject}")
