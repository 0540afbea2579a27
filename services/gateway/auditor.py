"""The auditor: is every planned instant in a row? What is not gets one, as missed, and administrators are told.

A round looks at the time between the last one and a minute before the newest checkpoint, job by job, and only once the
checkpoint covers every change of a job made in that time. It takes a small share of a core, however many jobs there are.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.alerts import record
from services.gateway.audit_reading import (
    UNREADABLE,
    Audited,
    Window,
    is_covered,
    pages_of_jobs,
    read_jobs,
    single_instants,
)
from services.gateway.domain.audit import Findings, Planned, agrees, compare
from services.gateway.metrics import Metrics
from services.gateway.store.database import Database
from services.gateway.store.event_store import EventStore, stored_event
from services.gateway.store.tables import bus_state, events, executions
from shared.clock import Clock
from shared.domain.execution import Kind, Phase, Status, rank
from shared.domain.ids import planned_execution_id
from shared.domain.job import Job
from shared.errors import Transient
from shared.events import InstantsUnaccounted, JobEvent

REASON = "Unaccounted for: no decision was found"
BETWEEN_ROUNDS = 60.0  # seconds
MARGIN = timedelta(minutes=1)
"""So far behind the newest checkpoint a round ends: what is on its way has arrived by then."""
LONGEST = timedelta(hours=1)
"""Of a long time without rounds one looks at this much, so that it stays small."""
SHARE = 0.03
"""Of a core."""
TURN = 0.005  # seconds of work after which others get theirs
PAGE_PAUSE = 0.05  # seconds
MAX_ROWS = 100
"""A longer stretch of unaccounted instants becomes one row."""

logger = structlog.get_logger()


class Auditor:
    """Looks at all jobs, round by round; one gateway does."""

    def __init__(self, database: Database, event_store: EventStore, metrics: Metrics, clock: Clock) -> None:
        self._database = database
        self._event_store = event_store
        self._metrics = metrics
        self._clock = clock
        self._worked = 0.0

    async def run(self) -> None:
        """A round each minute, for ever."""
        while True:
            try:
                await self.audit()
            except (Transient, IntegrityError) as error:
                logger.warning("the audit waits", action="audit", error=repr(error))
            await asyncio.sleep(BETWEEN_ROUNDS)

    async def audit(self) -> int:
        """One round, if it is time for one; returns how many instants were unaccounted for."""
        window = await self._next_window()
        if window is None:
            return 0
        found = 0
        async for ids in pages_of_jobs(self._database, window):
            found += await self._audit_page(ids, window)
            await asyncio.sleep(PAGE_PAUSE)
        async with self._database.write() as connection:
            await connection.execute(
                update(bus_state)
                .where(bus_state.c.audited_until == window.after)
                .values(audited_until=window.until)
            )
        return found

    async def _next_window(self) -> Window | None:
        async with self._database.read() as connection:
            state = (await connection.execute(select(bus_state))).first()
            if state is None or not state.is_seeded:
                return None
            if state.audited_until is not None:
                until = min(state.ledgered_until - MARGIN, state.audited_until + LONGEST)
                window = Window(state.audited_until, until, state.generation)
                is_due = until > state.audited_until
                covered = is_due and await is_covered(connection, window, state.ledgered_events_seq)
                return window if covered else None
        async with self._database.write() as connection:
            # Nobody can say any more what was planned before there was an auditor, and what became of it.
            await connection.execute(
                update(bus_state)
                .where(bus_state.c.audited_until.is_(None))
                .values(audited_until=bus_state.c.ledgered_until)
            )
        return None

    async def _audit_page(self, ids: Sequence[UUID], window: Window) -> int:
        async with self._database.read() as connection:
            audited = await read_jobs(connection, ids, window)
        found = 0
        for job_id, one in audited.items():
            began = time.perf_counter()
            try:
                is_right = agrees(one.versions, one.single, one.ranges, window.after, window.until)
            except UNREADABLE as error:
                # Whoever decides cannot read it either.
                logger.error("a schedule cannot be read", action="audit", job=str(job_id), error=repr(error))
                is_right = True
            await self._give_way(time.perf_counter() - began)
            if not is_right:
                found += await self._look_closer(job_id, one, window)
        return found

    async def _give_way(self, worked: float) -> None:
        self._worked += worked
        if self._worked >= TURN:
            pause, self._worked = self._worked / SHARE, 0.0
            await asyncio.sleep(pause)

    async def _look_closer(self, job_id: UUID, one: Audited, window: Window) -> int:
        async with self._database.read() as connection:
            single = await single_instants(connection, job_id, window)
        findings = compare(one.versions, single, one.ranges, window.after, window.until)
        if findings.extra:
            self._metrics.extra.inc(findings.extra)
            logger.info(
                "rows of instants that are not planned any more",
                action="audit",
                job=str(job_id),
                count=findings.extra,
            )
        return await self._account_for(job_id, findings, window) if findings.unaccounted else 0

    async def _account_for(self, job_id: UUID, findings: Findings, window: Window) -> int:
        """Rows and alert in one transaction: after a crash both are there, or the next round finds it all again."""
        now = self._clock()
        async with self._database.write() as connection:
            versions = await _jobs_of(connection, job_id, findings)
            rows = [
                _missed_row(versions[part[0].version], part, window, now)
                for stretch in findings.unaccounted
                for part in _parts(stretch)
            ]
            rows = await _absent(connection, rows)
            if not rows:
                return 0
            await connection.execute(self._database.upsert(executions).on_conflict_do_nothing(), rows)
            count: int = sum(row["planned_count"] for row in rows)
            alert = InstantsUnaccounted(
                job_id=job_id,
                job_name=rows[-1]["job_name"],
                owner_id=rows[-1]["owner_id"],
                from_=rows[0]["planned_at"],
                to=rows[-1]["planned_to"],
                count=count,
                at=now,
            )
            await record(self._event_store, connection, alert, now)
        self._event_store.wake()
        self._metrics.unaccounted.inc(count)
        logger.error(
            "planned instants without a decision",
            action="audit",
            job=str(job_id),
            count=count,
            first=alert.from_.isoformat(),
            last=alert.to.isoformat(),
        )
        return count


async def _jobs_of(connection: AsyncConnection, job_id: UUID, findings: Findings) -> dict[int, Job]:
    """The versions of the job that planned what was found."""
    numbers = {stretch[0].version for stretch in findings.unaccounted}
    query = select(events).where(events.c.aggregate_id == job_id, events.c.version.in_(numbers))
    changes = [stored_event(row) for row in (await connection.execute(query)).all()]
    return {
        change.job.version: change.job
        for change in changes
        if isinstance(change, JobEvent) and change.job is not None
    }


async def _absent(connection: AsyncConnection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that nobody has written since they were looked for, by their first instants."""
    ids = [row["id"] for row in rows]
    written = set((await connection.scalars(select(executions.c.id).where(executions.c.id.in_(ids)))).all())
    return [row for row in rows if row["id"] not in written]


def _parts(stretch: Sequence[Planned]) -> list[Sequence[Planned]]:
    """What gets a row each."""
    return [stretch] if len(stretch) > MAX_ROWS else [[one] for one in stretch]


def _missed_row(job: Job, part: Sequence[Planned], window: Window, now: datetime) -> dict[str, Any]:
    first = part[0].instant
    return {
        "id": planned_execution_id(job.id, first),
        "job_id": job.id,
        "account_id": job.account_id,
        "owner_id": job.owner_id,
        "job_name": job.name,
        "job_version": job.version,
        "kind": Kind.SCHEDULED.value,
        "queue": job.queue,
        "target_kind": job.target.kind,
        "target_label": job.target.label,
        "planned_at": first,
        "planned_to": part[-1].instant,
        "planned_count": len(part),
        "reason": REASON,
        "queued_at": now,
        "status": Status.MISSED.value,
        "rank": rank(0, 0, Phase.QUEUED),
        "is_open": False,
        "generation": window.generation,
    }
