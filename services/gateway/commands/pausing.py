"""Pausing and resuming. A paused job plans nothing; resuming it may make up for some of what it would have planned."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.commands.backfill import Backfill, make_up
from services.gateway.commands.jobs import to_be_changed, update_job
from services.gateway.domain import job as job_rules
from services.gateway.domain.actor import Actor
from services.gateway.domain.backfill import passed_while_paused
from services.gateway.domain.job import JobCommand, JobNotFound, JobState, UpdateJob
from services.gateway.gateway import Gateway
from services.gateway.queries.instants import paused_stretches
from services.gateway.store.aggregates import JOBS
from services.gateway.store.event_store import Context
from shared.domain.job import Job, MisfirePolicy
from shared.events import JobUpdated

NOTHING = Backfill(id=None, instants=[], execution_ids=[])


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The job, and what of its pause runs after all."""

    job: Job
    made_up: Backfill


async def pause_job(
    gateway: Gateway, job_id: UUID, actor: Actor, *, versions: Collection[int] | None = None
) -> Job:
    """Let a job plan nothing until it is resumed; a paused one stays as it is. Raises as `update_job`."""
    return await update_job(gateway, job_id, {"is_active": False}, actor, versions=versions)


async def resume_job(
    gateway: Gateway,
    job_id: UUID,
    actor: Actor,
    requested_by: UUID,
    missed: MisfirePolicy,
    *,
    versions: Collection[int] | None = None,
) -> Resumed:
    """Let a paused job plan again; what it makes up for is asked for in the same transaction. An active one stays as it is.

    Raises `JobNotFound`, `Forbidden`, `PreconditionFailed`, `JobExpired`, and what `make_up` raises.
    """
    now, request_id = gateway.clock(), uuid4()
    made_up = NOTHING

    async def prepare(connection: AsyncConnection, state: JobState) -> JobCommand:
        nonlocal made_up
        to_be_changed(state, job_id, actor, versions)
        command = UpdateJob(
            job_id=job_id, changes={"is_active": True}, actor=actor, now=now, name_taken=False
        )
        made_up = NOTHING
        for event in job_rules.decide(command, state):
            if isinstance(event, JobUpdated):
                instants = await _passed(connection, job_id, missed, event.job.effective_at)
                made_up = await make_up(
                    gateway, connection, event.job, instants, requested_by, now, request_id
                )
        return command

    context = Context(actor=actor.name, at=now, correlation_id=str(uuid4()))
    state = await gateway.event_store.execute(JOBS, job_id, prepare, context)
    if state.job is None:
        raise JobNotFound(job_id)
    return Resumed(job=state.job, made_up=made_up)


async def _passed(
    connection: AsyncConnection, job_id: UUID, missed: MisfirePolicy, resumed_at: datetime
) -> list[datetime]:
    """The instants of the pause that run after all."""
    if missed is MisfirePolicy.SKIP:
        return []
    return passed_while_paused(await paused_stretches(connection, job_id, resumed_at), missed)
