"""The relay: what was committed gets to the bus, in each aggregate's order, once."""

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from services.gateway import relay
from services.gateway.commands.runs import run_now
from services.gateway.domain.actor import SYSTEM
from services.gateway.gateway import Gateway
from services.gateway.relay import OutOfFence
from services.gateway.store.tables import events, runs
from shared.bus import streams, subjects
from shared.bus.connect import Bus
from shared.bus.envelope import MESSAGE_ID
from shared.domain.ids import manual_message_id
from shared.errors import Transient
from shared.events import JobCreated, JobUpdated, RunTriggered
from tests.fixtures.builders import make_job
from tests.fixtures.bus import GENERATION, MAX_BYTES, following, raise_fence, read_all, read_events
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess
from tests.integration.gateway.world import (
    append_versions,
    background,
    change,
    create,
    is_all_published,
    opened,
)


@pytest.fixture
async def gateway(database_url: str, nats_server: NatsProcess) -> AsyncIterator[Gateway]:
    """Connected to a bus with all streams and without a fence; nothing of it runs."""
    async with opened(database_url, nats_server.url) as gateway:
        await gateway.bus.connect(nats_server.url, "gateway")
        await streams.recreate(gateway.bus.js, MAX_BYTES, 1)
        yield gateway


@pytest.fixture
async def fenced(gateway: Gateway) -> AsyncIterator[Gateway]:
    """The same behind a fence of generation 1 that it holds."""
    await raise_fence(gateway.bus, GENERATION)
    async with following(gateway.fence):
        await gateway.fence.wait()
        yield gateway


async def versions(bus: Bus, stream: str = subjects.EVENTS) -> dict[UUID, list[int]]:
    """The versions of each job as they stand in the stream, in its order."""
    found: dict[UUID, list[int]] = defaultdict(list)
    for event in await read_events(bus, stream):
        assert isinstance(event, JobCreated | JobUpdated)
        found[event.job.id].append(event.job.version)
    return found


async def compacted(bus: Bus, expected: dict[UUID, list[int]]) -> bool:
    """Whether JOBS holds exactly these."""
    return await versions(bus, subjects.JOBS) == expected


async def forget_marks(gateway: Gateway, **where: Any) -> None:
    """What a crash between the publish and the commit of its mark leaves."""
    chosen = update(events).values(published_seq=None)
    for name, value in where.items():
        chosen = chosen.where(events.c[name] == value)
    async with gateway.database.write() as connection:
        await connection.execute(chosen)


async def drain(gateway: Gateway) -> None:
    """Publish all events."""
    await gateway.relay.drain_events(lambda: True)


async def test_all_events_of_all_aggregates_are_published_in_their_order(fenced: Gateway) -> None:
    jobs = [make_job() for _ in range(50)]
    for job in jobs:
        await append_versions(fenced.database, job, 20)
    async with background(fenced.relay.run(GENERATION)):
        await eventually(lambda: is_all_published(fenced.database))
    assert await versions(fenced.bus) == {job.id: list(range(1, 21)) for job in jobs}
    await eventually(lambda: compacted(fenced.bus, {job.id: [20] for job in jobs}))
    stored = {
        (message.headers or {})["ce-id"]: message.sequence
        for message in await read_all(fenced.bus, subjects.EVENTS)
    }
    marks = {str(row["id"]): row["published_seq"] for row in await rows_of(fenced.database, events)}
    assert marks == stored


async def test_a_command_is_published_without_waiting_for_the_next_look(
    fenced: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LOOK", 60.0)
    async with background(fenced.relay.run(GENERATION)):
        for _ in range(3):
            await create(fenced.event_store, make_job())
            await eventually(lambda: is_all_published(fenced.database), within=20)


async def test_what_was_committed_while_the_bus_was_dead_is_published_when_it_is_back(
    nats_server: NatsProcess, fenced: Gateway
) -> None:
    first = await create(fenced.event_store, make_job())
    async with background(fenced.relay.run(GENERATION)):
        await eventually(lambda: is_all_published(fenced.database))
        await nats_server.kill()
        await change(fenced.event_store, first.id, category="changed while it was dead")
        second = await create(fenced.event_store, make_job())
        await eventually(lambda: not fenced.bus.is_connected)
        assert not await is_all_published(fenced.database)
        await nats_server.start()
        await eventually(lambda: fenced.bus.is_connected)
        await raise_fence(fenced.bus, GENERATION)
        await eventually(lambda: is_all_published(fenced.database))
    assert await versions(fenced.bus) == {first.id: [1, 2], second.id: [1]}


async def test_draining_a_dead_bus_is_transient_and_marks_nothing(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    await create(gateway.event_store, make_job())
    await nats_server.kill()
    with pytest.raises(Transient):
        await drain(gateway)
    assert not await is_all_published(gateway.database)


class TestLostMarks:
    async def test_its_own_last_publish_is_recognised(self, gateway: Gateway) -> None:
        job = await create(gateway.event_store, make_job())
        await change(gateway.event_store, job.id, category="other")
        await drain(gateway)
        before = await rows_of(gateway.database, events)
        await forget_marks(gateway, version=2)
        await drain(gateway)
        assert await rows_of(gateway.database, events) == before
        assert await versions(gateway.bus) == {job.id: [1, 2]}

    async def test_a_whole_chain_of_them_is_recognised(self, gateway: Gateway) -> None:
        job = make_job()
        await append_versions(gateway.database, job, 5)
        await drain(gateway)
        before = await rows_of(gateway.database, events)
        await forget_marks(gateway)
        await drain(gateway)
        assert await rows_of(gateway.database, events) == before
        assert await versions(gateway.bus) == {job.id: [1, 2, 3, 4, 5]}

    async def test_behind_them_goes_what_is_new(self, gateway: Gateway) -> None:
        job = make_job()
        await append_versions(gateway.database, job, 5)
        await drain(gateway)
        await forget_marks(gateway)
        await change(gateway.event_store, job.id, category="other")
        await drain(gateway)
        assert await versions(gateway.bus) == {job.id: [1, 2, 3, 4, 5, 6]}
        await eventually(lambda: compacted(gateway.bus, {job.id: [6]}))

    async def test_pages_make_no_difference(self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
        job = make_job()
        await append_versions(gateway.database, job, 5)
        await drain(gateway)
        await forget_marks(gateway)
        two = relay._unpublished.limit(2)
        monkeypatch.setattr(relay, "_unpublished", two)
        await drain(gateway)
        assert await versions(gateway.bus) == {job.id: [1, 2, 3, 4, 5]}

    async def test_a_version_that_came_late_never_stands_behind_a_newer_one(self, gateway: Gateway) -> None:
        job = make_job()
        await append_versions(gateway.database, job, 3)
        await drain(gateway)
        before = await rows_of(gateway.database, events)
        await forget_marks(gateway, version=2)
        await drain(gateway)
        assert await rows_of(gateway.database, events) == before
        assert await versions(gateway.bus) == {job.id: [1, 2, 3]}

    async def test_nor_one_that_has_aged_out_meanwhile(self, gateway: Gateway) -> None:
        job = make_job()
        await append_versions(gateway.database, job, 4)
        await drain(gateway)
        await forget_marks(gateway)
        await gateway.bus.js.purge_stream(subjects.EVENTS, seq=3)
        await drain(gateway)
        assert await is_all_published(gateway.database)
        assert await versions(gateway.bus) == {job.id: [3, 4]}

    async def test_behind_what_has_aged_out_the_next_one_is_the_first(self, gateway: Gateway) -> None:
        job = await create(gateway.event_store, make_job())
        await drain(gateway)
        await gateway.bus.js.purge_stream(subjects.EVENTS)
        await change(gateway.event_store, job.id, category="other")
        await drain(gateway)
        assert await versions(gateway.bus) == {job.id: [2]}
        await eventually(lambda: compacted(gateway.bus, {job.id: [2]}))


class TestFence:
    async def test_without_it_nothing_is_published(self, gateway: Gateway) -> None:
        await create(gateway.event_store, make_job())
        with pytest.raises(OutOfFence):
            await gateway.relay.drain_events(lambda: False)
        async with following(gateway.fence), background(gateway.relay.run(GENERATION)):
            await create(gateway.event_store, make_job())
            await raise_fence(gateway.bus, GENERATION + 1)
            await eventually(lambda: gateway.fence.holds(GENERATION + 1))
            await create(gateway.event_store, make_job())
            assert await read_all(gateway.bus, subjects.EVENTS) == []
            await streams.remove_fence(gateway.bus.js)
            await raise_fence(gateway.bus, GENERATION)
            await eventually(lambda: is_all_published(gateway.database))
        assert len(await versions(gateway.bus)) == 3

    async def test_without_it_no_run_is_published(self, gateway: Gateway) -> None:
        job = await create(gateway.event_store, make_job())
        await run_now(gateway, job.id, SYSTEM, job.owner_id, uuid4())
        with pytest.raises(OutOfFence):
            await gateway.relay.drain_runs(GENERATION)
        assert await read_all(gateway.bus, subjects.TRIGGERS) == []


class TestRuns:
    async def test_a_run_that_was_asked_for_is_published_once(self, fenced: Gateway) -> None:
        job = await create(fenced.event_store, make_job(metadata={"who": "asked"}))
        row = await run_now(fenced, job.id, SYSTEM, job.owner_id, uuid4())
        for _ in range(2):
            await fenced.relay.drain_runs(GENERATION)
        async with fenced.database.write() as connection:
            await connection.execute(update(runs).values(published_seq=None))
        await fenced.relay.drain_runs(GENERATION)
        [message] = await read_all(fenced.bus, subjects.TRIGGERS)
        assert message.subject == subjects.trigger(job.queue, job.id)
        assert (message.headers or {})[MESSAGE_ID] == manual_message_id(row["id"])
        [order] = await read_events(fenced.bus, subjects.TRIGGERS)
        assert isinstance(order, RunTriggered)
        assert (order.facts.execution_id, order.generation) == (row["id"], GENERATION)
        assert (order.target, order.metadata) == (job.target, job.metadata)
        [run] = await rows_of(fenced.database, runs)
        assert run["published_seq"] == message.sequence

    async def test_what_stands_in_sql_is_sealed(self, fenced: Gateway) -> None:
        job = await create(fenced.event_store, make_job(metadata={"password": "hunter2"}))
        await run_now(fenced, job.id, SYSTEM, job.owner_id, uuid4())
        [run] = await rows_of(fenced.database, runs)
        assert b"hunter2" not in run["sealed_order"]
        assert b"metadata" not in run["sealed_order"]
