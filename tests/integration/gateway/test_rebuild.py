"""What commands leave in the read models is what `rebuild` makes from the events."""

import asyncio
import random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from services.gateway.commands.accounts import (
    create_account,
    ensure_default_account,
    remove_member,
    rename_account,
    set_member,
)
from services.gateway.commands.calendars import create_calendar, delete_calendar, update_calendar
from services.gateway.commands.categories import create_category, ensure_general, update_category
from services.gateway.commands.slack import update_slack_settings
from services.gateway.commands.teams import create_team, update_team
from services.gateway.commands.users import register_user
from services.gateway.domain.actor import SYSTEM, Role
from services.gateway.gateway import Gateway
from services.gateway.store import read_models
from services.gateway.store.database import Database
from services.gateway.store.event_store import Change, EventStore
from services.gateway.store.projections import project
from services.gateway.store.read_models import rebuild
from services.gateway.store.tables import events, jobs
from shared.domain.directory import NotificationPreferences, UiPreferences
from shared.domain.job import Job, Notifications, WebhookTarget
from shared.domain.schedule import CalendarUse, CronSchedule
from shared.events import DomainEvent, JobRestored, User, UserDeleted, UserUpdated
from tests.fixtures.builders import make_exclusion, make_job
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.integration.gateway.world import CONTEXT, background, change, create, delete, opened

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


ReadModels = dict[str, list[dict[str, Any]]]


async def read_models_of(database: Database) -> ReadModels:
    """All rows that are folded from events, by table."""
    return {table.name: await rows_of(database, table) for table in read_models.FOLDED}


def sizes(models: ReadModels) -> dict[str, int]:
    return {name: len(rows) for name, rows in models.items()}


async def append(
    gateway: Gateway, aggregate: str, aggregate_id: UUID, version: int, event: DomainEvent
) -> None:
    """An event as a command would have left it."""
    change = Change(aggregate=aggregate, aggregate_id=aggregate_id, version=version, event=event)
    async with gateway.database.write() as connection:
        await gateway.event_store.append(connection, [change], CONTEXT)


async def live_jobs(gateway: Gateway) -> None:
    """Jobs that were changed, deleted and restored."""
    choose = random.Random(7)  # noqa: S311 # a test chooses the same each time
    store = gateway.event_store
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
            if step % 20 == 9:
                await restore(gateway, job_id)


async def restore(gateway: Gateway, job_id: UUID) -> None:
    """Bring a deleted job back as it was."""
    [*_, deleted] = [row for row in await rows_of(gateway.database, events) if row["aggregate_id"] == job_id]
    version = deleted["version"] + 1
    job = Job.model_validate({**deleted["data"]["before"], "version": version})
    await append(gateway, "job", job_id, version, JobRestored(job=job))


async def live_people(gateway: Gateway) -> list[User]:
    """Users of whom one chose preferences, one has another role and one is gone; those who are left."""
    people = [
        await register_user(
            gateway,
            username=f"person_{number}",
            email=f"Person{number}@Example.com",
            password="long enough",
            role=role,
            actor=SYSTEM,
        )
        for number, role in enumerate([*Role, Role.USER])
    ]
    changes: list[dict[str, Any]] = [
        {
            "notification_preferences": NotificationPreferences(daily_digest=True),
            "ui_preferences": UiPreferences(target_url=True),
        },
        {"role": "viewer", "is_active": False, "token_version": 2, "email": "other@example.com"},
    ]
    for user, changed in zip(people, changes, strict=False):
        after = user.model_copy(update={**changed, "version": 2})
        await append(gateway, "user", user.id, 2, UserUpdated(user=after, before=user))
    gone = people.pop()
    await append(gateway, "user", gone.id, 2, UserDeleted(before=gone, version=2))
    return people


async def live_taxonomy(gateway: Gateway) -> None:
    """Categories and teams that were renamed, one to the slug that another had, and disabled."""
    await ensure_general(gateway)
    first = await create_category(gateway, SYSTEM, name="Reports")
    second = await create_category(gateway, SYSTEM, name="Backups", slug="b")
    await create(gateway.event_store, make_job(category="reports", pic_team="qa"))
    await update_category(gateway, first.id, SYSTEM, name="Papers")
    await update_category(gateway, second.id, SYSTEM, name="Reports", is_active=False)
    team = await create_team(gateway, SYSTEM, name="QA", slack_handle="@qa")
    await update_team(gateway, team.id, SYSTEM, name="Quality", slack_handle="@quality")
    await create_team(gateway, SYSTEM, name="QA", slack_handle="@new", is_active=False)


async def live_calendars(gateway: Gateway) -> None:
    """Calendars that were renamed, one to the slug that another had, changed under the jobs that follow them, and deleted."""
    eve = make_exclusion("2026-12-24T18:00", "2026-12-27", "Weihnachten ✓")
    first = await create_calendar(gateway, SYSTEM, name="Holidays", pic_team="quality", exclusions=(eve,))
    second = await create_calendar(gateway, SYSTEM, name="Freezes", slug="f")
    gone = await create_calendar(gateway, SYSTEM, name="Gone")
    followed = ((first.use,), (first.use, second.use), (second.use, gone.use))
    followers = [
        await create(gateway.event_store, make_job(schedule=keeping_still(*uses))) for uses in followed
    ]
    await update_calendar(gateway, first.id, {"name": "Old Holidays", "exclusions": ()}, SYSTEM)
    await update_calendar(gateway, second.id, {"name": "Holidays", "exclusions": (eve, eve)}, SYSTEM)
    await change(gateway.event_store, followers[2].id, schedule=keeping_still(second.use))
    await delete_calendar(gateway, gone.id, SYSTEM)


def keeping_still(*uses: CalendarUse) -> CronSchedule:
    """A schedule that follows these calendars."""
    return CronSchedule(expression="0 2 * * *", timezone="Asia/Tokyo", calendars=uses)


async def live_accounts(gateway: Gateway, people: list[User]) -> None:
    """Accounts that were renamed, and to which people came and went."""
    await ensure_default_account(gateway)
    first = await create_account(gateway, "First", SYSTEM)
    second = await create_account(gateway, "Second", SYSTEM)
    for account in (first, second):
        for user in people:
            await set_member(gateway, account.id, user.id, "member", SYSTEM)
    await set_member(gateway, first.id, people[0].id, "owner", SYSTEM)
    await remove_member(gateway, second.id, people[1].id, SYSTEM)
    await rename_account(gateway, first.id, "Third", SYSTEM)
    await rename_account(gateway, second.id, "First", SYSTEM)


@pytest.mark.parametrize("batch", [read_models.REBUILD_BATCH, 7])
async def test_it_leaves_every_field_of_every_row_as_it_was(
    database_url: str, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(read_models, "REBUILD_BATCH", batch)
    async with opened(database_url, "nats://127.0.0.1:1") as gateway:
        await live_jobs(gateway)
        await live_taxonomy(gateway)
        await live_calendars(gateway)
        await live_accounts(gateway, await live_people(gateway))
        await update_slack_settings(gateway, {"webhook_url": "https://slack.test/x"}, SYSTEM)
        await update_slack_settings(gateway, {"is_enabled": True, "channel": "#ops"}, SYSTEM)
        before = await read_models_of(gateway.database)
        assert sizes(before) == {
            "jobs": 13,
            "job_calendars": 4,
            "calendars": 2,
            "users": 3,
            "categories": 3,
            "teams": 2,
            "slack_settings": 1,
            "accounts": 3,
            "account_members": 5,
        }
        count = await rebuild(gateway.database)
        assert await read_models_of(gateway.database) == before
        assert count == len(await rows_of(gateway.database, events))


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
    assert set(sizes(await read_models_of(database)).values()) == {0}


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
            await project(*arguments)

        monkeypatch.setattr(read_models, "project", halfway)
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
