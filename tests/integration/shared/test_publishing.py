"""Publishing many messages at a time: one answer for each, whatever happens on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import pytest
from nats.aio.msg import Msg
from nats.js.api import PubAck, StreamConfig

from services.cli.nats_server import MAX_PAYLOAD_BYTES
from shared.bus import publishing
from shared.bus.connect import CONCURRENT_PUBLISHES, Bus, Unpublished, WrongLastSequence
from shared.bus.envelope import EXPECTED_LAST_SUBJECT_SEQUENCE, MESSAGE_ID, Outgoing
from tests.fixtures.bus import connected
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess

STREAM = "LOG"
SILENCE = "silence"


@pytest.fixture
async def log(bus: Bus) -> Bus:
    """A connection to a server with one empty stream."""
    await bus.js.add_stream(StreamConfig(name=STREAM, subjects=["log.>"]))
    return bus


@pytest.fixture
async def heard(nats_server: NatsProcess, bus: Bus) -> AsyncIterator[list[Msg]]:
    """What somebody hears who never answers."""
    messages: list[Msg] = []

    async def hear(message: Msg) -> None:
        messages.append(message)

    async with connected(nats_server.url) as listening:
        await listening.nc.subscribe(SILENCE, cb=hear)
        await listening.nc.flush()
        yield messages


def numbered(numbers: range, subject: str = "log.a", body: bytes = b"x") -> list[Outgoing]:
    """Messages with an id each."""
    return [
        Outgoing(subject=subject, body=body, headers={MESSAGE_ID: f"message {number}"}) for number in numbers
    ]


def _has(messages: list[Msg], count: int) -> bool:
    return len(messages) == count


def unheard(count: int) -> list[Outgoing]:
    """Messages that nobody answers."""
    return numbered(range(count), SILENCE)


async def test_ten_thousand_are_stored_in_their_order(log: Bus) -> None:
    acks = await log.publish_all(numbered(range(10_000)))
    assert [ack.seq for ack in acks if isinstance(ack, PubAck)] == list(range(1, 10_001))
    assert {ack.stream for ack in acks if isinstance(ack, PubAck)} == {STREAM}
    assert (await log.js.stream_info(STREAM)).state.messages == 10_000


async def test_nothing_to_publish_has_no_answers(log: Bus) -> None:
    assert await log.publish_all([]) == []


async def test_a_message_that_is_stored_already_is_told_apart(log: Bus) -> None:
    first, again, other = await log.publish_all([*numbered(range(1)), *numbered(range(2))])
    assert isinstance(first, PubAck)
    assert isinstance(again, PubAck)
    assert isinstance(other, PubAck)
    assert (first.seq, again.seq, other.seq) == (1, 1, 2)
    assert (first.duplicate, again.duplicate, other.duplicate) == (None, True, None)


async def test_each_message_has_an_answer_of_its_own(log: Bus) -> None:
    taken = {EXPECTED_LAST_SUBJECT_SEQUENCE: "7"}
    answers = await log.publish_all(
        [
            Outgoing(subject="log.a", body=b"1", headers={}),
            Outgoing(subject="log.b", body=b"2", headers=taken),
            Outgoing(subject="nowhere", body=b"3", headers={}),
            Outgoing(subject="log.c", body=b"4", headers={"Nats-Expected-Stream": "OTHER"}),
            Outgoing(subject="log.d", body=b"5" * (MAX_PAYLOAD_BYTES + 1), headers={}),
            Outgoing(subject="log.e", body=b"6", headers={}),
        ]
    )
    kinds = [type(answer) for answer in answers]
    assert kinds == [PubAck, WrongLastSequence, Unpublished, Unpublished, Unpublished, PubAck]
    reasons = [str(answer) for answer in answers if isinstance(answer, Unpublished)]
    assert reasons[0] == "no stream answers for nowhere"
    assert reasons[1].startswith("the stream refused log.c")
    assert "MaxPayload" in reasons[2]
    with pytest.raises(WrongLastSequence):
        await log.publish(Outgoing(subject="log.b", body=b"2", headers=taken))


async def test_no_more_are_under_way_than_allowed(bus: Bus, heard: list[Msg]) -> None:
    tasks = [asyncio.create_task(bus.publish_all(unheard(CONCURRENT_PUBLISHES))) for _ in range(3)]
    await eventually(lambda: len(heard) >= CONCURRENT_PUBLISHES)
    await bus.nc.flush()
    assert len(heard) == CONCURRENT_PUBLISHES
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_message_need_not_wait_for_many(log: Bus) -> None:
    many = asyncio.create_task(log.publish_all(numbered(range(5_000))))
    await asyncio.sleep(0)
    one = await log.publish(Outgoing(subject="log.b", body=b"", headers={}))
    assert not many.done()
    assert one.seq < 5_000
    assert all(isinstance(ack, PubAck) for ack in await many)


async def test_what_is_not_acknowledged_in_time_is_unknown(
    log: Bus, heard: list[Msg], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "PUBLISH_TIMEOUT", 0.2)
    late = asyncio.create_task(log.publish_all(unheard(2)))
    await eventually(lambda: len(heard) == 2)
    answers = await late
    assert [type(answer) for answer in answers] == [Unpublished, Unpublished]
    assert "no acknowledgement" in str(answers[0])
    # An answer that comes after all is nobody's.
    await heard[0].respond(b'{"stream": "LOG", "seq": 99}')
    [ack] = await log.publish_all(numbered(range(1)))
    assert isinstance(ack, PubAck)
    assert ack.seq == 1


async def test_who_is_cancelled_leaves_nothing_behind(log: Bus, heard: list[Msg]) -> None:
    for times in range(1, 4):
        expected = times * CONCURRENT_PUBLISHES
        publishing_all = asyncio.create_task(log.publish_all(unheard(2 * CONCURRENT_PUBLISHES)))
        await eventually(partial(_has, heard, expected))
        publishing_all.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing_all
    for message in heard:
        await message.respond(b'{"stream": "LOG", "seq": 99}')
    acks = await log.publish_all(numbered(range(2 * CONCURRENT_PUBLISHES)))
    assert [ack.seq for ack in acks if isinstance(ack, PubAck)] == list(
        range(1, 2 * CONCURRENT_PUBLISHES + 1)
    )


async def test_what_is_under_way_when_the_server_dies_is_unknown_at_once(
    nats_server: NatsProcess, bus: Bus, heard: list[Msg]
) -> None:
    waiting = asyncio.create_task(bus.publish_all(unheard(2 * CONCURRENT_PUBLISHES)))
    await eventually(lambda: len(heard) == CONCURRENT_PUBLISHES)
    await nats_server.kill()
    reasons = [str(answer) for answer in await waiting if isinstance(answer, Unpublished)]
    # Not by running out of time: the first half was lost with the connection, the other half was never sent.
    assert sum("was lost" in reason for reason in reasons) == CONCURRENT_PUBLISHES
    assert sum("out of reach" in reason for reason in reasons) == CONCURRENT_PUBLISHES
    with pytest.raises(Unpublished):
        await bus.publish(Outgoing(subject="log.a", body=b"", headers={}))


async def test_each_message_is_stored_once_over_deaths_of_the_server(
    nats_server: NatsProcess, log: Bus
) -> None:
    left = numbered(range(10_000), body=b"x" * 500)
    for _ in range(2):
        publishing_all = asyncio.create_task(log.publish_all(left))
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(publishing_all), 0.1)
        await nats_server.kill()
        answers = await publishing_all
        assert {type(answer) for answer in answers} <= {PubAck, Unpublished}
        left = [
            message for message, answer in zip(left, answers, strict=True) if isinstance(answer, Unpublished)
        ]
        await nats_server.start()
        await eventually(lambda: log.is_connected)
    acks = await log.publish_all(left)
    assert all(isinstance(ack, PubAck) for ack in acks)
    assert (await log.js.stream_info(STREAM)).state.messages == 10_000
