"""How fast the ledger's rows and the projector's reports are written beside N rows."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import update

from bench.million_rows import END, Rows
from services.gateway.bus_state import load_bus_state
from services.gateway.projector import Projector
from services.gateway.store.database import Database
from services.gateway.store.event_store import EventStore
from services.gateway.store.tables import bus_state
from shared.bus import subjects
from shared.bus.envelope import pack
from shared.bus.reader import StreamMessage
from shared.clock import utc_now
from shared.domain.execution import Kind, Phase
from shared.events import ExecutionReported, RunFacts

EXECUTIONS = 10_000
BATCH = 200


async def measure_projector(database: Database, rows: Rows) -> None:
    """Each execution is told of three times: queued, started, succeeded."""
    state = await load_bus_state(database, END)
    projector, position = Projector(database, EventStore(database), utc_now), state.projector_position
    began = time.perf_counter()
    for batch in _batches(rows, position):
        await projector.absorb(batch, position=position, generation=1)
        position = batch[-1].sequence
    seconds = time.perf_counter() - began
    print(
        f"projector: {position / seconds:,.0f} reports/s ({EXECUTIONS:,} new executions in batches of {BATCH})"
    )
    async with database.write() as connection:
        await connection.execute(update(bus_state).values(projector_position=0))


def _batches(rows: Rows, position: int) -> Iterator[list[StreamMessage]]:
    for first in range(0, EXECUTIONS, BATCH):
        facts = [_facts(rows, END + timedelta(seconds=first + number)) for number in range(BATCH)]
        for phase in (Phase.QUEUED, Phase.STARTED, Phase.SUCCEEDED):
            reports = [_report(one, phase) for one in facts]
            yield [_message(report, position + place) for place, report in enumerate(reports, 1)]
            position += BATCH


def _facts(rows: Rows, at: datetime) -> RunFacts:
    job = rows.jobs[at.second * at.minute % len(rows.jobs)]
    return RunFacts.of(job, uuid4(), Kind.SCHEDULED, at, at)


def _report(facts: RunFacts, phase: Phase) -> ExecutionReported:
    is_over = phase is Phase.SUCCEEDED
    return ExecutionReported(
        phase=phase,
        facts=facts,
        attempt=0 if phase is Phase.QUEUED else 1,
        at=facts.queued_at + timedelta(seconds=1 if is_over else 0),
        started_at=None if phase is Phase.QUEUED else facts.queued_at,
        executor="bench",
        duration_seconds=1.0 if is_over else None,
        response_status=200 if is_over else None,
        output="ok" if is_over else None,
        generation=1,
    )


def _message(report: ExecutionReported, sequence: int) -> StreamMessage:
    packed = pack(report, subject=subjects.EXECUTIONS, source="bench", event_id=uuid4().hex, time=report.at)
    return StreamMessage(sequence, packed.subject, packed.body, packed.headers, 0)
