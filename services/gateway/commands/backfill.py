"""Making up for planned instants: one execution for each, in turn. Rows and sealed orders are written in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import AwareDatetime, TypeAdapter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.commands.idempotency import AlreadyDone, Keyed, Outcome, claim, keep_answer
from services.gateway.commands.runs import outbox_row, present_generation, work_order
from services.gateway.domain.actor import Actor
from services.gateway.domain.backfill import chosen, not_run_between, planned_between
from services.gateway.domain.job import JobNotFound
from services.gateway.gateway import Gateway
from services.gateway.queries.instants import made_up, rows_not_run, schedules_of
from services.gateway.store.execution_rows import queued_columns
from services.gateway.store.tables import executions, jobs, runs
from services.gateway.turns import CALLED_OFF, call_off, next_turn
from shared.domain.execution import WAITING_RANK, Kind, Status
from shared.domain.ids import backfill_execution_id
from shared.domain.job import Job
from shared.errors import NotFound, RuleViolation
from shared.events import RunFacts

MAX_ORDERS_BYTES = 64 * 2**20
"""Of all orders of one backfill together, as they stand in SQL until they are published."""

_BATCH = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # nothing is planned before it
_INSTANTS: TypeAdapter[list[datetime]] = TypeAdapter(list[AwareDatetime])


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which instants: from `begin` until just before `end`, and before now."""

    begin: datetime
    end: datetime
    statuses: frozenset[Status] | None
    """Those whose rows have one of these and that nobody made up for; None: all that the job's schedule plans."""
    limit: int

    @property
    def is_empty(self) -> bool:
        """Whether there is no time in it."""
        return self.begin >= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """What was asked for: instants in their order, and the execution that each got."""

    id: UUID | None
    """None where nothing was asked for yet, or there was nothing to make up for."""
    instants: list[datetime]
    execution_ids: list[UUID]


class BackfillNotFound(NotFound):
    """The job has no such backfill."""

    title = "Backfill not found"

    def __init__(self, request_id: UUID) -> None:
        super().__init__(f"The job has no backfill with ID: {request_id}")


class BackfillTooLarge(RuleViolation):
    """The job's work order, as many times as there are instants, is too much."""

    title = "Backfill too large"


async def preview_backfill(gateway: Gateway, job_id: UUID, actor: Actor, wanted: Wanted) -> Backfill:
    """What `backfill_once` would make up for. Raises `JobNotFound`, `Forbidden` and `TooManyInstants`."""
    async with gateway.database.read() as connection:
        job = await _job(connection, job_id, actor)
        instants = await _instants(connection, job, _past(wanted, gateway.clock()))
    return Backfill(id=None, instants=instants, execution_ids=[])


async def backfill_once(
    gateway: Gateway,
    job_id: UUID,
    actor: Actor,
    requested_by: UUID,
    wanted: Wanted,
    keyed: Keyed | None = None,
) -> Outcome[Backfill]:
    """Make up for instants of a job that is there, active or not, or find what the same request asked for before.

    Raises `JobNotFound`, `Forbidden`, `TooManyInstants`, `BackfillTooLarge`, and what `claim` raises.
    """
    now, request_id = gateway.clock(), uuid4()
    try:
        async with gateway.database.write() as connection:
            if keyed is not None:
                await claim(gateway, connection, keyed, request_id, now)
            await gateway.event_store.take_turn(connection, job_id)
            job = await _job(connection, job_id, actor)
            instants = await _instants(connection, job, _past(wanted, now))
            made = await make_up(gateway, connection, job, instants, requested_by, now, request_id)
            if keyed is not None:
                await keep_answer(connection, keyed, _remembered(made))
    except AlreadyDone as done:
        return Outcome(_recalled(done), is_replayed=True)
    gateway.event_store.wake()
    return Outcome(made)


async def make_up(
    gateway: Gateway,
    connection: AsyncConnection,
    job: Job,
    instants: Sequence[datetime],
    requested_by: UUID,
    now: datetime,
    request_id: UUID,
) -> Backfill:
    """Ask for a run of this version of the job for each instant, behind those that wait; the caller has taken its turn.

    Raises `OrderTooLarge` and `BackfillTooLarge`.
    """
    turn = await next_turn(connection, job.id) if instants else 0
    generation = await present_generation(connection) if instants else 0
    size = 0
    ids: list[UUID] = []
    for begin in range(0, len(instants), _BATCH):
        rows, orders = [], []
        for place, instant in enumerate(instants[begin : begin + _BATCH], begin):
            execution_id = backfill_execution_id(job.id, request_id, instant)
            facts = RunFacts.of(job, execution_id, Kind.BACKFILL, now)
            facts = facts.model_copy(update={"backfills": instant})
            order = work_order(gateway, job, facts, None, generation)
            outgoing = outbox_row(gateway, order, requested_by, now)
            size += len(outgoing["sealed_order"])
            rows.append(_waiting_row(facts, generation))
            orders.append({**outgoing, "request_id": request_id, "turn": turn + place})
            ids.append(execution_id)
        if size > MAX_ORDERS_BYTES:
            raise BackfillTooLarge("The job is too large for so many runs at once; take a shorter range.")
        await connection.execute(executions.insert(), rows)
        await connection.execute(runs.insert(), orders)
    return Backfill(id=request_id if instants else None, instants=list(instants), execution_ids=ids)


async def cancel_backfill(gateway: Gateway, job_id: UUID, request_id: UUID, actor: Actor) -> Sequence[UUID]:
    """Call off what still waits of a backfill; returns those executions.

    Raises `JobNotFound`, `Forbidden` and `BackfillNotFound`.
    """
    async with gateway.database.write() as connection:
        await _job(connection, job_id, actor)
        of_request = select(runs.c.execution_id).where(
            runs.c.request_id == request_id, runs.c.job_id == job_id
        )
        if (await connection.execute(of_request.limit(1))).first() is None:
            raise BackfillNotFound(request_id)
        return await call_off(connection, job_id, CALLED_OFF, gateway.clock(), request_id=request_id)


async def _job(connection: AsyncConnection, job_id: UUID, actor: Actor) -> Job:
    """The job, which the caller may change."""
    state = await connection.scalar(select(jobs.c.state).where(jobs.c.id == job_id))
    if state is None:
        raise JobNotFound(job_id)
    job = Job.model_validate(state)
    actor.must_be_allowed_to_change(job.owner_id)
    return job


async def _instants(connection: AsyncConnection, job: Job, wanted: Wanted) -> list[datetime]:
    begin, end = wanted.begin, wanted.end
    if wanted.is_empty:
        return []
    if wanted.statuses is None:
        return chosen(planned_between(job.schedule, begin, end), (), wanted.limit)
    rows = await rows_not_run(connection, job.id, wanted.statuses, begin, end)
    versions = sorted({row.job_version for row in rows if row.count > 1})
    schedules = await schedules_of(connection, job.id, versions)
    done = await made_up(connection, job.id, begin, end)
    return chosen(not_run_between(rows, schedules, begin, end), done, wanted.limit)


def _past(wanted: Wanted, now: datetime) -> Wanted:
    return replace(wanted, begin=max(wanted.begin, _EPOCH), end=min(wanted.end, now))


def _waiting_row(facts: RunFacts, generation: int) -> dict[str, Any]:
    return {
        **queued_columns(facts, 0, generation),
        "status": Status.WAITING.value,
        "rank": WAITING_RANK,
    }


def _remembered(made: Backfill) -> dict[str, Any]:
    return {
        "id": str(made.id) if made.id is not None else None,
        "instants": [instant.isoformat() for instant in made.instants],
        "execution_ids": [str(one) for one in made.execution_ids],
    }


def _recalled(done: AlreadyDone) -> Backfill:
    answer = done.answer
    return Backfill(
        id=UUID(answer["id"]) if answer["id"] is not None else None,
        instants=_INSTANTS.validate_python(answer["instants"]),
        execution_ids=[UUID(one) for one in answer["execution_ids"]],
    )
