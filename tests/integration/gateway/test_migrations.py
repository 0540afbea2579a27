"""The migrations lead to the tables that the code knows, on both databases, and back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from services.gateway.store.database import Database
from services.gateway.store.migrate import alembic_config, upgrade
from services.gateway.store.tables import jobs, metadata, notifications
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.database import rows_of

VERSION_TABLE = "alembic_version"


@asynccontextmanager
async def opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def empty(bare_database_url: str) -> AsyncIterator[Database]:
    """Without any table."""
    async with opened(bare_database_url) as database:
        yield database


@pytest.fixture
async def database(empty: Database) -> Database:
    """All tables, which the test may change."""
    await upgrade(empty)
    return empty


async def schema_of(database: Database) -> dict[str, Any]:
    """Every table with its columns, indexes and constraints, as the database itself tells them."""

    def read(connection: Connection) -> dict[str, Any]:
        inspector = inspect(connection)
        return {
            table: (
                [{**column, "type": str(column["type"])} for column in inspector.get_columns(table)],
                sorted(_index(index) for index in inspector.get_indexes(table)),
                sorted(str(sorted(unique.items())) for unique in inspector.get_unique_constraints(table)),
                inspector.get_foreign_keys(table),
                inspector.get_pk_constraint(table),
            )
            for table in sorted(inspector.get_table_names())
        }

    async with database.read() as connection:
        return await connection.run_sync(read)


def _index(index: Any) -> tuple[str, str]:
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return index["name"], str({**index, "dialect_options": options})


async def downgrade(database: Database, revision: str) -> None:
    """Go back to a revision, as an operator would."""

    def down(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    async with database.write() as connection:
        await connection.run_sync(down)


async def insert_notification(database: Database, **columns: Any) -> None:
    row = {
        "id": uuid4(),
        "user_id": uuid4(),
        "title": "t",
        "message": "m",
        "type": "info",
        "is_read": False,
        "created_at": SOME_TIME,
        **columns,
    }
    async with database.write() as connection:
        await connection.execute(notifications.insert().values(row))


async def test_from_nothing_they_lead_to_all_tables(empty: Database) -> None:
    assert await schema_of(empty) == {}
    await upgrade(empty)
    assert set(await schema_of(empty)) == {*metadata.tables, VERSION_TABLE}


async def test_they_lead_to_exactly_what_the_code_knows(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"compare_type": True, "compare_server_default": True}
        found: list[object] = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        return found

    async with database.read() as connection:
        assert await connection.run_sync(differences) == []


async def test_running_them_twice_changes_nothing(database: Database) -> None:
    await insert_notification(database)
    before = await schema_of(database), await rows_of(database, notifications)
    await upgrade(database)
    assert (await schema_of(database), await rows_of(database, notifications)) == before


async def test_gateways_that_start_at_once_do_not_stumble_over_one_another(bare_database_url: str) -> None:
    url = bare_database_url
    async with opened(url) as one, opened(url) as two, opened(url) as three:
        await asyncio.gather(upgrade(one), upgrade(two), upgrade(three))
        assert set(await schema_of(one)) == {*metadata.tables, VERSION_TABLE}


async def test_they_lead_back_to_nothing_and_up_again(database: Database) -> None:
    before = await schema_of(database)
    await downgrade(database, "base")
    assert set(await schema_of(database)) == {VERSION_TABLE}
    await upgrade(database)
    assert await schema_of(database) == before


async def test_what_people_deleted_is_not_there_again_on_the_way_back(database: Database) -> None:
    await insert_notification(database)
    kept = await rows_of(database, notifications)
    await insert_notification(database, deleted_at=SOME_TIME)
    await downgrade(database, "0002")
    await upgrade(database)
    assert await rows_of(database, notifications) == kept


@pytest.mark.parametrize(
    ("end_date", "ends_at"),
    [
        ("2026-12-31", datetime(2026, 12, 31, 15, tzinfo=UTC)),
        ("9999-12-31", datetime.max.replace(tzinfo=UTC)),
        (None, None),
    ],
)
async def test_jobs_that_were_there_have_what_their_states_say(
    database: Database, end_date: str | None, ends_at: datetime | None
) -> None:
    state = {
        "category": "reports",
        "target": {"kind": "github_actions"},
        "schedule": {"end_date": end_date, "timezone": "Asia/Tokyo"},
    }
    row = {
        "id": uuid4(),
        "account_id": uuid4(),
        "name": "nightly",
        "owner_id": uuid4(),
        "is_active": True,
        "version": 1,
        "created_at": SOME_TIME,
        "updated_at": SOME_TIME,
        "state": state,
    }
    async with database.write() as connection:
        await connection.execute(jobs.insert().values(row))
    await downgrade(database, "0001")
    await upgrade(database)
    (after,) = await rows_of(database, jobs)
    expected = {"category": "reports", "pic_team": None, "target_kind": "github_actions", "ends_at": ends_at}
    assert {name: after[name] for name in expected} == expected


async def test_each_leads_one_step_back(database: Database) -> None:
    steps = len(list(ScriptDirectory.from_config(alembic_config()).walk_revisions()))
    for _ in range(steps):
        await downgrade(database, "-1")
    assert set(await schema_of(database)) == {VERSION_TABLE}


async def test_one_that_fails_leaves_nothing_behind(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("the power is out")

    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", fail)
        with pytest.raises(RuntimeError, match="the power is out"):
            await upgrade(empty)
    assert await schema_of(empty) == {}
    await upgrade(empty)
    assert jobs.name in await schema_of(empty)


def test_they_are_one_chain() -> None:
    script = ScriptDirectory.from_config(alembic_config())
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1
