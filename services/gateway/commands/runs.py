"""Running a job because somebody asked for it: its row and its sealed work order are written in one transaction."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.commands.idempotency import AlreadyDone, Keyed, Outcome, claim
from services.gateway.commands.jobs import update_job
from services.gateway.domain.actor import SYSTEM, Actor
from services.gateway.domain.job import JobExpired, JobNotFound, has_ended
from services.gateway.domain.run import MAX_ORDER_BYTES, OrderTooLarge, run_overrides
from services.gateway.gateway import Gateway
from services.gateway.queries.executions import ExecutionNotFound
from services.gateway.relay import seal_order
from services.gateway.store.execution_rows import queued_columns
from services.gateway.store.tables import bus_state, executions, jobs, runs
from shared.domain.execution import Kind
from shared.domain.ids import manual_execution_id
from shared.domain.job import Job
from shared.errors import PreconditionFailed
from shared.events import RunFacts, RunTriggered
from shared.overrides import RunOverrides, seal_overrides

NOTHING: Mapping[str, Any] = {}


async def run_now(
    gateway: Gateway,
    job_id: UUID,
    actor: Actor,
    requested_by: UUID,
    command_id: UUID,
    *,
    overrides: Mapping[str, Any] = NOTHING,
    keyed: Keyed | None = None,
) -> dict[str, Any]:
    """Ask for a run of the job as it is now, paused or not; returns the row of the execution.

    `overrides` are fields of `RunOverrides` that stand for this run only. Raises `JobNotFound`, `Forbidden`,
    `JobExpired` (after which the job is paused), what `run_overrides` and `claim` raise, and `OrderTooLarge`.
    """
    now = gateway.clock()
    execution_id = manual_execution_id(job_id, command_id)
    try:
        async with gateway.database.write() as connection:
            if keyed is not None:
                await claim(gateway, connection, keyed, execution_id, now)
            job = await load_job(connection, job_id)
            actor.must_be_allowed_to_change(job.owner_id)
            _must_not_have_ended(job, now)
            own = run_overrides(job.target, overrides, gateway.settings.target_rules)
            facts = RunFacts.of(job, execution_id, Kind.MANUAL, now)
            order = work_order(gateway, job, facts, own, await present_generation(connection))
            row = queued_columns(order.facts, order.redrive, order.generation)
            await connection.execute(executions.insert().values(row))
            await connection.execute(runs.insert().values(outbox_row(gateway, order, requested_by, now)))
    except JobExpired:
        with suppress(PreconditionFailed, JobNotFound):  # somebody changed it meanwhile
            paused = {"is_active": False}
            await update_job(gateway, job_id, paused, SYSTEM, versions={job.version}, reason="ended")
        raise
    gateway.event_store.wake()
    return row


async def run_once(
    gateway: Gateway,
    job_id: UUID,
    actor: Actor,
    requested_by: UUID,
    command_id: UUID,
    *,
    overrides: Mapping[str, Any] = NOTHING,
    keyed: Keyed | None = None,
) -> Outcome[dict[str, Any]]:
    """Ask for a run, or find the one that the same request asked for before: its row as it is now. Raises as `run_now`."""
    try:
        row = await run_now(
            gateway, job_id, actor, requested_by, command_id, overrides=overrides, keyed=keyed
        )
    except AlreadyDone as done:
        return Outcome(await _execution(gateway, done.resource_id), is_replayed=True)
    return Outcome(row)


async def _execution(gateway: Gateway, execution_id: UUID) -> dict[str, Any]:
    async with gateway.database.read() as connection:
        found = await connection.execute(select(executions).where(executions.c.id == execution_id))
    row = found.first()
    if row is None:
        raise ExecutionNotFound(execution_id)
    return row._asdict()


async def load_job(connection: AsyncConnection, job_id: UUID) -> Job:
    """The job as it is; raises `JobNotFound`."""
    state = await connection.scalar(select(jobs.c.state).where(jobs.c.id == job_id))
    if state is None:
        raise JobNotFound(job_id)
    return Job.model_validate(state)


def _must_not_have_ended(job: Job, now: datetime) -> None:
    if has_ended(job, now):
        raise JobExpired("The job's end_date has passed; give it a later one to run it.")


async def present_generation(connection: AsyncConnection) -> int:
    """The store's generation; before the first one the relay fills in its own when it publishes."""
    return await connection.scalar(select(bus_state.c.generation)) or 0


def work_order(
    gateway: Gateway, job: Job, facts: RunFacts, own: RunOverrides | None, generation: int
) -> RunTriggered:
    """The order to run the job with what the run has of its own; raises `OrderTooLarge`."""
    order = RunTriggered.of(job, facts, generation)
    if own is not None:
        sealed = seal_overrides(gateway.box, facts.execution_id, own)
        order = order.model_copy(update={"sealed_overrides": sealed})
    if len(orjson.dumps(order.body())) > MAX_ORDER_BYTES:
        raise OrderTooLarge
    return order


def outbox_row(gateway: Gateway, order: RunTriggered, requested_by: UUID, now: datetime) -> dict[str, Any]:
    """The order as it waits to be published."""
    return {
        "execution_id": order.facts.execution_id,
        "job_id": order.facts.job_id,
        "sealed_order": seal_order(gateway.box, order),
        "requested_by": requested_by,
        "requested_at": now,
    }
