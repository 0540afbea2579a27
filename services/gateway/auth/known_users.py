"""Users as the last few seconds saw them: what a token claims is checked against SQL, but not on every request."""

import time
from uuid import UUID

from sqlalchemy import select

from services.gateway.store.database import Database
from services.gateway.store.tables import users
from shared.events import User

LIFETIME = 5.0  # seconds until a disabled user, a new role or a new password is noticed everywhere
MAX_USERS = 10_000


class KnownUsers:
    """A small cache before the table of users."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: dict[UUID, tuple[User, float]] = {}
        self._changes = 0

    def forget(self, user_id: UUID) -> None:
        """Read the user anew at their next request: they have just been changed here."""
        self._seen.pop(user_id, None)
        self._changes += 1

    async def get(self, user_id: UUID, token_version: int) -> User | None:
        """The user if they are active and no later token version stands in SQL."""
        user, good_until = self._seen.get(user_id, (None, 0.0))
        # A token newer than what is remembered was issued since.
        if user is None or time.monotonic() >= good_until or token_version > user.token_version:
            user = await self._read(user_id)
        if user is None or not user.is_active or user.token_version != token_version:
            return None
        return user

    async def _read(self, user_id: UUID) -> User | None:
        asked, changes = time.monotonic(), self._changes
        async with self._database.read() as connection:
            row = (await connection.execute(select(users).where(users.c.id == user_id))).mappings().first()
        if row is None:
            self._seen.pop(user_id, None)
            return None
        if len(self._seen) >= MAX_USERS:
            self._seen.clear()
        user = User.model_validate(dict(row))
        # What was read while somebody changed may be what they were before.
        if changes == self._changes:
            self._seen[user_id] = (user, asked + LIFETIME)
        return user
