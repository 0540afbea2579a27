"""What all jobs plan in a period, and the busiest minutes."""

import asyncio
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.gateway.store.tables import jobs
from shared.domain.schedule import CronSchedule
from shared.domain.spread import slot
from tests.fixtures.builders import SOME_TIME, make_job
from tests.fixtures.gateway import Api, Json, body_of, z

HOURLY: Json = {"cron_expression": "0 * * * *"}


async def planned(api: Api, **query: Any) -> Json:
    return await body_of(api.viewer, "/calendar", **query)


async def test_it_lists_what_is_planned_by_time_and_name(api: Api) -> None:
    second = await api.create_job(name="b", cron_expression="0 22 * * *", timezone="Asia/Tokyo")
    first = await api.create_job(name="a", cron_expression="0 14 * * *", timezone="Europe/Berlin")
    found = await planned(api, **{"from": "2026-11-21T13:00:00Z", "to": "2026-11-21T14:00:00Z"})
    names = [{"id": job["id"], "name": job["name"]} for job in (first, second)]
    busiest = [{"minute": "2026-11-21T13:00:00Z", "count": 2, "jobs": names}]
    assert found == {
        "from": "2026-11-21T13:00:00Z",
        "to": "2026-11-21T14:00:00Z",
        "jobs": 2,
        "total": 2,
        "count": 2,
        "truncated": False,
        "instants": [
            {
                "job_id": first["id"],
                "job_name": "a",
                "planned": "2026-11-21T14:00:00+01:00",
                "actual": "2026-11-21T14:00:00+01:00",
                "timezone": "Europe/Berlin",
            },
            {
                "job_id": second["id"],
                "job_name": "b",
                "planned": "2026-11-21T22:00:00+09:00",
                "actual": "2026-11-21T22:00:00+09:00",
                "timezone": "Asia/Tokyo",
            },
        ],
        "sampled": False,
        "jobs_counted": 2,
        "busiest": {"by_planned": busiest, "by_actual": busiest},
    }


async def test_it_is_about_the_next_day_if_not_asked_otherwise(api: Api) -> None:
    await api.create_job(**HOURLY)
    found = await planned(api)
    assert (found["from"], found["to"]) == (z(SOME_TIME), z(SOME_TIME + timedelta(days=1)))
    assert (found["total"], found["count"]) == (24, 24)
    assert found["instants"][0]["planned"] == "2026-11-21T21:00:00+09:00"
    whole_day = await planned(api, **{"from": "2026-11-23", "to": "2026-11-23"})
    assert (whole_day["from"], whole_day["to"]) == ("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z")


async def test_runs_that_are_spread_are_told_with_both_times(api: Api) -> None:
    end_date = "2026-12-31"
    schedule = {"kind": "cron", "expression": "0 22 * * *", "jitter_seconds": 3600, "end_date": end_date}
    job = await api.create_job(cron_expression=None, end_date=None, schedule=schedule)
    found = await planned(api, **{"from": "2026-11-21T12:30:00Z"})
    actual = SOME_TIME.replace(hour=13) + slot(UUID(job["id"]), 3600)
    [instant] = found["instants"]
    assert instant["planned"] == "2026-11-21T22:00:00+09:00"
    shown = await body_of(api.viewer, f"/jobs/{job['id']}")
    assert instant["actual"] == shown["job"]["next_run_at"]
    [by_actual] = found["busiest"]["by_actual"]
    assert by_actual["minute"] == z(actual.replace(second=0, microsecond=0))


async def test_paused_and_deleted_jobs_plan_nothing(api: Api) -> None:
    paused, deleted = await api.create_job(**HOURLY), await api.create_job(**HOURLY)
    await api.user.put(f"/jobs/{paused['id']}", json={"is_active": False})
    await api.user.delete(f"/jobs/{deleted['id']}")
    found = await planned(api)
    assert (found["jobs"], found["total"], found["instants"]) == (0, 0, [])
    assert found["busiest"] == {"by_planned": [], "by_actual": []}


async def test_it_can_be_asked_for_a_team_a_category_or_a_name(api: Api) -> None:
    await api.create_team("DevOps")
    await api.admin.post("/job-categories", json={"name": "Reports"})
    await api.create_job(name="Nightly Report", pic_team="devops", category="reports")
    await api.create_job(name="Backup", pic_team="ops")
    for query, names in (
        ({"q": "report"}, ["Nightly Report"]),
        ({"q": "%"}, []),
        ({"category": "reports"}, ["Nightly Report"]),
        ({"pic_team": "ops"}, ["Backup"]),
        ({"pic_team": "ops", "category": "reports"}, []),
    ):
        assert [one["job_name"] for one in (await planned(api, **query))["instants"]] == names


async def test_a_list_that_is_too_long_says_so_and_all_is_counted(api: Api) -> None:
    await api.create_job(cron_expression="* * * * *")
    await api.create_job(cron_expression="*/30 * * * *")
    found = await planned(api, limit=5)
    assert (found["total"], found["count"], found["truncated"]) == (1440 + 48, 5, True)
    assert (found["sampled"], found["jobs_counted"]) == (False, 2)
    minutes = found["busiest"]["by_planned"]
    assert [one["count"] for one in minutes] == [2] * 10
    assert [one["minute"] for one in minutes[:2]] == ["2026-11-21T12:00:00Z", "2026-11-21T12:30:00Z"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("from=2026-11-22&to=2026-11-21T00:00:00Z", "Invalid date range"),
        ("from=2026-11-21&to=2026-12-22T00:00:01Z", "Invalid date range"),
        ("to=2026-11-21T12:00:00Z", "Invalid date range"),
        ("from=9999-12-31T12:00:00Z", "Invalid date range"),
        ("from=0001-01-01", "Invalid date range"),
        ("from=tomorrow", "Invalid date"),
        ("limit=0", "Invalid request"),
        ("limit=10001", "Invalid request"),
        ("q=%00", "Invalid request"),
    ],
)
async def test_a_query_that_makes_no_sense_is_a_400(api: Api, query: str, error: str) -> None:
    answer = await api.viewer.get(f"/calendar?{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_31_days_are_taken(api: Api) -> None:
    await api.create_job()
    found = await planned(api, **{"from": "2026-11-21", "to": "2026-12-22T00:00:00Z"})
    assert (found["total"], found["instants"][0]["planned"]) == (31, "2026-11-22T02:00:00+09:00")


async def test_everybody_who_is_logged_in_may_look(api: Api) -> None:
    callers = ("admin", "user", "other", "viewer", "anonymous")
    answers = [await getattr(api, caller).get("/calendar") for caller in callers]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 401]
    assert (await api.admin.get(f"{api.app.state.origin}/api/calendar")).status_code == 404


@pytest.mark.timeout(60)
async def test_ten_thousand_minutely_jobs_leave_the_gateway_answering(api: Api) -> None:
    await _insert_minutely(api, 10_000)
    asked = asyncio.create_task(planned(api))
    slowest = 0.0
    while not asked.done():
        begun = time.perf_counter()
        assert (await api.viewer.get("/health")).status_code == 200
        slowest = max(slowest, time.perf_counter() - begun)
    found = await asked
    assert (found["jobs"], found["total"], found["count"]) == (10_000, 14_400_000, 10_000)
    assert (found["truncated"], found["sampled"], found["jobs_counted"]) == (True, False, 10_000)
    assert [one["count"] for one in found["busiest"]["by_planned"]] == [10_000] * 10
    assert all(len(one["jobs"]) == 5 for one in found["busiest"]["by_actual"])
    assert slowest < 2.0


async def _insert_minutely(api: Api, count: int) -> None:
    rows = []
    for number in range(count):
        schedule = CronSchedule(expression="* * * * *", timezone="UTC", jitter_seconds=number % 2 * 50)
        job = make_job(name=f"job {number:05}", schedule=schedule)
        fields = {"id", "account_id", "name", "owner_id", "is_active", "version", "created_at", "updated_at"}
        rows.append({**job.model_dump(include=fields), "state": job.model_dump(mode="json")})
    async with api.gateway.database.write() as connection:
        await connection.execute(jobs.insert(), rows)
