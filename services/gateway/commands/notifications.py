"""What people do with their inbox: read, and throw away. Its rows are records themselves, there are no events of them.

The bus may deliver a notification more than once. So a deleted one keeps its row, without its text, for longer than
its message may come again.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.gateway import Gateway
from services.gateway.queries.notifications import in_inbox, is_unread
from services.gateway.queries.period import Period
from services.gateway.store.tables import notifications
from shared.errors import Forbidden, NotFound

REMEMBERED = timedelta(days=30)
"""More than twice the age that messages reach in their stream."""


class NotificationNotFound(NotFound):
    """There is no such notification, or it was deleted."""

    title = "Notification not found"

    def __init__(self, notification_id: UUID) -> None:
        super().__init__(f"No notification found with ID: {notification_id}")


class NotYourNotification(Forbidden):
    """It is in somebody else's inbox, which nobody else may touch, whatever their role."""

    def __init__(self, deed: str) -> None:
        super().__init__(
            "This notification is in somebody else's inbox",
            title=f"Forbidden: Cannot {deed} other users notifications",
        )


async def mark_read(gateway: Gateway, notification_id: UUID, user_id: UUID) -> Row[Any]:
    """Note that the user has read it, once; returns the row. Raises `NotificationNotFound` and `NotYourNotification`."""
    now = gateway.clock()
    async with gateway.database.write() as connection:
        await _must_be_own(connection, notification_id, user_id, "access")
        one = notifications.c.id == notification_id
        await connection.execute(
            update(notifications).where(one, is_unread()).values(is_read=True, read_at=now)
        )
        return (await connection.execute(select(notifications).where(one))).one()


async def mark_all_read(gateway: Gateway, user_id: UUID, period: Period) -> int:
    """Note that the user has read all that came in the period; returns how many they had not."""
    unread = update(notifications).where(*in_inbox(user_id, period), is_unread())
    async with gateway.database.write() as connection:
        done = await connection.execute(unread.values(is_read=True, read_at=gateway.clock()))
    return done.rowcount


async def delete_notification(gateway: Gateway, notification_id: UUID, user_id: UUID) -> None:
    """Throw one away; raises `NotificationNotFound` and `NotYourNotification`."""
    now = gateway.clock()
    async with gateway.database.write() as connection:
        await _must_be_own(connection, notification_id, user_id, "delete")
        one = update(notifications).where(notifications.c.id == notification_id)
        await connection.execute(one.values(_erased(now)))
        await _forget_old(connection, now)


async def delete_read(gateway: Gateway, user_id: UUID, period: Period) -> int:
    """Throw away all that the user has read and that came in the period; returns how many there were."""
    now = gateway.clock()
    read = update(notifications).where(*in_inbox(user_id, period), notifications.c.is_read)
    async with gateway.database.write() as connection:
        done = await connection.execute(read.values(_erased(now)))
        await _forget_old(connection, now)
    return done.rowcount


async def _must_be_own(connection: AsyncConnection, notification_id: UUID, user_id: UUID, deed: str) -> None:
    owner = await connection.scalar(
        select(notifications.c.user_id).where(
            notifications.c.id == notification_id, notifications.c.deleted_at.is_(None)
        )
    )
    if owner is None:
        raise NotificationNotFound(notification_id)
    if owner != user_id:
        raise NotYourNotification(deed)


def _erased(now: datetime) -> dict[str, Any]:
    return {
        "deleted_at": now,
        "title": "",
        "message": "",
        "related_job_id": None,
        "related_execution_id": None,
    }


async def _forget_old(connection: AsyncConnection, now: datetime) -> None:
    """Drop what was deleted long ago, by anybody."""
    await connection.execute(delete(notifications).where(notifications.c.deleted_at < now - REMEMBERED))
