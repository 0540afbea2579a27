"""Running a job because somebody asked for it: its row and its sealed work order are written in one transaction."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.commands.jobs import update_job
from services.gateway.domain.actor import SYSTEM, Actor
from services.gateway.domain.job import InvalidJob, JobNotFound, has_ended
from services.gateway.gateway import Gateway
from services.gateway.relay import seal_order
from services.gateway.store.execution_rows import queued_columns
from services.gateway.store.tables import bus_state, executions, jobs, runs
from shared.domain.execution import Kind
from shared.domain.ids import manual_execution_id
from shared.domain.job import Job
from shared.events import RunFacts, RunTriggered


class JobHasEnded(InvalidJob):
    """The job's last day is over."""

    title = "Job has ended"

    def __init__(self) -> None:
        super().__init__("The job's end_date has passed; give it a later one to run it.")


async def run_now(
    gateway: Gateway, job_id: UUID, actor: Actor, requested_by: UUID, command_id: UUID
) -> dict[str, Any]:
    """Ask for a run of the job as it is now, paused or not; returns the row of the execution.

    Raises `JobNotFound`, `Forbidden`, and `JobHasEnded`, after which the job is paused.
    """
    now = gateway.clock()
    async with gateway.database.write() as connection:
        job = await _load(connection, job_id)
        actor.must_be_allowed_to_change(job.owner_id)
        if not has_ended(job, now):
            order = _work_order(job, command_id, await _generation(connection), now)
            row = queued_columns(order.facts, order.redrive, order.generation)
            await connection.execute(executions.insert().values(row))
            await connection.execute(
                runs.insert().values(
                    execution_id=order.facts.execution_id,
                    job_id=job_id,
                    sealed_order=seal_order(gateway.box, order),
                    requested_by=requested_by,
                    requested_at=now,
                )
            )
    if has_ended(job, now):
        await update_job(gateway, job_id, {"is_active": False}, SYSTEM)
        raise JobHasEnded
    gateway.event_store.wake()
    return row


async def _load(connection: AsyncConnection, job_id: UUID) -> Job:
    state = await connection.scalar(select(jobs.c.state).where(jobs.c.id == job_id))
    if state is None:
        raise JobNotFound(job_id)
    return Job.model_validate(state)


async def _generation(connection: AsyncConnection) -> int:
    """The store's generation; before the first one the relay fills in its own when it publishes."""
    return await connection.scalar(select(bus_state.c.generation)) or 0


def _work_order(job: Job, command_id: UUID, generation: int, now: datetime) -> RunTriggered:
    facts = RunFacts.of(job, manual_execution_id(job.id, command_id), Kind.MANUAL, now)
    return RunTriggered.of(job, facts, generation)
