"""Reading users."""

from uuid import UUID

from sqlalchemy import select

from services.gateway.domain.user import UserNotFound
from services.gateway.store.database import Database
from services.gateway.store.tables import users
from shared.events import User


async def list_users(database: Database) -> list[User]:
    """All users, oldest first."""
    oldest_first = select(users).order_by(users.c.created_at, users.c.username)
    async with database.read() as connection:
        return [User.model_validate(dict(row)) for row in (await connection.execute(oldest_first)).mappings()]


async def get_user(database: Database, user_id: UUID) -> User:
    """One user; raises `UserNotFound`."""
    async with database.read() as connection:
        row = (await connection.execute(select(users).where(users.c.id == user_id))).mappings().first()
    if row is None:
        raise UserNotFound(user_id)
    return User.model_validate(dict(row))
