"""The tables that are folded from events: written by commands, and all at once by `rebuild`."""

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.store.database import Database
from services.gateway.store.event_store import stored_event
from services.gateway.store.projections import forget, project
from services.gateway.store.tables import (
    account_members,
    accounts,
    calendars,
    categories,
    events,
    job_calendars,
    jobs,
    slack_settings,
    teams,
    users,
)

FOLDED = (
    jobs, job_calendars, calendars, users, categories, teams, slack_settings, accounts, account_members,
)  # fmt: skip
REBUILD_BATCH = 1_000


async def rebuild(database: Database) -> int:
    """Empty the read models and fold every event into them again; returns how many events were read.

    One transaction: readers see the old rows until all new ones are there, commands wait.
    """
    count = 0
    async with database.write() as connection:
        if not database.is_sqlite:
            # A deletion beside it would wait for the old row and then miss the new one.
            await connection.execute(text("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE"))
        for table in FOLDED:
            await connection.execute(delete(table))
        position = 0
        while True:
            page = (
                select(events)
                .where(events.c.position > position)
                .order_by(events.c.position)
                .limit(REBUILD_BATCH)
            )
            rows = (await connection.execute(page)).all()
            if not rows:
                return count
            changes = [stored_event(row) for row in rows]
            await forget(connection, changes)
            await project(database, connection, changes)
            count, position = count + len(rows), rows[-1].position


async def count_active_jobs(connection: AsyncConnection) -> int:
    """How many jobs the scheduler has to think of."""
    return await connection.scalar(select(func.count()).select_from(jobs).where(jobs.c.is_active)) or 0
