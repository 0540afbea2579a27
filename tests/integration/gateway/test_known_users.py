"""Users are remembered for a few seconds, and never as they were before a change that was made here."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.auth import known_users
from services.gateway.auth.known_users import KnownUsers
from services.gateway.store.database import Database
from services.gateway.store.projections import project
from services.gateway.store.tables import users
from shared.events import User, UserRegistered
from tests.fixtures.builders import make_user
from tests.fixtures.eventually import eventually


class Interrupted(Database):
    """Something happens between a read and what is made of it."""

    interrupt: Callable[[], None] = staticmethod(lambda: None)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with super().read() as connection:
            yield connection
        self.interrupt()


@pytest.fixture
async def user(database: Database) -> User:
    """Somebody who is there."""
    user = make_user()
    async with database.write() as connection:
        await project(database, connection, [UserRegistered(user=user)])
    return user


async def disable(database: Database, user: User) -> None:
    async with database.write() as connection:
        await connection.execute(update(users).where(users.c.id == user.id).values(is_active=False))


async def test_what_another_gateway_changed_is_noticed_when_the_time_is_over(
    database: Database, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_users, "LIFETIME", 0.3)
    known = KnownUsers(database)
    assert await known.get(user.id, 1) == user
    await disable(database, user)
    assert await known.get(user.id, 1) == user

    async def is_out() -> bool:
        return await known.get(user.id, 1) is None

    await eventually(is_out)


async def test_what_was_changed_here_is_noticed_at_once(database: Database, user: User) -> None:
    known = KnownUsers(database)
    assert await known.get(user.id, 1) == user
    await disable(database, user)
    known.forget(user.id)
    assert await known.get(user.id, 1) is None


async def test_what_was_read_before_the_change_is_not_remembered_after_it(
    database: Database, user: User
) -> None:
    interrupted = Interrupted(database.url.render_as_string(hide_password=False))
    try:
        known = KnownUsers(interrupted)
        interrupted.interrupt = lambda: known.forget(user.id)
        assert await known.get(user.id, 1) == user
        await disable(database, user)
        assert await known.get(user.id, 1) is None
    finally:
        await interrupted.close()


async def test_a_token_of_another_version_is_nobodys(database: Database, user: User) -> None:
    known = KnownUsers(database)
    assert await known.get(user.id, 2) is None
    assert await known.get(user.id, 0) is None
    assert await known.get(user.id, 1) == user
