"""Alerts: each is on record once, and told to administrators by the notifier, or right here while the bus is away."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain.actor import SYSTEM, Role
from services.gateway.inbox import put
from services.gateway.store.database import Database
from services.gateway.store.event_store import Change, Context, EventStore
from services.gateway.store.tables import events, users
from shared.alerting import notification_of
from shared.events import Alert

AGGREGATE = "alert"


async def record(event_store: EventStore, connection: AsyncConnection, alert: Alert, now: datetime) -> bool:
    """Write an alert in the caller's transaction; returns whether it was not there yet."""
    known = await connection.scalar(
        select(events.c.position).where(events.c.aggregate_id == alert.alert_id, events.c.version == 1)
    )
    if known is not None:
        return False
    change = Change(aggregate=AGGREGATE, aggregate_id=alert.alert_id, version=1, event=alert)
    await event_store.append(connection, [change], Context(actor=SYSTEM.name, at=now))
    return True


async def tell_administrators(database: Database, connection: AsyncConnection, alert: Alert) -> None:
    """Put it into their inboxes at once; the notifier's record of it is the same one."""
    administrators = select(users.c.id).where(users.c.role == Role.ADMIN.value, users.c.is_active)
    ids = (await connection.scalars(administrators)).all()
    await put(database, connection, [notification_of(alert, user_id) for user_id in sorted(ids)])
