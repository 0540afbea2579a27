"""Executions for the tests of the API, and how it answers them."""

from datetime import datetime
from typing import Any

from shared.domain.execution import RUN_OUTCOMES, Status, outcome_of
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.gateway import Api, Json, z


def at(minute: int) -> datetime:
    """That minute of the hour of `SOME_TIME`."""
    return SOME_TIME.replace(minute=minute)


def shown(job: Json, row: Json) -> Json:
    """A row of a webhook job as the API answers it."""
    outcome = outcome_of(Status(row["status"]))
    asked = row["queued_at"] if outcome in RUN_OUTCOMES else None
    return {
        "id": str(row["id"]),
        "job_id": job["id"],
        "job_name": job["name"],
        "github_repo": None,
        "status": outcome.value,
        "state": row["status"],
        "trigger_type": row["kind"],
        "started_at": z(row.get("started_at") or asked),
        "completed_at": z(row.get("completed_at")),
        "duration_seconds": row.get("duration_seconds"),
        "execution_type": "webhook",
        "target": job["target_url"],
        "response_status": row.get("response_status"),
        "error_message": row.get("error_message"),
        "output": row.get("output"),
        "planned_at": z(row.get("planned_at")),
        "planned_to": z(row.get("planned_to")),
        "planned_count": row.get("planned_count", 1),
        "not_before": z(row.get("not_before")),
        "backfills": z(row.get("backfills")),
        "queued_at": z(row["queued_at"]),
        "attempt": row.get("attempt", 0),
        "job_version": 1,
        "reason": row.get("reason"),
        "into_execution_id": str(row["into_execution_id"]) if row.get("into_execution_id") else None,
    }


async def insert_minutes(api: Api, job: Json, *minutes: int, **columns: Any) -> list[Json]:
    """A planned run at each of these minutes."""
    return [
        await api.insert_execution(
            job, planned_at=at(minute), planned_to=at(minute), queued_at=at(minute), **columns
        )
        for minute in minutes
    ]


async def insert_each_status(api: Api, job: Json) -> dict[str, Json]:
    """One execution of each status, each a minute newer than the one before it."""
    return {
        status.value: (await insert_minutes(api, job, minute, status=status.value))[0]
        for minute, status in enumerate(Status)
    }


def ids(*rows: Json) -> list[str]:
    """The ids as answers write them."""
    return [str(row["id"]) for row in rows]
