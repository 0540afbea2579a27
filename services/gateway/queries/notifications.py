"""Reading a user's inbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from services.gateway.queries.period import Period
from services.gateway.store.database import Database
from services.gateway.store.tables import notifications


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxPage:
    """One page, newest first, and how many notifications match."""

    rows: Sequence[Row[Any]]
    total: int


async def list_notifications(
    database: Database, user_id: UUID, *, page: int, per_page: int, unread_only: bool, period: Period
) -> InboxPage:
    """A page of the user's own notifications."""
    conditions = [notifications.c.user_id == user_id, *period.conditions(notifications.c.created_at)]
    if unread_only:
        conditions.append(notifications.c.is_read.is_(False))
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
