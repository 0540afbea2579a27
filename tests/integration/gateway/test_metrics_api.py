"""Metrics: Prometheus's text format, for whoever has the token, or else for administrators."""

import re
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import insert

from services.gateway.bus_state import load_bus_state
from services.gateway.store.database import Database
from services.gateway.store.tables import runs
from shared.errors import Transient
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.gateway import Api, MovableClock, client_of, gateway_settings, running_app

TOKEN = "a token that only Prometheus knows"
SAMPLE = re.compile(r'^(jetcron_\w+)(?:\{version="[^"]+"\})? (\S+)$')


async def scrape(api: Api, client: httpx.AsyncClient) -> httpx.Response:
    return await client.get(f"{api.app.state.origin}/metrics")


def values(answer: httpx.Response) -> dict[str, float]:
    """The samples by name; every line is one or a comment."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    samples = [SAMPLE.match(line) for line in lines]
    assert all(samples), lines
    return {sample[1]: float(sample[2]) for sample in samples if sample}


@pytest.mark.parametrize(
    ("caller", "status"), [("admin", 200), ("user", 403), ("other", 403), ("viewer", 403), ("anonymous", 401)]
)
async def test_without_a_token_of_its_own_administrators_may_read_it(
    api: Api, caller: str, status: int
) -> None:
    answer = await scrape(api, getattr(api, caller))
    assert answer.status_code == status
    if status != 200:
        assert answer.json().keys() == {"error", "message"}


async def test_with_a_token_of_its_own_only_that_one_counts(database_url: str) -> None:
    settings = gateway_settings(database_url, metrics_token=TOKEN)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(running_app(settings, MovableClock()))
        for token, status in ((TOKEN, 200), (None, 401), ("x", 401), (TOKEN + "x", 401), ("ü", 401)):
            client = await stack.enter_async_context(client_of(app))
            headers = [(b"Authorization", f"Bearer {token}".encode())] if token is not None else []
            answer = await client.get(f"{app.state.origin}/metrics", headers=headers)
            assert answer.status_code == status, token
            assert TOKEN not in answer.text


async def test_it_tells_what_waits_and_how_far_everything_is(api: Api) -> None:
    await load_bus_state(api.gateway.database, SOME_TIME - timedelta(seconds=90))
    job = await api.create_job()
    for minutes, is_open in ((1, True), (2, True), (3, False)):
        planned = SOME_TIME + timedelta(minutes=minutes)
        await api.insert_execution(job, planned_at=planned, is_open=is_open)
    row = await api.insert_execution(job, kind="manual", is_open=True, status="queued")
    async with api.gateway.database.write() as connection:
        outbox = {"execution_id": row["id"], "job_id": row["job_id"], "requested_at": SOME_TIME}
        await connection.execute(insert(runs).values(**outbox, requested_by=row["owner_id"]))
    found = values(await scrape(api, api.admin))
    assert found["jetcron_bus_connected"] == 0
    assert found["jetcron_database_connected"] == 1
    assert found["jetcron_scheduler_lag_seconds"] == 90
    assert found["jetcron_open_executions"] == 3
    assert found["jetcron_outbox_runs"] == 1
    assert found["jetcron_outbox_events"] >= 1
    assert found["jetcron_build_info"] == 1
    assert "jetcron_audit_lag_seconds" not in found


async def test_counters_begin_at_nothing_and_count(api: Api) -> None:
    names = ("unaccounted_instants", "extra_instants", "lost_executions", "republished_runs")
    before = values(await scrape(api, api.admin))
    assert {before[f"jetcron_{name}_total"] for name in names} == {0}
    api.gateway.metrics.lost.inc(2)
    assert values(await scrape(api, api.admin))["jetcron_lost_executions_total"] == 2


async def test_two_gateways_in_one_process_count_for_themselves(api: Api, database_url: str) -> None:
    api.gateway.metrics.unaccounted.inc()
    async with running_app(gateway_settings(database_url), MovableClock()) as other:
        text = await other.state.gateway.metrics.text()
    assert b"jetcron_unaccounted_instants_total 0.0" in text


async def test_without_the_database_it_still_tells_what_it_knows(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await scrape(api, api.admin)).status_code == 200

    def away(_: Database) -> None:
        raise Transient("the database does not answer")

    monkeypatch.setattr(Database, "read", away)
    text = (await api.gateway.metrics.text()).decode()
    assert "jetcron_database_connected 0.0" in text
    assert "jetcron_unaccounted_instants_total 0.0" in text
    assert "jetcron_open_executions" not in text
