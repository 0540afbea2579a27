"""Asking for backfills: a job on the hour, what became of its last instants, and what makes up for them."""

from datetime import datetime, timedelta
from typing import Any

import httpx

from services.gateway.store.tables import executions
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, z

HOUR = timedelta(hours=1)
FROM = SOME_TIME - 5 * HOUR
RANGE = {"from": z(FROM), "to": z(SOME_TIME)}


async def ask(api: Api, job: Json, client: Any = None, **body: Any) -> httpx.Response:
    """Ask for a backfill of the last five hours, if not said otherwise."""
    headers = {"Idempotency-Key": body.pop("key")} if "key" in body else {}
    return await (client or api.user).post(
        f"/jobs/{job['id']}/backfill", json={**RANGE, **body}, headers=headers
    )


async def accepted(api: Api, job: Json, **body: Any) -> Json:
    """A backfill that makes runs."""
    answer = await ask(api, job, **body)
    assert answer.status_code == 202, answer.text
    found: Json = answer.json()
    return found


async def hourly(api: Api, **fields: Any) -> Json:
    """A job on the hour."""
    return await api.create_job(cron_expression="0 * * * *", **fields)


async def insert_instant(api: Api, job: Json, hours_ago: int, **columns: Any) -> Json:
    """What became of one instant."""
    planned_at = SOME_TIME - hours_ago * HOUR
    return await api.insert_execution(job, planned_at=planned_at, planned_to=planned_at, **columns)


async def insert_range(api: Api, job: Json, first: datetime, last: datetime, **columns: Any) -> Json:
    """What became of several."""
    return await api.insert_execution(
        job, planned_at=first, planned_to=last, **{"status": "missed", "planned_count": 2, **columns}
    )


async def backfills(api: Api) -> list[Json]:
    """The runs that make up for instants, in their order."""
    found = [row for row in await rows_of(api.gateway.database, executions) if row["kind"] == "backfill"]
    return sorted(found, key=lambda row: row["backfills"])


def ago(*hours: int) -> list[str | None]:
    """Moments so many hours ago, as the API writes them."""
    return [z(SOME_TIME - number * HOUR) for number in hours]
