"""Reading a user's inbox. What was deleted is none of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select

from services.gateway.queries.period import Period
from services.gateway.store.database import Database
from services.gateway.store.tables import notifications


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxPage:
    """One page, newest first, and how many notifications match."""

    rows: Sequence[Row[Any]]
    total: int


def in_inbox(user_id: UUID, period: Period) -> list[ColumnElement[bool]]:
    """What a row must fulfil to be in the user's inbox, and in the period."""
    return [
        notifications.c.user_id == user_id,
        notifications.c.deleted_at.is_(None),
        *period.conditions(notifications.c.created_at),
    ]


def is_unread() -> ColumnElement[bool]:
    """As the index of unread ones says it."""
    return ~notifications.c.is_read


async def list_notifications(
    database: Database, user_id: UUID, *, page: int, per_page: int, unread_only: bool, period: Period
) -> InboxPage:
    """A page of the user's own notifications."""
    conditions = in_inbox(user_id, period)
    if unread_only:
        conditions.append(is_unread())
    newest_first = (
        select(notifications)
        .where(*conditions)
        .order_by(notifications.c.created_at.desc(), notifications.c.id)
        .limit(per_page)
        .offset((page - 1) * per_page)
    )
    async with database.read() as connection:
        total = await connection.scalar(select(func.count()).select_from(notifications).where(*conditions))
        rows = (await connection.execute(newest_first)).all()
    return InboxPage(rows=rows, total=total or 0)


async def count_unread(database: Database, user_id: UUID, period: Period) -> int:
    """How many notifications the user has not read."""
    unread = select(func.count()).select_from(notifications).where(*in_inbox(user_id, period), is_unread())
    async with database.read() as connection:
        return await connection.scalar(unread) or 0
