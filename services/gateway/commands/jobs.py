"""Commands on jobs: create, change, delete, restore. The rules are in `domain.job`; here are the facts that they need."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.commands.following import calendar_names, follow
from services.gateway.commands.idempotency import AlreadyDone, Keyed, Outcome, claim
from services.gateway.domain.actor import Actor
from services.gateway.domain.job import (
    CreateJob,
    DeleteJob,
    JobCommand,
    JobNotFound,
    JobState,
    RestoreJob,
    UpdateJob,
)
from services.gateway.domain.schedule_input import changed_schedule, new_schedule
from services.gateway.domain.target import TargetRules, make_target, target_fields
from services.gateway.gateway import Gateway
from services.gateway.queries.calendars import present_calendars
from services.gateway.queries.history import job_as_created
from services.gateway.queries.taxonomy import present_slugs, resolve_category, resolve_team
from services.gateway.store.aggregates import JOBS
from services.gateway.store.event_store import Context
from services.gateway.store.tables import jobs
from services.gateway.turns import JOB_DELETED, call_off
from shared.domain.job import DEFAULT_ACCOUNT_ID, Job
from shared.errors import PreconditionFailed
from shared.events import ChangeReason

Prepare: TypeAlias = Callable[[AsyncConnection, JobState], Awaitable[JobCommand]]


async def create_job(
    gateway: Gateway, fields: Mapping[str, Any], owner_id: UUID, actor: Actor, keyed: Keyed | None = None
) -> Job:
    """Create a job from the fields of `Job` that are given; the time zone defaults to the installation's.

    Raises the rules' violations (`InvalidJob`, `InvalidSchedule`, `DuplicateJobName`), and what `claim` raises.
    """
    now = gateway.clock()
    names, fields = calendar_names(fields)
    job = new_job(gateway, fields, owner_id, now)

    async def prepare(connection: AsyncConnection, _state: JobState) -> JobCommand:
        if keyed is not None:
            await claim(gateway, connection, keyed, job.id, now)
        named = {"category": job.category, "pic_team": job.pic_team}
        slugs = await _resolved(connection, named, None)
        schedule = await follow(connection, job.schedule, names)
        resolved = job.model_copy(update={**slugs, "schedule": schedule})
        name_taken = await _is_name_taken(connection, job.name, job.id)
        return CreateJob(job=resolved, actor=actor, now=now, name_taken=name_taken)

    return _existing(await _execute(gateway, job.id, prepare, actor, now), job.id)


async def create_job_once(
    gateway: Gateway, fields: Mapping[str, Any], owner_id: UUID, actor: Actor, keyed: Keyed | None
) -> Outcome[Job]:
    """Create a job, or find what the same request created before: the job as it was then. Raises as `create_job`."""
    try:
        return Outcome(await create_job(gateway, fields, owner_id, actor, keyed))
    except AlreadyDone as done:
        return Outcome(await job_as_created(gateway.database, done.resource_id), is_replayed=True)


def new_job(gateway: Gateway, fields: Mapping[str, Any], owner_id: UUID, now: datetime) -> Job:
    """The job that the given fields mean, before its category, team and calendars are looked up.

    Raises `InvalidJob` and `InvalidSchedule`.
    """
    return Job.model_validate(
        {
            **fields,
            "target": make_target(fields.get("target", {}), gateway.settings.target_rules),
            "schedule": new_schedule(fields["schedule"], gateway.settings.scheduler_timezone, now),
            "id": uuid4(),
            "owner_id": owner_id,
            "version": 1,
            "created_at": now,
            "updated_at": now,
            "effective_at": now,
        }
    )


async def update_job(
    gateway: Gateway,
    job_id: UUID,
    fields: Mapping[str, Any],
    actor: Actor,
    *,
    versions: Collection[int] | None = None,
    reason: ChangeReason | None = None,
    must_end: bool = False,
) -> Job:
    """Change the given fields of `Job`; a field that has fields of its own takes those that change.

    `versions` are those that the caller means to change; None means any. With `must_end` it may not become one that runs
    for ever. Raises `JobNotFound`, `Forbidden`, `PreconditionFailed` and the rules' violations.
    """
    now = gateway.clock()
    names, fields = calendar_names(fields)

    async def prepare(connection: AsyncConnection, state: JobState) -> JobCommand:
        before = to_be_changed(state, job_id, actor, versions)
        changes = _merged(before, fields, gateway.settings.target_rules, now)
        changes |= await _resolved(connection, changes, before)
        schedule = await follow(connection, changes.get("schedule", before.schedule), names)
        return UpdateJob(
            job_id=job_id,
            changes={**changes, "schedule": schedule},
            actor=actor,
            now=now,
            name_taken="name" in fields and await _is_name_taken(connection, fields["name"], job_id),
            reason=reason,
            must_end=must_end,
        )

    return _existing(await _execute(gateway, job_id, prepare, actor, now), job_id)


async def delete_job(
    gateway: Gateway, job_id: UUID, actor: Actor, *, versions: Collection[int] | None = None
) -> str:
    """Delete a job and return the name that it had; raises `JobNotFound`, `Forbidden` and `PreconditionFailed`."""
    now = gateway.clock()
    name = ""

    async def prepare(connection: AsyncConnection, state: JobState) -> JobCommand:
        nonlocal name
        name = to_be_changed(state, job_id, actor, versions).name
        await call_off(connection, job_id, JOB_DELETED, now)
        return DeleteJob(job_id=job_id, actor=actor, now=now)

    await _execute(gateway, job_id, prepare, actor, now)
    return name


async def restore_job(gateway: Gateway, job_id: UUID, actor: Actor) -> Job:
    """Bring a deleted job back, paused if its last day is over.

    Raises `JobNotFound`, `Forbidden`, `NotDeleted` and the rules' violations.
    """
    now = gateway.clock()

    async def prepare(connection: AsyncConnection, state: JobState) -> JobCommand:
        gone = state.deleted
        return RestoreJob(
            job_id=job_id,
            actor=actor,
            now=now,
            name_taken=gone is not None and await _is_name_taken(connection, gone.name, job_id),
            slugs=await present_slugs(connection, gone, state.version) if gone is not None else {},
            calendars=await present_calendars(connection, _followed(gone)) if gone is not None else (),
        )

    return _existing(await _execute(gateway, job_id, prepare, actor, now), job_id)


async def _execute(gateway: Gateway, job_id: UUID, prepare: Prepare, actor: Actor, now: datetime) -> JobState:
    context = Context(actor=actor.name, at=now, correlation_id=str(uuid4()))
    return await gateway.event_store.execute(JOBS, job_id, prepare, context)


def to_be_changed(state: JobState, job_id: UUID, actor: Actor, versions: Collection[int] | None) -> Job:
    """The job, if it is there, the caller may change it, and it is what they take it for."""
    job = _existing(state, job_id)
    actor.must_be_allowed_to_change(job.owner_id)
    if versions is not None and state.version not in versions:
        raise PreconditionFailed(f"The job's present version is {state.version}; read it again.")
    return job


def _merged(job: Job, fields: Mapping[str, Any], rules: TargetRules, now: datetime) -> dict[str, Any]:
    """The new values of the fields that are given; what has fields of its own takes those that change."""
    changes: dict[str, Any] = {}
    for name, given in fields.items():
        before = getattr(job, name)
        if name == "target":
            changes[name] = make_target({**target_fields(before), **given}, rules)
        elif name == "schedule":
            changes[name] = changed_schedule(job.schedule, given, now)
        elif isinstance(before, BaseModel):
            changes[name] = before.model_copy(update=given)
        else:
            changes[name] = given
    return changes


async def _resolved(
    connection: AsyncConnection, given: Mapping[str, Any], before: Job | None
) -> dict[str, str]:
    """The slugs of the given category and team. What a job has already may stay, even if it was disabled meanwhile."""
    slugs = {}
    for field, resolve in (("category", resolve_category), ("pic_team", resolve_team)):
        text = given.get(field)
        if text is not None and (before is None or text != getattr(before, field)):
            slugs[field] = await resolve(connection, text)
    return slugs


def _followed(job: Job) -> list[UUID]:
    return [use.calendar_id for use in job.schedule.calendars]


async def _is_name_taken(connection: AsyncConnection, name: str, job_id: UUID) -> bool:
    other = select(jobs.c.id).where(
        jobs.c.account_id == DEFAULT_ACCOUNT_ID, jobs.c.name == name, jobs.c.id != job_id
    )
    return (await connection.execute(other.limit(1))).first() is not None


def _existing(state: JobState, job_id: UUID) -> Job:
    if state.job is None:
        raise JobNotFound(job_id)
    return state.job
