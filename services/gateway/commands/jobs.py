"""Commands on jobs: create, change, delete. The rules are in `domain.job`; here are the facts that they need."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain.actor import Actor
from services.gateway.domain.job import CreateJob, DeleteJob, JobCommand, JobNotFound, JobState, UpdateJob
from services.gateway.domain.target import TargetRules, make_target, target_fields
from services.gateway.gateway import Gateway
from services.gateway.store.aggregates import JOBS
from services.gateway.store.event_store import Context
from services.gateway.store.tables import jobs
from shared.domain.job import DEFAULT_ACCOUNT_ID, Job

Prepare: TypeAlias = Callable[[AsyncConnection, JobState], Awaitable[JobCommand]]


async def create_job(gateway: Gateway, fields: Mapping[str, Any], owner_id: UUID, actor: Actor) -> Job:
    """Create a job from the fields of `Job` that are given; the time zone defaults to the installation's.

    Raises the rules' violations: `InvalidJob`, `InvalidSchedule`, `DuplicateJobName`.
    """
    now = gateway.clock()
    job = Job.model_validate(
        {
            **fields,
            "target": make_target(fields.get("target", {}), gateway.settings.target_rules),
            "schedule": {"timezone": gateway.settings.scheduler_timezone, **fields["schedule"]},
            "id": uuid4(),
            "owner_id": owner_id,
            "version": 1,
            "created_at": now,
            "updated_at": now,
            "effective_at": now,
        }
    )

    async def prepare(connection: AsyncConnection, _state: JobState) -> JobCommand:
        name_taken = await _is_name_taken(connection, job.name, job.id)
        return CreateJob(job=job, actor=actor, now=now, name_taken=name_taken)

    return _existing(await _execute(gateway, job.id, prepare, actor, now), job.id)


async def update_job(gateway: Gateway, job_id: UUID, fields: Mapping[str, Any], actor: Actor) -> Job:
    """Change the given fields of `Job`; a field that has fields of its own takes those that change.

    Raises `JobNotFound`, `Forbidden` and the rules' violations.
    """
    now = gateway.clock()

    async def prepare(connection: AsyncConnection, state: JobState) -> JobCommand:
        name_taken = "name" in fields and await _is_name_taken(connection, fields["name"], job_id)
        changes = _merged(state.job, fields, gateway.settings.target_rules) if state.job is not None else {}
        return UpdateJob(job_id=job_id, changes=changes, actor=actor, now=now, name_taken=name_taken)

    return _existing(await _execute(gateway, job_id, prepare, actor, now), job_id)


async def delete_job(gateway: Gateway, job_id: UUID, actor: Actor) -> str:
    """Delete a job and return the name that it had; raises `JobNotFound` and `Forbidden`."""
    now = gateway.clock()
    name = ""

    async def prepare(_connection: AsyncConnection, state: JobState) -> JobCommand:
        nonlocal name
        name = state.job.name if state.job is not None else ""
        return DeleteJob(job_id=job_id, actor=actor, now=now)

    await _execute(gateway, job_id, prepare, actor, now)
    return name


async def _execute(gateway: Gateway, job_id: UUID, prepare: Prepare, actor: Actor, now: datetime) -> JobState:
    context = Context(actor=actor.name, at=now, correlation_id=str(uuid4()))
    return await gateway.event_store.execute(JOBS, job_id, prepare, context)


def _merged(job: Job, fields: Mapping[str, Any], rules: TargetRules) -> dict[str, Any]:
    """The new values of the fields that are given; what has fields of its own takes those that change."""
    changes: dict[str, Any] = {}
    for name, given in fields.items():
        before = getattr(job, name)
        if name == "target":
            changes[name] = make_target({**target_fields(before), **given}, rules)
        elif isinstance(before, BaseModel):
            changes[name] = before.model_copy(update=given)
        else:
            changes[name] = given
    return changes


async def _is_name_taken(connection: AsyncConnection, name: str, job_id: UUID) -> bool:
    other = select(jobs.c.id).where(
        jobs.c.account_id == DEFAULT_ACCOUNT_ID, jobs.c.name == name, jobs.c.id != job_id
    )
    return (await connection.execute(other.limit(1))).first() is not None


def _existing(state: JobState, job_id: UUID) -> Job:
    if state.job is None:
        raise JobNotFound(job_id)
    return state.job
