"""What goes on beside the requests looks for few among many: its queries are led through indexes, on both databases."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, text, update

from services.gateway import audit_reading
from services.gateway.auditor import Auditor
from services.gateway.commands.end_dates import pause_ended_jobs
from services.gateway.commands.failing import pause_failing
from services.gateway.forgotten import waiting_since
from services.gateway.gateway import Gateway, make_gateway
from services.gateway.housekeeping import oldest_unfinished
from services.gateway.queries.instants import made_up, rows_not_run
from services.gateway.queries.job_ledger import job_ledger
from services.gateway.queries.notifications import count_unread
from services.gateway.queries.period import Period
from services.gateway.seeding_executions import ExecutionSeeds
from services.gateway.settings import GatewaySettings
from services.gateway.store.tables import bus_state, events, executions, jobs, notifications, runs
from services.gateway.sweeper import Sweeper
from services.gateway.turns import give_turns
from shared.domain.execution import Status
from shared.domain.schedule import CronSchedule
from shared.errors import Transient
from tests.fixtures.builders import SOME_TIME, make_job
from tests.fixtures.gateway import MovableClock
from tests.fixtures.plans import queries_sent
from tests.integration.gateway.world import create

JOBS = 1_000
RUNS_PER_JOB = 20
HOUR = timedelta(hours=1)
NOW = SOME_TIME + timedelta(days=10)
FEW = {
    "ix_events_unpublished", "ix_executions_open", "ix_executions_ranges", "ix_jobs_ends_at", "ix_runs_turn",
    "ix_runs_unpublished",
}  # fmt: skip
"""Indexes that may be read whole: nearly nothing is in them."""
LARGE = {"events", "executions", "jobs", "notifications", "runs"}

Work = Callable[[Gateway, UUID], Awaitable[Any]]


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """It has been at work for long, and is not connected to the bus."""
    settings = GatewaySettings.model_validate(
        {"database_url": database_url, "nats_url": "nats://127.0.0.1:1"}
    )
    gateway = make_gateway(settings, MovableClock(NOW))
    try:
        await _fill(gateway)
        yield gateway
    finally:
        await gateway.close()


async def _fill(gateway: Gateway) -> None:
    yearly = make_job(schedule=CronSchedule(expression="0 0 1 1 *", timezone="UTC"))
    await create(gateway.event_store, yearly)
    ids = [uuid4() for _ in range(JOBS)]
    async with gateway.database.write() as connection:
        await connection.execute(update(events).values(published_seq=1))
        job = dict((await connection.execute(select(jobs))).mappings().one())
        change = dict((await connection.execute(select(events))).mappings().one())
        del change["position"]
        everything: dict[Any, list[dict[str, Any]]] = {
            jobs: [{**job, "id": one, "name": str(one)} for one in ids],
            events: [{**change, "id": one, "aggregate_id": one} for one in ids],
            executions: [_run(job, one, place) for one in ids for place in range(RUNS_PER_JOB)],
            runs: [_asked_for(one) for one in ids],
            notifications: [_told(one) for one in ids[:5] for _ in range(300)],
            bus_state: [
                {
                    "id": 1,
                    "generation": 1,
                    "is_seeded": True,
                    "ledgered_until": NOW,
                    "ledgered_events_seq": 5,
                    "ledger_position": 5,
                    "projector_position": 5,
                    "audited_until": NOW - HOUR,
                }
            ],
        }
        for table, rows in everything.items():
            await connection.execute(insert(table), rows)
        if not gateway.database.is_sqlite:
            await connection.execute(text("ANALYZE"))


def _run(job: dict[str, Any], job_id: UUID, place: int) -> dict[str, Any]:
    at = SOME_TIME + place * 10 * HOUR
    copied = {name: job[name] for name in ("account_id", "owner_id", "target_kind")}
    return {
        **copied,
        "id": uuid4(),
        "job_id": job_id,
        "job_name": "job",
        "job_version": 1,
        "kind": "scheduled",
        "queue": "default",
        "target_label": "label",
        "planned_at": at,
        "planned_to": at,
        "queued_at": at,
        "started_at": at,
        "status": "failed" if place == 7 else "success",
        "rank": 24,
        "is_open": False,
        "generation": 1,
        "report_seq": 5,
    }


def _asked_for(job_id: UUID) -> dict[str, Any]:
    about = {"execution_id": uuid4(), "job_id": job_id, "requested_by": job_id}
    return {**about, "requested_at": SOME_TIME, "published_seq": 1}


def _told(user_id: UUID) -> dict[str, Any]:
    what = {"title": "", "message": "", "type": "warning", "is_read": True, "created_at": SOME_TIME}
    return {"id": uuid4(), "user_id": user_id, **what}


async def _pause_failing(gateway: Gateway, job_id: UUID) -> None:
    async with gateway.database.write() as connection:
        asked = {**(await connection.scalar(select(jobs.c.state).where(jobs.c.id == job_id)) or {})}
        asked |= {"id": str(job_id), "pause_after_failures": 5}
        await connection.execute(update(jobs).where(jobs.c.id == job_id).values(state=asked))
        await pause_failing(gateway.event_store, connection, [job_id], NOW)


async def _find_instants(gateway: Gateway, job_id: UUID) -> None:
    async with gateway.database.read() as connection:
        statuses = frozenset({Status.MISSED, Status.FAILED})
        await rows_not_run(connection, job_id, statuses, SOME_TIME, NOW)
        await made_up(connection, job_id, SOME_TIME, NOW)


async def _find_unfinished(gateway: Gateway, _: UUID) -> None:
    async with gateway.database.read() as connection:
        await connection.execute(oldest_unfinished(1))


async def _audit(gateway: Gateway, _: UUID) -> None:
    auditor = Auditor(gateway.database, gateway.event_store, gateway.metrics, gateway.clock)
    assert await auditor.audit() == 0


async def _sweep(gateway: Gateway, _: UUID) -> None:
    sweeper = Sweeper(
        gateway.database, gateway.bus, gateway.fence, _seeds(gateway), gateway.metrics, gateway.clock
    )
    with pytest.raises(Transient):
        await sweeper.sweep(1)
    async with gateway.database.read() as connection:
        await connection.execute(waiting_since(NOW))


def _seeds(gateway: Gateway) -> ExecutionSeeds:
    return ExecutionSeeds(gateway.database, gateway.bus, gateway.box, gateway.clock)


WORK: dict[str, Work] = {
    "pausing ended jobs": lambda gateway, _: pause_ended_jobs(gateway),
    "pausing failing jobs": _pause_failing,
    "finding instants to make up for": _find_instants,
    "finding the oldest unfinished report": _find_unfinished,
    "the account of a job": lambda gateway, job_id: job_ledger(
        gateway.database, job_id, Period(NOW - HOUR, NOW), 50, None, NOW
    ),
    "counting what is not read": lambda gateway, user_id: count_unread(
        gateway.database, user_id, Period(None, None)
    ),
    "metrics": lambda gateway, _: gateway.metrics.text(),
    "giving turns": lambda gateway, _: give_turns(gateway.database),
    "sweeping": _sweep,
    "seeding": lambda gateway, _: _seeds(gateway).publish(2, NOW - HOUR),
    "relaying events": lambda gateway, _: gateway.relay.drain_events(lambda: True),
    "relaying runs": lambda gateway, _: gateway.relay.drain_runs(1),
    "auditing": _audit,
}


async def test_they_read_few_rows(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_reading, "PAGE", 20)
    async with gateway.database.read() as connection:
        job_id = await connection.scalar(select(executions.c.job_id).limit(1))
    assert job_id is not None
    found: dict[str, list[str]] = {}
    for name, work in WORK.items():
        async with queries_sent(gateway.database) as sent:
            await work(gateway, job_id)
        plans = await sent.plans()
        assert plans, name
        found[name] = [plan for plan in plans if any(_reads_all(step) for step in plan.splitlines())]
    assert found == {name: [] for name in WORK}


def _reads_all(step: str) -> bool:
    """Whether a step of a plan goes through a large table, or through an index of all of it."""
    words = step.replace("->", " ").split()
    if words[0] == "SCAN":
        # Pages of jobs by their ids are what an audit is about.
        is_page = words[1] == "jobs" and words[-1] == "sqlite_autoindex_jobs_1"
        return words[1] in LARGE and words[-1] not in FEW and not is_page
    return words[:3] == ["Seq", "Scan", "on"] and words[3] in LARGE
