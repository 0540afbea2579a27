"""Calendars and the jobs that follow them, as tests make and read them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.gateway.commands.jobs import create_job
from services.gateway.domain.actor import SYSTEM
from services.gateway.gateway import Gateway
from services.gateway.store.tables import jobs
from shared.domain.job import Job
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json

CHRISTMAS = {"date": "2026-12-25", "note": "Christmas"}
SHOWN_CHRISTMAS = {"from": "2026-12-25", "to": "2026-12-25", "note": "Christmas"}
FREEZE = {"from": "2026-12-20", "to": "2027-01-03"}


async def make_calendar(api: Api, name: str = "Holidays", **fields: Any) -> Json:
    """A calendar, as the API answers it."""
    answer = await api.admin.post("/calendars", json={"name": name, **fields})
    assert answer.status_code == 201, answer.text
    calendar: Json = answer.json()["calendar"]
    return calendar


async def put_calendar(api: Api, calendar: Json, **fields: Any) -> Json:
    """The answer to a change that is made."""
    answer = await api.admin.put(f"/calendars/{calendar['id']}", json=fields)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


async def following(gateway: Gateway, *names: str, job: str = "nightly", **schedule: Any) -> Job:
    """A new job that follows these calendars."""
    cron = {"cron_expression": "0 2 * * *", "calendar_names": names, **schedule}
    fields = {"name": job, "schedule": cron, "target": {"url": "https://example.com/hook"}}
    return await create_job(gateway, fields, UUID(int=7), SYSTEM)


async def job_of(gateway: Gateway, job_id: UUID) -> Job:
    """A job as it stands now."""
    [row] = [row for row in await rows_of(gateway.database, jobs) if row["id"] == job_id]
    return Job.model_validate(row["state"])


def followed(job: Job) -> Sequence[tuple[str, int, int]]:
    """Slug, version and size of each calendar that a job carries."""
    return [(use.slug, use.version, len(use.exclusions)) for use in job.schedule.calendars]
