"""What a newer gateway has written and this one cannot read holds up nothing but itself."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from services.gateway.auditor import Auditor
from services.gateway.commands.end_dates import pause_ended_jobs
from services.gateway.seeding_executions import ExecutionSeeds
from services.gateway.store.database import Database
from services.gateway.store.tables import events, jobs
from shared.bus import subjects
from shared.events import RunTriggered, RunWaiting
from tests.fixtures.builders import make_job, make_trigger
from tests.fixtures.bus import publish_events, read_events
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import Api
from tests.fixtures.nats import NatsProcess
from tests.integration.gateway.test_failing import World as FailingWorld
from tests.integration.gateway.test_failing import watched
from tests.integration.gateway.test_failing import world as failing_world
from tests.integration.gateway.test_sweeper import World, world
from tests.integration.gateway.world import at_work, create, is_all_published, opened, works_in

__all__ = ["failing_world", "world"]

NEW_WORD = {"misfire_policy": "as_nobody_knows_yet"}


async def renew(database: Database, job_id: UUID) -> None:
    """A newer gateway writes the job."""
    async with database.write() as connection:
        state: dict[str, Any] = await connection.scalar(select(jobs.c.state).where(jobs.c.id == job_id)) or {}
        newer = {**state, **NEW_WORD}
        await connection.execute(update(jobs).where(jobs.c.id == job_id).values(state=newer))
        of_job = events.c.aggregate_id == job_id
        await connection.execute(update(events).where(of_job).values(data={"job": newer, "before": None}))


async def test_a_run_whose_job_cannot_be_read_is_swept_later_and_others_now(world: World) -> None:
    newer, job = [await create(world.store, make_job()) for _ in range(2)]
    await world.triggered(newer)
    order = await world.triggered(job, 1)
    await world.acknowledge(2)
    await renew(world.database, newer.id)
    await world.sweep()
    assert len(await world.triggers_of(order.facts.execution_id)) == 2


async def test_a_store_is_seeded_without_the_runs_of_a_job_that_cannot_be_read(world: World) -> None:
    newer, job = [await create(world.store, make_job()) for _ in range(2)]
    for one in (newer, job):
        await world.triggered(one)
        waits = RunWaiting(order=make_trigger(one, planned_at=world.clock.now), reason="overlap")
        await publish_events(world.bus, [(subjects.decision(one.id), waits)])
    await world.fold()
    await renew(world.database, newer.id)
    before = len(await read_events(world.bus, subjects.TRIGGERS))
    seeds = ExecutionSeeds(world.database, world.bus, world.box, world.clock)
    await seeds.publish(2, world.clock.now)
    published = (await read_events(world.bus, subjects.TRIGGERS))[before:]
    orders = [one.order if isinstance(one, RunWaiting) else one for one in published]
    assert {one.facts.job_id for one in orders if isinstance(one, RunTriggered)} == {job.id}
    assert len(orders) == 2


async def test_a_failing_job_is_paused_beside_one_that_cannot_be_read(failing_world: FailingWorld) -> None:
    newer, job = await watched(failing_world, 1), await watched(failing_world, 1)
    await renew(failing_world.database, newer.id)
    for one in (newer, job):
        await failing_world.ended(one, "no")
    assert await failing_world.is_active(newer)
    assert not await failing_world.is_active(job)


async def test_an_ended_job_is_paused_beside_one_that_cannot_be_read(api: Api) -> None:
    newer, job = [await api.create_job(end_date="2026-11-21") for _ in range(2)]
    await renew(api.gateway.database, UUID(newer["id"]))
    api.clock.advance(days=2)
    assert await pause_ended_jobs(api.gateway) == 1
    found = {str(row["id"]): bool(row["is_active"]) for row in await rows_of(api.gateway.database, jobs)}
    assert found == {newer["id"]: True, job["id"]: False}


async def test_an_audit_that_fails_does_not_keep_the_relay_from_working(
    database_url: str, nats_server: NatsProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Auditor) -> int:
        raise LookupError("unforeseen")

    monkeypatch.setattr(Auditor, "audit", fail)
    async with opened(database_url, nats_server.url) as gateway, at_work(gateway):
        await works_in(gateway, 1)
        await create(gateway.event_store, make_job())
        await eventually(lambda: is_all_published(gateway.database))
