"""CSV files as people upload them, and what is there afterwards."""

import csv
import io

import httpx

from services.gateway.store.tables import events
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of

HEADERS = ("Job Name", "Cron Schedule (JST)", "Status", "Target URL", "Category", "End Date", "PIC Team")
HOOK = "https://example.com/hook"


def row_of(name: str, **cells: str) -> dict[str, str]:
    row = dict(zip(HEADERS, (name, "0 2 * * *", "enable", HOOK, "general", "2026-12-31", "ops"), strict=True))
    return {**row, **{key.replace("_", " "): cell for key, cell in cells.items()}}


def written(*rows: dict[str, str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys([*HEADERS, *(key for row in rows for key in row)])))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


async def send(
    client: httpx.AsyncClient, content: bytes, *, path: str = "/jobs/bulk-upload", key: str = "", **form: str
) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await client.post(path, files={"file": ("jobs.csv", content)}, data=form, headers=headers)


async def upload(client: httpx.AsyncClient, *rows: dict[str, str], **form: str) -> Json:
    answer = await send(client, written(*rows), **form)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


async def names(api: Api) -> set[str]:
    return {job["name"] for job in (await body_of(api.viewer, "/jobs"))["jobs"]}


async def job_named(api: Api, name: str) -> Json:
    [job] = [job for job in (await body_of(api.viewer, "/jobs"))["jobs"] if job["name"] == name]
    found: Json = job
    return found


def errors_of(body: Json) -> list[tuple[int, str | None, str]]:
    return [(error["row"], error["name"], error["error"]) for error in body["errors"]]


async def job_events(api: Api) -> list[Json]:
    return [row for row in await rows_of(api.gateway.database, events) if row["aggregate"] == "job"]
