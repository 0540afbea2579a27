"""How executions ended: of one job, of all, and of a period."""

from uuid import uuid4

import pytest

from tests.fixtures.gateway import Api, Json, body_of
from tests.integration.gateway.executions import insert_each_status, insert_minutes, shown

NOTHING = {
    "total_executions": 0,
    "successful_executions": 0,
    "failed_executions": 0,
    "running_executions": 0,
    "success_rate": 0.0,
    "average_duration_seconds": 0.0,
    "missed_executions": 0,
    "skipped_executions": 0,
    "cancelled_executions": 0,
    "range": {"from": None, "to": None},
}


async def statistics_of(api: Api, job: Json) -> Json:
    body = await body_of(api.viewer, f"/jobs/{job['id']}/executions/stats")
    statistics: Json = body["statistics"]
    return statistics


class TestOfOneJob:
    async def test_without_any_there_is_no_average_and_no_latest(self, api: Api) -> None:
        job = await api.create_job()
        await api.insert_execution(await api.create_job())
        assert await body_of(api.viewer, f"/jobs/{job['id']}/executions/stats") == {
            "job_id": job["id"],
            "job_name": job["name"],
            "statistics": {
                "total_executions": 0,
                "success_count": 0,
                "failed_count": 0,
                "running_count": 0,
                "success_rate": 0.0,
                "average_duration_seconds": None,
                "missed_count": 0,
                "skipped_count": 0,
                "cancelled_count": 0,
            },
            "latest_execution": None,
        }

    async def test_eight_of_ten_are_80_percent(self, api: Api) -> None:
        job = await api.create_job()
        await insert_minutes(api, job, *range(8), duration_seconds=10.0)
        await insert_minutes(api, job, 8, 9, status="failed", duration_seconds=21.7)
        statistics = await statistics_of(api, job)
        assert statistics == {
            "total_executions": 10,
            "success_count": 8,
            "failed_count": 2,
            "running_count": 0,
            "success_rate": 80.0,
            "average_duration_seconds": 12.34,
            "missed_count": 0,
            "skipped_count": 0,
            "cancelled_count": 0,
        }

    async def test_what_never_ran_is_counted_beside_the_total(self, api: Api) -> None:
        job = await api.create_job()
        await insert_each_status(api, job)
        statistics = await statistics_of(api, job)
        assert statistics == {
            "total_executions": 8,
            "success_count": 1,
            "failed_count": 3,
            "running_count": 4,
            "success_rate": 12.5,
            "average_duration_seconds": None,
            "missed_count": 1,
            "skipped_count": 1,
            "cancelled_count": 1,
        }

    async def test_the_latest_is_the_newest_that_ran(self, api: Api) -> None:
        job = await api.create_job()
        _, newest = await insert_minutes(api, job, 1, 2, status="failed", error_message="HTTP 500")
        await insert_minutes(api, job, 3, status="missed")
        body = await body_of(api.viewer, f"/jobs/{job['id']}/executions/stats")
        assert body["latest_execution"] == shown(job, newest)

    async def test_a_job_that_is_not_there_is_a_404(self, api: Api) -> None:
        unknown = uuid4()
        for path, message in ((unknown, f"No job found with ID: {unknown}"), ("1", "This is not a valid ID")):
            answer = await api.viewer.get(f"/jobs/{path}/executions/stats")
            assert (answer.status_code, answer.json()) == (
                404,
                {"error": "Job not found", "message": message},
            )


class TestOfAll:
    async def test_without_any_all_is_zero(self, api: Api) -> None:
        assert await body_of(api.viewer, "/executions/statistics") == NOTHING

    async def test_they_are_those_of_all_jobs_also_of_deleted_ones(self, api: Api) -> None:
        job, other = await api.create_job(), await api.create_job()
        await insert_each_status(api, job)
        await insert_minutes(api, other, 1, 2, 3, duration_seconds=2.0)
        await insert_minutes(api, other, 4, status="dead_letter", duration_seconds=0.5)
        await insert_minutes(api, other, 5, status="running", duration_seconds=100.0)
        assert (await api.user.delete(f"/jobs/{other['id']}")).status_code == 200
        assert await body_of(api.viewer, "/executions/statistics") == {
            "total_executions": 13,
            "successful_executions": 4,
            "failed_executions": 4,
            "running_executions": 5,
            "success_rate": 30.77,
            "average_duration_seconds": 1.625,
            "missed_executions": 1,
            "skipped_executions": 1,
            "cancelled_executions": 1,
            "range": {"from": None, "to": None},
        }

    async def test_they_can_be_of_one_job_and_of_a_period(self, api: Api) -> None:
        job, other = await api.create_job(), await api.create_job()
        await insert_minutes(api, job, 1, 2, 3)
        await insert_minutes(api, other, 2, status="failed")
        queries = [
            {"job_id": job["id"]},
            {"job_id": str(uuid4())},
            {"from": "2026-11-21T12:02:00Z", "to": "2026-11-21T12:03:00Z"},
            {"job_id": job["id"], "from": "2026-11-21T12:02:00Z"},
            {"to": "2026-11-21"},
        ]
        bodies = [await body_of(api.user, "/executions/statistics", **query) for query in queries]
        counts = [(body["successful_executions"], body["failed_executions"]) for body in bodies]
        assert counts == [(3, 0), (0, 0), (1, 1), (2, 0), (3, 1)]
        assert [body["range"] for body in bodies[1:]] == [
            {"from": None, "to": None},
            {"from": "2026-11-21T12:02:00Z", "to": "2026-11-21T12:03:00Z"},
            {"from": "2026-11-21T12:02:00Z", "to": None},
            {"from": None, "to": "2026-11-22T00:00:00Z"},
        ]

    @pytest.mark.parametrize(
        ("query", "error"),
        [
            ("from=yesterday", "Invalid date"),
            ("from=2026-11-22&to=2026-11-21", "Invalid date range"),
            ("job_id=1", "Invalid request"),
        ],
    )
    async def test_a_query_that_makes_no_sense_is_a_400(self, api: Api, query: str, error: str) -> None:
        answer = await api.viewer.get(f"/executions/statistics?{query}")
        assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_the_counts_of_a_list_and_of_statistics_are_the_same(api: Api) -> None:
    await insert_each_status(api, await api.create_job())
    await insert_minutes(api, await api.create_job(), 1, 2)
    statistics = await body_of(api.viewer, "/executions/statistics")
    for word, key in (("success", "successful"), ("failed", "failed"), ("running", "running")):
        listed = await body_of(api.viewer, "/executions", status=word)
        assert listed["total"] == statistics[f"{key}_executions"], word
