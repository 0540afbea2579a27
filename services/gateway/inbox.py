"""Notifications from the bus become rows of people's inboxes."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.store.database import Database
from services.gateway.store.tables import notifications
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.fence import Fence
from shared.bus.subscribing import subscribe
from shared.events import AnyEvent, NotificationPosted


class Inbox:
    """Writes what is posted; a notification that stands there already stays as it is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, bus: Bus, fence: Fence, url: str) -> None:
        """Follow INBOX, for ever; gateways share the durable."""
        await subscribe(
            bus,
            fence,
            url,
            stream=subjects.INBOX,
            subject=subjects.ALL_INBOX,
            durable=subjects.INBOX_DURABLE,
            handler=self.write,
        )

    async def write(self, event: AnyEvent) -> None:
        """One row; raises `Transient` when the database does not answer."""
        if not isinstance(event, NotificationPosted):
            return
        async with self._database.write() as connection:
            await put(self._database, connection, [event])


async def put(database: Database, connection: AsyncConnection, posted: Sequence[NotificationPosted]) -> None:
    """Write what is not there yet."""
    if posted:
        insert = database.upsert(notifications).on_conflict_do_nothing()
        await connection.execute(insert, [_row(event) for event in posted])


def _row(event: NotificationPosted) -> dict[str, Any]:
    return {
        "id": event.notification_id,
        "user_id": event.user_id,
        "title": event.title,
        "message": event.message,
        "type": event.level,
        "related_job_id": event.related_job_id,
        "related_execution_id": event.related_execution_id,
        "is_read": False,
        "created_at": event.created_at,
    }
