"""A gateway without HTTP: its parts as one process holds them, and what the tests do to them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

from services.gateway.domain.actor import SYSTEM
from services.gateway.domain.job import CreateJob, DeleteJob, JobCommand, JobState, UpdateJob
from services.gateway.gateway import Gateway, make_gateway
from services.gateway.settings import GatewaySettings
from services.gateway.store.aggregates import JOBS
from services.gateway.store.database import Database
from services.gateway.store.event_store import Context, EventStore
from services.gateway.store.migrate import upgrade
from services.gateway.store.tables import bus_state, events
from shared.bus import subjects
from shared.clock import utc_now
from shared.domain.job import Job
from shared.events import CheckpointReached, JobCreated, JobUpdated
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.bus import MAX_BYTES, following, publish_events
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess

CONTEXT = Context(actor="test", at=SOME_TIME)


@asynccontextmanager
async def opened(database_url: str, nats_url: str) -> AsyncIterator[Gateway]:
    """A gateway on a migrated database; it is not connected to the bus."""
    settings = GatewaySettings.model_validate(
        {"database_url": database_url, "nats_url": nats_url, "bus_max_bytes": MAX_BYTES}
    )
    gateway = make_gateway(settings, utc_now)
    try:
        await upgrade(gateway.database)
        yield gateway
    finally:
        await gateway.close()


@asynccontextmanager
async def at_work(gateway: Gateway) -> AsyncIterator[Gateway]:
    """The gateway looks after the bus: connected, the fence followed, the steward at it."""
    await gateway.bus.connect(gateway.settings.nats_url.get_secret_value(), "gateway")
    async with following(gateway.fence), background(gateway.steward.run()):
        yield gateway
    await gateway.steward.finish()


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Work that goes on beside the block; a failure of it fails the test."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        [ended] = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ended, Exception):
            raise ended


async def create(store: EventStore, job: Job) -> Job:
    """Create the job by command."""

    async def prepare(_connection: object, _state: JobState) -> JobCommand:
        return CreateJob(job=job, actor=SYSTEM, now=SOME_TIME, name_taken=False)

    return _existing(await store.execute(JOBS, job.id, prepare, CONTEXT))


async def change(store: EventStore, job_id: UUID, now: datetime = SOME_TIME, **changes: Any) -> Job:
    """Change fields of the job by command."""

    async def prepare(_connection: object, _state: JobState) -> JobCommand:
        return UpdateJob(job_id=job_id, changes=changes, actor=SYSTEM, now=now, name_taken=False)

    return _existing(await store.execute(JOBS, job_id, prepare, CONTEXT))


async def change_by(store: EventStore, job_id: UUID, difference: Callable[[Job], dict[str, Any]]) -> Job:
    """Change the job into something that depends on what it is."""

    async def prepare(_connection: object, state: JobState) -> JobCommand:
        changes = difference(_existing(state))
        return UpdateJob(job_id=job_id, changes=changes, actor=SYSTEM, now=SOME_TIME, name_taken=False)

    return _existing(await store.execute(JOBS, job_id, prepare, CONTEXT))


async def delete(store: EventStore, job_id: UUID) -> None:
    """Delete the job by command."""

    async def prepare(_connection: object, _state: JobState) -> JobCommand:
        return DeleteJob(job_id=job_id, actor=SYSTEM, now=SOME_TIME)

    await store.execute(JOBS, job_id, prepare, CONTEXT)


async def append_versions(database: Database, job: Job, count: int) -> None:
    """Versions 1..count of a job straight into the events table, as commands would have left them."""
    versions = [job.model_copy(update={"version": version}) for version in range(1, count + 1)]
    changes = [JobCreated(job=versions[0])] + [
        JobUpdated(job=after, before=before) for before, after in pairwise(versions)
    ]
    rows = [
        {
            "id": uuid4(),
            "aggregate": "job",
            "aggregate_id": job.id,
            "version": version,
            "type": event.type,
            "schema_version": event.schema_version,
            "data": event.body(),
            "actor": "test",
            "recorded_at": SOME_TIME,
        }
        for version, event in enumerate(changes, 1)
    ]
    async with database.write() as connection:
        await connection.execute(events.insert(), rows)


async def is_all_published(database: Database) -> bool:
    """Whether every event is on the bus."""
    return all(row["published_seq"] is not None for row in await rows_of(database, events))


async def state_of_bus(database: Database) -> dict[str, Any]:
    """What SQL knows of the bus."""
    [row] = await rows_of(database, bus_state)
    return row


async def reach_checkpoint(gateway: Gateway, until: datetime) -> int:
    """Announce, as a scheduler does, that all that is published is decided up to `until`; returns its `events_seq`."""
    generation = await gateway.fence.wait()
    events_seq = (await gateway.bus.js.stream_info(subjects.EVENTS)).state.last_seq
    reached = CheckpointReached(until=until, events_seq=events_seq, decisions_seq=0, generation=generation)
    await publish_events(gateway.bus, [(subjects.CHECKPOINT, reached)])

    async def is_ledgered() -> bool:
        return bool((await state_of_bus(gateway.database))["ledgered_until"] == until)

    await eventually(is_ledgered)
    return events_seq


async def works_in(gateway: Gateway, generation: int) -> None:
    """Return once the generation is seeded and held."""
    await eventually(lambda: gateway.fence.holds(generation))


async def restart_without_store(server: NatsProcess) -> None:
    """The server comes back with nothing."""
    await server.kill()
    server.delete_store()
    await server.start()


def _existing(state: JobState) -> Job:
    assert state.job is not None
    return state.job
