"""Backfills on their way to the bus: one after another, whatever dies in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from services.gateway import relay, seeding, steward
from services.gateway.commands import jobs
from services.gateway.commands.backfill import Wanted, backfill_once, cancel_backfill
from services.gateway.domain.actor import SYSTEM
from services.gateway.gateway import Gateway
from services.gateway.store.event_store import Change, Context
from services.gateway.store.tables import executions, runs
from services.gateway.turns import CALLED_OFF, call_off, give_turns
from shared.bus import subjects
from shared.clock import utc_now
from shared.domain.execution import Kind, Phase
from shared.domain.job import Job
from shared.events import JobUpdated, RunTriggered
from tests.fixtures.builders import make_job, make_report
from tests.fixtures.bus import publish_events, read_events
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess
from tests.integration.gateway.world import at_work, create, opened, restart_without_store, works_in

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def quick_seeding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeding, "LIFETIME", 0.0)
    monkeypatch.setattr(steward, "STORE_CHECK", 0.3)


@pytest.fixture
async def gateway(database_url: str, nats_server: NatsProcess) -> AsyncIterator[Gateway]:
    """Not at work yet."""
    async with opened(database_url, nats_server.url) as gateway:
        yield gateway


async def backfilled(gateway: Gateway, count: int, **fields: Any) -> tuple[Job, list[UUID], UUID]:
    """A minutely job and a backfill of its last `count` minutes: the executions in their order, and its id."""
    job = await create(gateway.event_store, make_job(**fields))
    end = utc_now().replace(second=0, microsecond=0)
    wanted = Wanted(begin=end - count * MINUTE, end=end, statuses=None, limit=count)
    made = (await backfill_once(gateway, job.id, SYSTEM, job.owner_id, wanted)).value
    assert made.id is not None
    return job, made.execution_ids, made.id


async def published(gateway: Gateway) -> list[RunTriggered]:
    """The orders on the bus, in their order."""
    return [
        event
        for event in await read_events(gateway.bus, subjects.TRIGGERS, subjects.ALL_TRIGGERS)
        if isinstance(event, RunTriggered)
    ]


async def stand_on_the_bus(gateway: Gateway, expected: list[UUID]) -> None:
    async def do() -> bool:
        return [order.facts.execution_id for order in await published(gateway)] == expected

    await eventually(do)


async def report(gateway: Gateway, execution_id: UUID, phase: Phase) -> None:
    """Say how an execution ended, as an executor does."""
    generation = await gateway.fence.wait()
    [order] = [one for one in await published(gateway) if one.facts.execution_id == execution_id]
    said = make_report(phase, order.facts, generation=generation)
    await publish_events(gateway.bus, [(subjects.execution(order.facts.job_id, execution_id), said)])


async def statuses(gateway: Gateway, ids: list[UUID]) -> list[str]:
    found = {row["id"]: row["status"] for row in await rows_of(gateway.database, executions)}
    return [found[one] for one in ids]


@pytest.mark.parametrize("end", [Phase.SUCCEEDED, Phase.FAILED, Phase.LOST, Phase.CANCELLED])
async def test_the_end_of_one_lets_the_next_one_go_at_once(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, end: Phase
) -> None:
    monkeypatch.setattr(relay, "LOOK", 60.0)
    async with at_work(gateway):
        await works_in(gateway, 1)
        _, ids, _ = await backfilled(gateway, 4)
        for number, execution_id in enumerate(ids, 1):
            await stand_on_the_bus(gateway, ids[:number])
            assert (await statuses(gateway, ids))[number:] == ["waiting"] * (4 - number)
            await report(gateway, execution_id, end)
        instants = [order.facts.backfills for order in await published(gateway)]
    assert instants == sorted(one for one in instants if one is not None)


async def test_only_so_many_are_unfinished_at_a_time(gateway: Gateway) -> None:
    async with at_work(gateway):
        await works_in(gateway, 1)
        _, ids, _ = await backfilled(gateway, 5, max_instances=2)
        await stand_on_the_bus(gateway, ids[:2])
        await report(gateway, ids[0], Phase.STARTED)
        await report(gateway, ids[1], Phase.SUCCEEDED)
        await stand_on_the_bus(gateway, ids[:3])
        assert await statuses(gateway, ids) == ["running", "success", "queued", "waiting", "waiting"]


async def test_jobs_do_not_wait_for_one_another(gateway: Gateway) -> None:
    async with at_work(gateway):
        await works_in(gateway, 1)
        first = [(await backfilled(gateway, 3))[1][0] for _ in range(3)]

        async def all_began() -> bool:
            return {order.facts.execution_id for order in await published(gateway)} == set(first)

        await eventually(all_began)


async def test_another_gateway_goes_on_where_one_has_died(
    database_url: str, nats_server: NatsProcess, gateway: Gateway
) -> None:
    async with at_work(gateway):
        await works_in(gateway, 1)
        _, ids, _ = await backfilled(gateway, 3)
        await stand_on_the_bus(gateway, ids[:1])
    async with opened(database_url, nats_server.url) as another, at_work(another):
        await works_in(another, 1)
        for number, execution_id in enumerate(ids, 1):
            await stand_on_the_bus(another, ids[:number])
            await report(another, execution_id, Phase.SUCCEEDED)

        async def all_succeeded() -> bool:
            return await statuses(another, ids) == ["success"] * 3

        await eventually(all_succeeded)
        assert {row["sealed_order"] for row in await rows_of(another.database, runs)} == {None}


async def test_a_turn_that_was_given_before_a_crash_is_published_after_it(gateway: Gateway) -> None:
    _, ids, _ = await backfilled(gateway, 3)
    assert await give_turns(gateway.database) == 1
    async with at_work(gateway):
        await works_in(gateway, 1)
        await stand_on_the_bus(gateway, ids[:1])
        # And once more, as if the crash had come between the publish and its mark.
        async with gateway.database.write() as connection:
            unmarked = update(runs).where(runs.c.execution_id == ids[0]).values(published_seq=None)
            await connection.execute(unmarked)
        gateway.relay.wake.set()

        async def is_marked() -> bool:
            return any(row["published_seq"] for row in await rows_of(gateway.database, runs))

        await eventually(is_marked)
        await stand_on_the_bus(gateway, ids[:1])
        assert await statuses(gateway, ids) == ["queued", "waiting", "waiting"]


async def test_after_the_loss_of_the_store_the_unfinished_one_runs_again_and_the_others_still_wait(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    async with at_work(gateway):
        await works_in(gateway, 1)
        _, ids, _ = await backfilled(gateway, 3)
        await stand_on_the_bus(gateway, ids[:1])
        await report(gateway, ids[0], Phase.SUCCEEDED)
        await stand_on_the_bus(gateway, ids[:2])
        await restart_without_store(nats_server)
        await works_in(gateway, 2)
        await stand_on_the_bus(gateway, [ids[1]])
        [again] = await published(gateway)
        assert (again.facts.kind, again.generation) == (Kind.BACKFILL, 2)
        assert again.facts.backfills is not None
        assert (await statuses(gateway, ids))[2] == "waiting"
        await report(gateway, ids[1], Phase.SUCCEEDED)
        await stand_on_the_bus(gateway, ids[1:])


async def test_what_was_called_off_never_goes(gateway: Gateway) -> None:
    async with at_work(gateway):
        await works_in(gateway, 1)
        job, ids, request_id = await backfilled(gateway, 3)
        _, others, _ = await backfilled(gateway, 2)
        await eventually(lambda: is_given(gateway, {ids[0], others[0]}))
        assert set(await cancel_backfill(gateway, job.id, request_id, SYSTEM)) == set(ids[1:])
        for execution_id in (ids[0], others[0]):
            await report(gateway, execution_id, Phase.SUCCEEDED)
        await eventually(lambda: is_given(gateway, {ids[0], *others}))
        assert await statuses(gateway, ids[1:]) == ["cancelled"] * 2


async def is_given(gateway: Gateway, expected: set[UUID]) -> bool:
    """Whether exactly these are on the bus."""
    return {order.facts.execution_id for order in await published(gateway)} == expected


async def test_what_is_called_off_while_it_gets_its_turn_does_not_go(gateway: Gateway) -> None:
    job, ids, request_id = await backfilled(gateway, 3)
    async with gateway.database.write() as connection:
        await call_off(connection, job.id, CALLED_OFF, utc_now(), request_id=request_id)
        giving = asyncio.create_task(give_turns(gateway.database))
        await asyncio.sleep(0.3)
    await giving
    assert await statuses(gateway, ids) == ["cancelled"] * 3


async def test_a_deletion_and_a_pause_by_the_gateway_do_not_wait_for_one_another_in_a_circle(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, ids, _ = await backfilled(gateway, 1)
    called_off, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(*arguments: Any) -> None:
        await call_off(*arguments)
        called_off.set()
        await go_on.wait()

    monkeypatch.setattr(jobs, "call_off", slowly)
    deleting = asyncio.create_task(jobs.delete_job(gateway, job.id, SYSTEM))
    await called_off.wait()
    paused = JobUpdated(job=job.model_copy(update={"is_active": False, "version": 2}), before=job)
    pausing = asyncio.create_task(_append(gateway, paused))
    await asyncio.sleep(0.3)
    go_on.set()
    assert await deleting == job.name
    await pausing
    assert await statuses(gateway, ids) == ["cancelled"]


async def _append(gateway: Gateway, event: JobUpdated) -> None:
    """As the gateway does by itself: with nothing but the event's place in its job's history to hold it."""
    change = Change(aggregate="job", aggregate_id=event.job.id, version=event.job.version, event=event)
    context = Context(actor=SYSTEM.name, at=utc_now())
    with suppress(IntegrityError):
        async with gateway.database.write() as connection:
            await gateway.event_store.append(connection, [change], context)
