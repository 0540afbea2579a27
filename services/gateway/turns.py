"""Turns: runs of one job that go to the bus one after another, so that only so many of them are unfinished at a time.

A run that has a turn waits. When its turn has come it loses it, and is published like any other run that somebody
asked for; until then it can be called off. Both are transactions, so that no run is called off and published.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Select

from services.gateway.store.database import Database
from services.gateway.store.tables import executions, jobs, runs
from services.gateway.store.tables.executions import IN_TURN
from shared.domain.execution import Phase, Status, rank

JOB_DELETED = "The job was deleted before it ran"
CALLED_OFF = "The backfill was cancelled before it ran"

# SQLite takes at most 32,766 parameters in a statement, and none here needs more.
_BATCH = 5_000

_IN_TURN: ColumnElement[bool] = literal_column(IN_TURN)


async def give_turns(database: Database) -> int:
    """Let every run whose turn has come go to the bus; returns how many."""
    async with database.read() as connection:
        if not (await connection.execute(_due())).first():
            return 0
    given = 0
    async with database.write() as connection:
        # Once more: another gateway may have been here meanwhile.
        due = list((await connection.execute(_due())).scalars())
        for begin in range(0, len(due), _BATCH):
            given += await _give(connection, due[begin : begin + _BATCH])
    return given


async def _give(connection: AsyncConnection, due: Sequence[UUID]) -> int:
    # Some may be called off at this moment.
    still_waiting = update(runs).where(runs.c.execution_id.in_(due), runs.c.turn.is_not(None))
    lost_turn = still_waiting.values(turn=None).returning(runs.c.execution_id)
    given = list((await connection.execute(lost_turn)).scalars())
    queued = {"status": Status.QUEUED.value, "rank": rank(0, 0, Phase.QUEUED)}
    await connection.execute(update(executions).where(executions.c.id.in_(given)).values(queued))
    return len(given)


async def next_turn(connection: AsyncConnection, job_id: UUID) -> int:
    """The turn behind all that wait of the job, whose turn the caller has taken."""
    last: int | None = await connection.scalar(
        select(func.max(runs.c.turn)).where(runs.c.job_id == job_id, _IN_TURN)
    )
    return (last or 0) + 1


async def call_off(
    connection: AsyncConnection, job_id: UUID, reason: str, now: datetime, *, request_id: UUID | None = None
) -> Sequence[UUID]:
    """Cancel what waits of a job, or of one of its backfills, and erase its orders; returns the executions.

    For all of a job the caller has taken the job's turn, as whoever asks for more of them does.
    """
    waiting: list[ColumnElement[bool]] = [runs.c.job_id == job_id, _IN_TURN, runs.c.turn.is_not(None)]
    if request_id is not None:
        waiting.append(runs.c.request_id == request_id)
    erased = {"turn": None, "sealed_order": None, "published_seq": 0}
    gone = update(runs).where(*waiting).values(erased).returning(runs.c.execution_id)
    called_off = list((await connection.execute(gone)).scalars())
    cancelled = {
        "status": Status.CANCELLED.value,
        "rank": rank(0, 0, Phase.CANCELLED),
        "is_open": False,
        "completed_at": now,
        "reason": reason,
    }
    for begin in range(0, len(called_off), _BATCH):
        batch = called_off[begin : begin + _BATCH]
        await connection.execute(update(executions).where(executions.c.id.in_(batch)).values(cancelled))
    return called_off


def _due() -> Select[Any]:
    """The executions whose turn has come: of each job as many as may be unfinished, less those that are."""
    # A job that was written before there was such a limit has one run at a time.
    at_once = func.coalesce(jobs.c.state["max_instances"].as_integer(), 1)
    # Counted in the index alone; only where there is room the runs themselves are looked at.
    counts = (
        select(
            runs.c.job_id,
            func.count(runs.c.turn).label("waiting"),
            (func.count() - func.count(runs.c.turn)).label("begun"),
        )
        .where(_IN_TURN)
        .group_by(runs.c.job_id)
        .subquery()
    )
    with_room = (
        select(jobs.c.id)
        .join(counts, counts.c.job_id == jobs.c.id)
        .where(counts.c.waiting > 0, counts.c.begun < at_once)
    )
    unfinished = (
        select(
            runs.c.execution_id,
            runs.c.job_id,
            runs.c.turn,
            # Those that had their turn stand before those that wait for it.
            func.row_number()
            .over(partition_by=runs.c.job_id, order_by=(runs.c.turn.is_not(None), runs.c.turn))
            .label("place"),
        )
        .where(_IN_TURN, runs.c.job_id.in_(with_room))
        .subquery()
    )
    return (
        select(unfinished.c.execution_id)
        .join(jobs, jobs.c.id == unfinished.c.job_id)
        .where(unfinished.c.turn.is_not(None), unfinished.c.place <= at_once)
        .order_by(unfinished.c.execution_id)
    )
