"""A reader: everything behind its position, in order, across whatever happens to the server."""

import asyncio
from contextlib import aclosing

import pytest
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.errors import NotFoundError

from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing
from shared.bus.reader import BATCH, StreamReader
from shared.errors import Transient
from tests.fixtures.bus import publish_numbers
from tests.fixtures.nats import NatsProcess

STREAM = "LOG"


@pytest.fixture
async def log(bus: Bus) -> Bus:
    """A connection to a server with one empty stream."""
    await bus.js.add_stream(StreamConfig(name=STREAM, subjects=["log.>"]))
    return bus


async def read_until(reader: StreamReader, last: int) -> list[int]:
    """Read on until the number has come; all sequences, in the order in which they came."""
    sequences: list[int] = []
    async with aclosing(reader.batches()) as batches:  # type: ignore[type-var] # a generator, so it can be closed
        async for batch in batches:
            assert 1 <= len(batch) <= BATCH
            sequences += [message.sequence for message in batch]
            assert reader.position == sequences[-1]
            if int(batch[-1].body) >= last:
                return sequences
    raise AssertionError("a reader never ends")


async def read_rest(reader: StreamReader) -> list[int]:
    """Read to the end; all bodies."""
    return [int(message.body) async for batch in reader.read_to_end() for message in batch]


async def test_it_reads_everything_in_order_and_goes_on_with_what_comes(log: Bus) -> None:
    await publish_numbers(log, "log.a", range(1_200))
    reader = StreamReader(log, STREAM)
    reading = asyncio.create_task(read_until(reader, 10_000))
    await publish_numbers(log, "log.a", range(1_200, 1_300))
    await publish_numbers(log, "log.a", [10_000])
    assert await reading == list(range(1, 1_302))


async def test_it_starts_behind_its_position(log: Bus) -> None:
    await publish_numbers(log, "log.a", range(100))
    await publish_numbers(log, "log.a", [10_000])
    assert await read_until(StreamReader(log, STREAM, after=90), 10_000) == list(range(91, 102))


async def test_of_a_stream_with_many_subjects_it_reads_those_that_it_wants(log: Bus) -> None:
    for number in range(0, 12, 3):
        await publish_numbers(log, "log.a", [number])
        await publish_numbers(log, "log.b.x", [number + 1])
        await publish_numbers(log, "log.c", [number + 2])
    wanted = ["log.a", "log.b.*"]
    assert await read_rest(StreamReader(log, STREAM, subjects=wanted)) == [0, 1, 3, 4, 6, 7, 9, 10]
    assert await read_rest(StreamReader(log, STREAM, after=6, subjects=wanted)) == [6, 7, 9, 10]
    assert await read_rest(StreamReader(log, STREAM, subjects=["log.none"])) == []


@pytest.mark.parametrize("way", ["kill", "stop"])
async def test_a_restart_of_the_server_neither_loses_nor_repeats_nor_reorders(
    nats_server: NatsProcess, log: Bus, way: str
) -> None:
    await publish_numbers(log, "log.a", range(1_000))
    reader = StreamReader(log, STREAM)
    reading = asyncio.create_task(read_until(reader, 10_000))
    await (nats_server.kill() if way == "kill" else nats_server.stop())
    await nats_server.start()
    for number in [*range(1_000, 1_020), 10_000]:
        await publish_patiently(log, number)
    assert await reading == list(range(1, 1_022))


async def publish_patiently(bus: Bus, number: int) -> None:
    """Publish until it is stored."""
    while True:
        try:
            await bus.publish(Outgoing(subject="log.a", body=str(number).encode(), headers={}))
            return
        except Transient:
            await asyncio.sleep(0.02)


async def test_a_consumer_deleted_under_it_is_replaced(log: Bus) -> None:
    await publish_numbers(log, "log.a", range(10))
    reader = StreamReader(log, STREAM)
    reading = asyncio.create_task(read_until(reader, 10_000))
    while reader.position < 10:
        await asyncio.sleep(0.01)
    [consumer] = await log.js.consumers_info(STREAM)
    await log.js.delete_consumer(STREAM, consumer.name)
    await publish_numbers(log, "log.a", range(10, 20))
    await publish_numbers(log, "log.a", [10_000])
    assert await reading == list(range(1, 22))


async def test_it_waits_for_a_stream_that_is_not_there_yet(bus: Bus) -> None:
    reading = asyncio.create_task(read_until(StreamReader(bus, STREAM), 10_000))
    await asyncio.sleep(0)
    await bus.js.add_stream(StreamConfig(name=STREAM, subjects=["log.>"]))
    await publish_numbers(bus, "log.a", [10_000])
    assert await reading == [1]


class TestReadingToTheEnd:
    async def test_it_stops_at_the_end(self, log: Bus) -> None:
        await publish_numbers(log, "log.a", range(1_234))
        reader = StreamReader(log, STREAM)
        assert sorted(await read_rest(reader)) == list(range(1_234))
        assert reader.position == 1_234
        assert await read_rest(reader) == []

    async def test_each_message_says_how_many_stand_behind_it(self, log: Bus) -> None:
        await publish_numbers(log, "log.a", range(600))
        pending = [
            message.pending async for batch in StreamReader(log, STREAM).read_to_end() for message in batch
        ]
        assert pending == list(range(599, -1, -1))

    async def test_of_an_empty_stream_there_is_nothing(self, log: Bus) -> None:
        assert await read_rest(StreamReader(log, STREAM)) == []
        assert await read_rest(StreamReader(log, STREAM, after=50)) == []

    async def test_of_a_purged_stream_there_is_what_came_later(self, log: Bus) -> None:
        await publish_numbers(log, "log.a", range(100))
        await log.js.purge_stream(STREAM)
        assert await read_rest(StreamReader(log, STREAM)) == []
        assert await read_rest(StreamReader(log, STREAM, after=40)) == []
        await publish_numbers(log, "log.a", [7])
        reader = StreamReader(log, STREAM, after=40)
        assert await read_rest(reader) == [7]
        assert reader.position == 101

    async def test_gaps_are_passed_over(self, log: Bus) -> None:
        await publish_numbers(log, "log.a", [0])
        await publish_numbers(log, "log.b", [1])
        await publish_numbers(log, "log.a", [2])
        await log.js.purge_stream(STREAM, subject="log.b")
        assert await read_rest(StreamReader(log, STREAM)) == [0, 2]

    async def test_a_stream_that_is_not_there_is_an_error(self, bus: Bus) -> None:
        with pytest.raises(NotFoundError):
            await read_rest(StreamReader(bus, STREAM))

    async def test_its_end_is_found_although_somebody_keeps_writing(self, log: Bus) -> None:
        await publish_numbers(log, "log.a", range(300))
        writing = asyncio.create_task(publish_numbers(log, "log.a", range(300, 600)))
        found = await read_rest(StreamReader(log, STREAM))
        await writing
        assert set(found) >= set(range(300))


async def test_readers_leave_nothing_behind_that_a_durable_would_need(log: Bus) -> None:
    await publish_numbers(log, "log.a", range(3))
    await read_rest(StreamReader(log, STREAM))
    [consumer] = await log.js.consumers_info(STREAM)
    config: ConsumerConfig = consumer.config
    assert (config.durable_name, config.mem_storage, config.num_replicas) == (None, True, 1)
    assert config.inactive_threshold
