"""The tables that are folded from events: written by commands, and all at once by `rebuild`."""

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain import job as job_rules
from services.gateway.domain import user as user_rules
from services.gateway.store.database import Database
from services.gateway.store.event_store import Aggregate, stored_event
from services.gateway.store.tables import events, jobs, users
from shared.events import DomainEvent, JobEvent

REBUILD_BATCH = 1_000


async def project_job(
    database: Database, connection: AsyncConnection, state: job_rules.JobState, event: DomainEvent
) -> None:
    """Bring the row of one job up to date."""
    if state.job is None:
        if isinstance(event, JobEvent):
            await connection.execute(delete(jobs).where(jobs.c.id == event.current.id))
        return
    job = state.job
    row = {
        "id": job.id,
        "account_id": job.account_id,
        "name": job.name,
        "owner_id": job.owner_id,
        "is_active": job.is_active,
        "version": job.version,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "state": job.model_dump(mode="json"),
    }
    insert = database.upsert(jobs).values(row)
    await connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=row))


async def project_user(
    database: Database, connection: AsyncConnection, state: user_rules.UserState, _event: DomainEvent
) -> None:
    """Bring the row of one user up to date."""
    if state.user is None:
        return
    row = state.user.model_dump()
    insert = database.upsert(users).values(row)
    await connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=row))


JOBS: Aggregate[job_rules.JobState, job_rules.JobCommand] = Aggregate(
    name="job",
    initial=job_rules.JobState(),
    decide=job_rules.decide,
    evolve=job_rules.evolve,
    project=project_job,
)
USERS: Aggregate[user_rules.UserState, user_rules.UserCommand] = Aggregate(
    name="user",
    initial=user_rules.UserState(),
    decide=user_rules.decide,
    evolve=user_rules.evolve,
    project=project_user,
)


async def rebuild(database: Database) -> int:
    """Empty the read models and fold every event into them again; returns how many events were read.

    One transaction: readers see the old rows until all new ones are there, commands wait.
    """
    count = 0
    async with database.write() as connection:
        if not database.is_sqlite:
            # A deletion beside it would wait for the old row and then miss the new one.
            await connection.execute(text("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE"))
        await connection.execute(delete(jobs))
        await connection.execute(delete(users))
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
            for row in rows:
                event = stored_event(row)
                if row.aggregate == JOBS.name:
                    await project_job(database, connection, JOBS.evolve(JOBS.initial, event), event)
                else:
                    await project_user(database, connection, USERS.evolve(USERS.initial, event), event)
            count, position = count + len(rows), rows[-1].position


async def count_active_jobs(connection: AsyncConnection) -> int:
    """How many jobs the scheduler has to think of."""
    return await connection.scalar(select(func.count()).select_from(jobs).where(jobs.c.is_active)) or 0
