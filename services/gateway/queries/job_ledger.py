"""The account of one job: each planned instant and what became of it, and beyond the last decision what is planned."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain.job import JobNotFound
from services.gateway.queries.execution_pages import InvalidCursor
from services.gateway.queries.instants import ranges_within
from services.gateway.queries.period import InvalidDateRange, Period
from services.gateway.store.aggregates import JOBS
from services.gateway.store.database import Database
from services.gateway.store.event_store import load
from services.gateway.store.tables import bus_state, executions
from shared.domain.execution import OPEN_STATUSES, Outcome, Status, outcome_of
from shared.domain.job import Job
from shared.domain.schedule import latest_fires
from shared.errors import RuleViolation

DEFAULT_LENGTH = timedelta(days=30)
"""Of the period, where its beginning is not given."""
HORIZON = timedelta(days=366)
"""How far ahead what is planned is told."""
UNACCOUNTED_AFTER = timedelta(minutes=1)
"""So long after an instant its decision has long been recorded, if anybody decides."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_END = _EPOCH + DEFAULT_LENGTH
_INSTANT = timedelta(microseconds=1)
_CURSOR_BYTES = 8
_MAKES_UP = OPEN_STATUSES | {Status.SUCCESS}


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUpBy:
    """A backfill of an instant."""

    execution_id: UUID
    state: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """A planned instant, or a range of them that share what became of them."""

    planned_at: datetime
    not_before: datetime | None
    job_version: int
    row: Row[Any] | None
    """Of the executions; None while nothing is decided."""
    made_up_by: MadeUpBy | None = None
    """Of one instant: its newest backfill, one that has not failed before any that has."""
    made_up_count: int = 0
    """For how many of its instants there is a backfill that has not failed."""
    is_unaccounted: bool = False
    """Its time is long past, and nobody has said what becomes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLedger:
    """A page, newest first, and what became of all instants of the period together."""

    job_name: str
    period: Period
    totals: dict[Outcome, int]
    entries: list[LedgerEntry]
    next_cursor: str | None


def ledger_period(asked: Period, now: datetime) -> Period:
    """The period with both its ends: up to now, and `DEFAULT_LENGTH` long, where they are not given.

    Raises `InvalidDateRange`, and `RuleViolation` where it reaches beyond `HORIZON`.
    """
    end = asked.end or now
    if end > now + HORIZON:
        raise RuleViolation(f'"to" must be at most {HORIZON.days} days ahead.', title=InvalidDateRange.title)
    start = max(asked.start, _EPOCH) if asked.start is not None else max(end, _FIRST_END) - DEFAULT_LENGTH
    if start >= end:
        raise InvalidDateRange
    return Period(start, end)


async def job_ledger(
    database: Database, job_id: UUID, period: Period, limit: int, cursor: str | None, now: datetime
) -> JobLedger:
    """A page of the account of a job that is there or was deleted; `period` has both ends.

    Raises `JobNotFound` and `InvalidCursor`.
    """
    begin, end = _ends(period)
    before = min(_instant_of(cursor), end) if cursor else end
    async with database.read() as connection:
        state, version = await load(connection, JOBS, job_id)
        job = state.job or state.deleted
        if version == 0 or job is None:
            raise JobNotFound(job_id)
        rows = await _rows(connection, job_id, begin, before, limit + 1)
        planned = []
        if state.job is not None and state.job.is_active:
            planned = await _undecided(connection, state.job, begin, before, limit + 1, now)
        entries = _merged(job, planned, rows, now)
        shown = entries[:limit]
        backfills = await _backfills(connection, job_id, shown)
        totals = await _totals(connection, job_id, begin, end)
    return JobLedger(
        job_name=job.name,
        period=period,
        totals=totals,
        entries=[_with_backfills(entry, backfills) for entry in shown],
        next_cursor=_cursor(shown[-1].planned_at) if len(entries) > limit else None,
    )


async def _rows(
    connection: AsyncConnection, job_id: UUID, begin: datetime, before: datetime, count: int
) -> list[Row[Any]]:
    """The newest rows before an instant: those that begin in the period, then those that reach into it."""
    newest = select(executions).order_by(executions.c.planned_at.desc()).limit(count)
    rows = (await connection.execute(newest.where(*_beginning(job_id, begin, before)))).all()
    if len(rows) == count:
        return list(rows)
    # Few, and found by where they end: an order would lead SQLite through all that the job ever had.
    reaching = select(executions).where(*_reaching(job_id, begin, min(begin, before)))
    ranges = sorted((await connection.execute(reaching)).all(), key=_begin, reverse=True)
    return [*rows, *ranges][:count]


def _begin(row: Row[Any]) -> datetime:
    begin: datetime = row.planned_at
    return begin


async def _undecided(
    connection: AsyncConnection, job: Job, begin: datetime, before: datetime, count: int, now: datetime
) -> list[datetime]:
    """The latest instants before one that the job plans and nobody is known to have decided on."""
    ledgered: datetime | None = await connection.scalar(select(bus_state.c.ledgered_until))
    after = max(ledgered or now, job.effective_at - _INSTANT, begin - _INSTANT)
    until = before - _INSTANT
    return latest_fires(job.schedule, after, until, count) if after < until else []


def _merged(
    job: Job, planned: Sequence[datetime], rows: Sequence[Row[Any]], now: datetime
) -> list[LedgerEntry]:
    """Both in one list, newest first; what has a row by now is no longer planned."""
    decided = {row.planned_at for row in rows}
    ranges = [(row.planned_at, row.planned_to) for row in rows if row.planned_count > 1]
    entries = [
        LedgerEntry(
            planned_at=instant,
            not_before=instant + job.slot if job.slot else None,
            job_version=job.version,
            row=None,
            is_unaccounted=instant < now - UNACCOUNTED_AFTER,
        )
        for instant in planned
        if instant not in decided and not any(first <= instant <= last for first, last in ranges)
    ]
    entries += [
        LedgerEntry(
            planned_at=row.planned_at, not_before=row.not_before, job_version=row.job_version, row=row
        )
        for row in rows
    ]
    return sorted(entries, key=lambda entry: entry.planned_at, reverse=True)


async def _backfills(
    connection: AsyncConnection, job_id: UUID, entries: Sequence[LedgerEntry]
) -> dict[datetime, list[MadeUpBy]]:
    """The backfills of all instants that the entries stand for, by instant; of each the oldest first."""
    rows = [entry.row for entry in entries if entry.row is not None]
    if not rows:
        return {}
    found = (
        select(executions.c.id, executions.c.backfills, executions.c.status)
        .where(
            executions.c.job_id == job_id,
            executions.c.backfills >= min(row.planned_at for row in rows),
            executions.c.backfills <= max(row.planned_to or row.planned_at for row in rows),
        )
        .order_by(executions.c.queued_at, executions.c.id)
    )
    by_instant: dict[datetime, list[MadeUpBy]] = {}
    for row in await connection.execute(found):
        by_one = MadeUpBy(execution_id=row.id, state=Status(row.status))
        by_instant.setdefault(row.backfills, []).append(by_one)
    return by_instant


def _with_backfills(entry: LedgerEntry, backfills: dict[datetime, list[MadeUpBy]]) -> LedgerEntry:
    row = entry.row
    if row is None:
        return entry
    if row.planned_count > 1:
        own = [made for instant, made in backfills.items() if row.planned_at <= instant <= row.planned_to]
        return replace(entry, made_up_count=sum(any(map(_makes_up, made)) for made in own))
    made = backfills.get(row.planned_at, [])
    good = [one for one in made if _makes_up(one)]
    newest = (good or made)[-1:]
    return replace(entry, made_up_by=newest[0] if newest else None, made_up_count=1 if good else 0)


def _makes_up(made: MadeUpBy) -> bool:
    return made.state in _MAKES_UP


async def _totals(
    connection: AsyncConnection, job_id: UUID, begin: datetime, end: datetime
) -> dict[Outcome, int]:
    """How many instants each outcome has; a range that reaches into the period counts as a whole."""
    columns = (executions.c.status, executions.c.planned_count)
    rows = union_all(
        select(*columns).where(*_beginning(job_id, begin, end)),
        select(*columns).where(*_reaching(job_id, begin, begin)),
    ).subquery()
    by_status = select(rows.c.status, func.sum(rows.c.planned_count).label("number")).group_by(rows.c.status)
    totals = dict.fromkeys(Outcome, 0)
    for row in await connection.execute(by_status):
        totals[outcome_of(Status(row.status))] += int(row.number)
    return totals


def _beginning(job_id: UUID, begin: datetime, end: datetime) -> list[ColumnElement[bool]]:
    return [executions.c.job_id == job_id, executions.c.planned_at >= begin, executions.c.planned_at < end]


def _reaching(job_id: UUID, begin: datetime, before: datetime) -> list[ColumnElement[bool]]:
    """Ranges that begin before `before` and do not end before `begin`."""
    return [executions.c.job_id == job_id, *ranges_within(begin, before)]


def _ends(period: Period) -> tuple[datetime, datetime]:
    if period.start is None or period.end is None:
        raise ValueError("the period of a ledger has two ends")
    return period.start, period.end


def _cursor(instant: datetime) -> str:
    micros = (instant - _EPOCH) // _INSTANT
    return base64.urlsafe_b64encode(micros.to_bytes(_CURSOR_BYTES, "big", signed=True)).decode()


def _instant_of(cursor: str) -> datetime:
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        if len(raw) != _CURSOR_BYTES:
            raise InvalidCursor
        return _EPOCH + int.from_bytes(raw, "big", signed=True) * _INSTANT
    except (binascii.Error, ValueError, OverflowError) as error:
        raise InvalidCursor from error
