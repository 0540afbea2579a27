"""What a change of a slug needs beside its own event: nobody else has it, and the jobs follow."""

from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain.slug import SlugField, job_with_slug
from services.gateway.store.aggregates import JOBS
from services.gateway.store.event_store import Change, Context, EventStore
from services.gateway.store.tables import jobs
from shared.domain.job import Job


async def is_slug_taken(connection: AsyncConnection, table: Table, slug: str, by_other_than: UUID) -> bool:
    """Whether another row of the table has the slug."""
    other = select(table.c.id).where(table.c.slug == slug, table.c.id != by_other_than)
    return (await connection.execute(other)).first() is not None


async def hold(connection: AsyncConnection, table: Table, row_id: UUID) -> None:
    """Wait for the transactions that put the row's slug into jobs; later ones wait for this one."""
    await connection.execute(select(table.c.id).where(table.c.id == row_id).with_for_update())


async def move_jobs(
    event_store: EventStore,
    connection: AsyncConnection,
    field: SlugField,
    slugs: tuple[str, str],
    context: Context,
) -> int:
    """Give all jobs with the first slug the second one; returns how many there are.

    Raises SQLAlchemy's IntegrityError when somebody else changed one of them meanwhile.
    """
    before, after = slugs
    # Jobs are written in one order, so that two of these never wait for one another in a circle.
    of_slug = select(jobs.c.state).where(jobs.c[field] == before).order_by(jobs.c.id)
    changes = [
        Change(aggregate=JOBS.name, aggregate_id=moved.job.id, version=moved.job.version, event=moved)
        for state in (await connection.scalars(of_slug)).all()
        for moved in [job_with_slug(Job.model_validate(state), field, after, context.at)]
    ]
    await event_store.append(connection, changes, context)
    return len(changes)
