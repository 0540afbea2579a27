"""Continuous pull: everything once, never more than asked for, and what the server says about it is heard."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig

import shared.bus.pull
from shared.bus.connect import Bus
from shared.bus.pull import ConsumerGone, Pull
from tests.fixtures.bus import publish_numbers
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess

STREAM = "WORK"
CONSUMER = "worker"
TAKE = 0.1  # seconds


@pytest.fixture
async def work(bus: Bus) -> Bus:
    """A stream with a durable consumer that soon hands out again what is not acknowledged."""
    await bus.js.add_stream(StreamConfig(name=STREAM, subjects=["work.>"]))
    await bus.js.add_consumer(
        STREAM,
        config=ConsumerConfig(
            durable_name=CONSUMER, ack_policy=AckPolicy.EXPLICIT, ack_wait=1.0, max_ack_pending=10_000
        ),
    )
    return bus


async def take_in_time(pull: Pull) -> Msg:
    """The next message, however long it takes."""
    message = await eventually(lambda: pull.take(TAKE))
    assert message is not None
    return message


async def is_all_acknowledged(bus: Bus) -> bool:
    """Whether the consumer has nothing left, delivered or not."""
    info = await bus.js.consumer_info(STREAM, CONSUMER)
    return not info.num_pending and not info.num_ack_pending


async def test_all_messages_are_handed_out_once_and_never_more_than_there_is_room_for(work: Bus) -> None:
    count, room = 5_000, 150
    await publish_numbers(work, "work.a", range(count))
    seen: Counter[int] = Counter()
    async with Pull(work, STREAM, CONSUMER) as pull:
        while len(seen) < count:
            await pull.want(room - pull.outstanding - pull.waiting)
            assert pull.outstanding + pull.waiting <= room
            message: Msg | None = await take_in_time(pull)
            while message is not None:
                seen[int(message.data)] += 1
                await message.ack()
                assert pull.outstanding + pull.waiting < room
                message = pull.take_nowait()
        await eventually(lambda: is_all_acknowledged(work))
    assert seen == Counter(range(count))


async def test_what_is_asked_for_ahead_arrives_when_it_is_published(work: Bus) -> None:
    async with Pull(work, STREAM, CONSUMER) as pull:
        await pull.want(3)
        await pull.want(0)
        assert await pull.take(TAKE) is None
        assert pull.outstanding == 3
        await publish_numbers(work, "work.a", range(5))
        assert [int((await take_in_time(pull)).data) for _ in range(3)] == [0, 1, 2]
        assert pull.outstanding == 0
        assert await pull.take(TAKE) is None


async def test_a_request_that_expired_is_not_outstanding_any_more(
    work: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.bus.pull, "EXPIRES", 1.0)
    monkeypatch.setattr(shared.bus.pull, "HEARTBEAT", 0.4)
    async with Pull(work, STREAM, CONSUMER) as pull:
        await pull.want(10)
        await publish_numbers(work, "work.a", range(3))
        for _ in range(3):
            await (await take_in_time(pull)).ack()
        await eventually(lambda: pull.outstanding == 0)
        await pull.want(1)
        await publish_numbers(work, "work.a", [3])
        assert int((await take_in_time(pull)).data) == 3


@pytest.mark.parametrize("way", ["kill", "stop"])
async def test_nothing_is_lost_when_the_server_restarts(
    nats_server: NatsProcess, work: Bus, way: str
) -> None:
    count, room = 1_000, 100
    await publish_numbers(work, "work.a", range(count))
    seen: Counter[int] = Counter()
    async with aclosing(pulled(work, room)) as messages:
        async for message in messages:
            if len(seen) == count and await is_all_acknowledged(work):
                break
            if message is None:
                continue
            number = int(message.data)
            seen[number] += 1
            if sum(seen.values()) == count // 2:
                await (nats_server.kill() if way == "kill" else nats_server.stop())
                await nats_server.start()
            # Every seventh is left to come again.
            if number % 7 or seen[number] > 1:
                await message.ack()
    assert set(seen) == set(range(count))
    assert all(seen[number] > 1 for number in range(0, count, 7))


async def pulled(bus: Bus, room: int) -> AsyncGenerator[Msg | None, None]:
    """What comes, for ever, as an executor pulls it; starts again when the server has forgotten it."""
    while True:
        try:
            async with Pull(bus, STREAM, CONSUMER) as pull:
                while True:
                    await pull.want(room - pull.outstanding - pull.waiting)
                    yield await pull.take(TAKE)
        except ConsumerGone:
            await bus.wait_connected()


async def test_a_consumer_that_is_deleted_is_noticed(work: Bus) -> None:
    async with Pull(work, STREAM, CONSUMER) as pull:
        await pull.want(5)
        await publish_numbers(work, "work.a", [1])
        await take_in_time(pull)
        await work.js.delete_consumer(STREAM, CONSUMER)
        with pytest.raises(ConsumerGone):
            await take_in_time(pull)


async def test_a_stream_that_is_deleted_is_noticed_by_the_silence(
    work: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.bus.pull, "HEARTBEAT", 0.4)
    async with Pull(work, STREAM, CONSUMER) as pull:
        await pull.want(5)
        await work.js.delete_stream(STREAM)
        with pytest.raises(ConsumerGone):
            await take_in_time(pull)


async def test_a_consumer_that_never_was_is_noticed(work: Bus) -> None:
    async with Pull(work, STREAM, "nobody") as pull:
        await pull.want(1)
        with pytest.raises(ConsumerGone):
            await take_in_time(pull)
