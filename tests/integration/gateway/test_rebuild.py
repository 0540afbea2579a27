"""What commands leave in the read models is what `rebuild` makes from the events."""

import asyncio
import random
from typing import Any

import pytest
from sqlalchemy import text, update

from services.gateway.commands.users import register_user
from services.gateway.domain.actor import SYSTEM, Role
from services.gateway.store import read_models
from services.gateway.store.database import Database
from services.gateway.store.event_store import EventStore
from services.gateway.store.read_models import project_job, rebuild
from services.gateway.store.tables import events, jobs, users
from shared.domain.job import Notifications, WebhookTarget
from shared.domain.schedule import CronSchedule
from tests.fixtures.builders import make_job
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.integration.gateway.world import background, change, create, delete, opened

CHANGES: list[dict[str, Any]] = [
    {"name": "renamed ✓"},
    {"is_active": False},
    {"is_active": True},
    {"schedule": CronSchedule(expression="*/5 3 * * 1-5", timezone="Europe/Berlin")},
    {"target": WebhookTarget(url="https://example.com/hook?x=1")},
    {"metadata": {"n": 1.5, "list": [1, None, "ü"], "nested": {"a": {"b": []}}}},
    {"notifications": Notifications(email_enabled=True, emails=("a@example.com",), on_success=True)},
    {"category": "reports", "pic_team": "ops", "timeout_seconds": 12.5},
]


async def read_models_of(database: Database) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All rows that are folded from events."""
    return await rows_of(database, jobs), await rows_of(database, users)


async def test_it_leaves_every_field_of_every_row_as_it_was(database_url: str) -> None:
    choose = random.Random(7)  # noqa: S311 # a test chooses the same each time
    async with opened(database_url, "nats://127.0.0.1:1") as gateway:
        store, database = gateway.event_store, gateway.database
        for number in range(3):
            await register_user(
                gateway,
                username=f"person_{number}",
                email=f"Person{number}@Example.com",
                password="long enough",
                role=list(Role)[number],
                actor=SYSTEM,
            )
        alive = [(await create(store, make_job())).id for _ in range(12)]
        for step in range(60):
            job_id = choose.choice(alive)
            changes = dict(choose.choice(CHANGES))
            if "name" in changes:
                changes["name"] += f" {step}"
            await change(store, job_id, **changes)
            if step % 10 == 9:
                alive.remove(job_id)
                await delete(store, job_id)
        before = await read_models_of(database)
        assert (len(before[0]), len(before[1])) == (6, 3)
        count = await rebuild(database)
        assert await read_models_of(database) == before
        assert count == len(await rows_of(database, events))


async def test_it_repairs_what_was_changed_behind_the_commands(database: Database) -> None:
    store = EventStore(database)
    job = await create(store, make_job())
    gone = await create(store, make_job())
    before = await read_models_of(database)
    async with database.write() as connection:
        await connection.execute(
            update(jobs).where(jobs.c.id == job.id).values(name="wrong", is_active=False)
        )
        await connection.execute(jobs.delete().where(jobs.c.id == gone.id))
    await rebuild(database)
    assert await read_models_of(database) == before


async def test_a_name_that_went_from_one_job_to_another_is_no_conflict(database: Database) -> None:
    store = EventStore(database)
    first = await create(store, make_job(name="nightly"))
    await change(store, first.id, name="weekly")
    second = await create(store, make_job(name="nightly"))
    await delete(store, second.id)
    await create(store, make_job(name="nightly"))
    before = await read_models_of(database)
    await rebuild(database)
    assert await read_models_of(database) == before


async def test_more_events_than_fit_one_page_are_all_folded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_models, "REBUILD_BATCH", 3)
    store = EventStore(database)
    for _ in range(4):
        job = await create(store, make_job())
        await change(store, job.id, category="other")
    before = await read_models_of(database)
    assert await rebuild(database) == 8
    assert await read_models_of(database) == before


async def test_nothing_is_rebuilt_from_nothing(database: Database) -> None:
    assert await rebuild(database) == 0
    assert await read_models_of(database) == ([], [])


@pytest.mark.parametrize("what", ["delete", "change"])
async def test_a_command_beside_it_is_not_undone(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """On SQLite there is one writer at a time."""
    async with opened(postgres_url, "nats://127.0.0.1:1") as gateway:
        store, database = gateway.event_store, gateway.database
        job = await create(store, make_job())
        reached, go_on = asyncio.Event(), asyncio.Event()

        async def halfway(*arguments: Any) -> None:
            reached.set()
            await go_on.wait()
            await project_job(*arguments)

        monkeypatch.setattr(read_models, "project_job", halfway)
        async with background(ignoring_result(database)) as rebuilding:
            await reached.wait()
            command = asyncio.create_task(
                delete(store, job.id) if what == "delete" else ignoring_answer(store, job.id)
            )
            await eventually(lambda: somebody_waits(database))
            go_on.set()
            await asyncio.gather(rebuilding, command)
        names = [row["name"] for row in await rows_of(database, jobs)]
        assert names == ([] if what == "delete" else ["changed beside it"])


async def ignoring_result(database: Database) -> None:
    """Rebuild."""
    await rebuild(database)


async def ignoring_answer(store: EventStore, job_id: Any) -> None:
    """Rename the job."""
    await change(store, job_id, name="changed beside it")


async def somebody_waits(database: Database) -> bool:
    """Whether a transaction stands behind another one's lock."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with database.read() as connection:
        return bool(await connection.scalar(waiting))
