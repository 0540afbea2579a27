"""Asking for runs, and reading what ran, what did not, and why."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.gateway.store.tables import executions, runs
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of, z


def shown(job: Json, row: Json) -> Json:
    """A row as the API answers it."""
    return {
        "id": str(row["id"]),
        "job_id": job["id"],
        "job_name": job["name"],
        "status": row["status"],
        "trigger_type": row["kind"],
        "started_at": z(row.get("started_at")),
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
        "queued_at": z(row["queued_at"]),
        "attempt": row.get("attempt", 0),
        "job_version": 1,
        "reason": row.get("reason"),
        "into_execution_id": str(row["into_execution_id"]) if row.get("into_execution_id") else None,
    }


def at(minute: int) -> datetime:
    return SOME_TIME.replace(minute=minute)


async def insert_minutes(api: Api, job: Json, *minutes: int, **columns: Any) -> list[Json]:
    """A planned run at each of these minutes."""
    return [
        await api.insert_execution(
            job, planned_at=at(minute), planned_to=at(minute), queued_at=at(minute), **columns
        )
        for minute in minutes
    ]


async def listed(api: Api, job: Json, **query: Any) -> list[str]:
    """Which executions a query finds."""
    body = await body_of(api.viewer, f"/jobs/{job['id']}/executions", **query)
    return [execution["id"] for execution in body["executions"]]


def ids(*rows: Json) -> list[str]:
    return [str(row["id"]) for row in rows]


class TestList:
    async def test_it_shows_every_field_newest_first(self, api: Api) -> None:
        job = await api.create_job()
        ran = await api.insert_execution(
            job,
            started_at=at(1),
            completed_at=at(2),
            duration_seconds=60.0,
            response_status=500,
            error_message="HTTP 500",
            output="oh no",
            status="failed",
            attempt=2,
        )
        missed = await api.insert_execution(
            job,
            planned_at=at(3),
            planned_to=at(9),
            planned_count=7,
            queued_at=at(10),
            status="missed",
            reason="Too late",
            into_execution_id=ran["id"],
        )
        await api.insert_execution(await api.create_job())
        assert await body_of(api.viewer, f"/jobs/{job['id']}/executions") == {
            "job_id": job["id"],
            "job_name": job["name"],
            "total_executions": 2,
            "executions": [shown(job, missed), shown(job, ran)],
        }

    async def test_a_limit_leaves_the_total_as_it_is(self, api: Api) -> None:
        job = await api.create_job()
        rows = await insert_minutes(api, job, 1, 2, 3)
        body = await body_of(api.viewer, f"/jobs/{job['id']}/executions", limit=2)
        assert (body["total_executions"], [one["id"] for one in body["executions"]]) == (
            3,
            ids(rows[2], rows[1]),
        )

    async def test_50_are_shown_unless_more_are_wanted_and_200_at_most(self, api: Api) -> None:
        job = await api.create_job()
        first = await api.insert_execution(job, kind="manual")
        async with api.gateway.database.write() as connection:
            copies = [{**first, "id": uuid4()} for _ in range(204)]
            await connection.execute(executions.insert(), copies)
        lengths = [len(await listed(api, job, **query)) for query in ({}, {"limit": 1}, {"limit": 10_000})]
        assert lengths == [50, 1, 200]

    async def test_it_finds_by_status_by_kind_and_by_both(self, api: Api) -> None:
        job = await api.create_job()
        [good] = await insert_minutes(api, job, 1)
        [bad] = await insert_minutes(api, job, 2, status="failed")
        manual = await api.insert_execution(job, kind="manual", status="running", queued_at=at(3))
        found = {
            query: await listed(api, job, **dict(part.split("=") for part in query.split("&")))
            for query in (
                "status=success",
                "status=failed,running",
                "status= failed , ,success",
                "status=",
                "trigger_type=manual",
                "trigger_type=scheduled",
                "trigger_type=manual&status=failed",
            )
        }
        assert found == {
            "status=success": ids(good),
            "status=failed,running": ids(manual, bad),
            "status= failed , ,success": ids(bad, good),
            "status=": ids(manual, bad, good),
            "trigger_type=manual": ids(manual),
            "trigger_type=scheduled": ids(bad, good),
            "trigger_type=manual&status=failed": [],
        }

    async def test_from_is_inclusive_to_is_exclusive_and_a_day_is_whole(self, api: Api) -> None:
        job = await api.create_job()
        early, late = await insert_minutes(api, job, 1, 2)
        found = {
            period: await listed(api, job, **dict(zip(("from", "to"), period, strict=True)))
            for period in (
                ("2026-11-21T12:01:00Z", "2026-11-21T12:02:00Z"),
                ("2026-11-21T12:02:00", ""),
                ("2026-11-21T21:02:00+09:00", ""),
                ("2026-11-21", "2026-11-21"),
                ("", "2026-11-20"),
                ("2026-11-22", ""),
            )
        }
        assert list(found.values()) == [ids(early), ids(late), ids(late), ids(late, early), [], []]

    async def test_a_query_that_makes_no_sense_is_a_400(self, api: Api) -> None:
        job = await api.create_job()
        answers = {}
        for query in (
            "from=yesterday",
            "to=2026-02-30",
            "from=9999-12-31T23:59:59-23:59",
            "to=9999-12-31",
            "from=2026-11-21T12:00:00Z&to=2026-11-21T12:00:00Z",
            "status=succeeded",
            "trigger_type=cron",
            "limit=0",
            "limit=many",
        ):
            answer = await api.viewer.get(f"/jobs/{job['id']}/executions?{query}")
            answers[query] = (answer.status_code, answer.json()["error"], answer.json()["message"])
        statuses = "status must be of: queued, running, unknown, success, failed, cancelled, dead_letter, "
        assert answers == {
            "from=yesterday": (400, "Invalid date", "Invalid date"),
            "to=2026-02-30": (400, "Invalid date", "Invalid date"),
            "from=9999-12-31T23:59:59-23:59": (400, "Invalid date", "Invalid date"),
            "to=9999-12-31": (400, "Invalid date", "Invalid date"),
            "from=2026-11-21T12:00:00Z&to=2026-11-21T12:00:00Z": (
                400,
                "Invalid date range",
                '"from" must be earlier than "to".',
            ),
            "status=succeeded": (400, "Invalid status", f"{statuses}missed, skipped"),
            "trigger_type=cron": (
                400,
                "Invalid request",
                "trigger_type: Input should be 'scheduled' or 'manual'",
            ),
            "limit=0": (400, "Invalid request", "limit: Input should be greater than or equal to 1"),
            "limit=many": (
                400,
                "Invalid request",
                "limit: Input should be a valid integer, unable to parse string as an integer",
            ),
        }


class TestOne:
    async def test_it_has_its_attempts_in_their_order(self, api: Api) -> None:
        job = await api.create_job()
        row = await api.insert_execution(job, attempt=2)
        ended = {"started_at": at(2), "completed_at": at(3), "duration_seconds": 60.0, "response_status": 200}
        await api.insert_attempt(row, attempt=2, **ended)
        await api.insert_attempt(row, attempt=1, phase="unknown", started_at=at(1), error_message="lost")
        other = await api.insert_execution(job, kind="manual")
        await api.insert_attempt(other)
        attempts = [
            {
                "attempt": 1,
                "phase": "unknown",
                "started_at": z(at(1)),
                "completed_at": None,
                "duration_seconds": None,
                "response_status": None,
                "error_message": "lost",
            },
            {
                "attempt": 2,
                "phase": "succeeded",
                "started_at": z(at(2)),
                "completed_at": z(at(3)),
                "duration_seconds": 60.0,
                "response_status": 200,
                "error_message": None,
            },
        ]
        assert await body_of(api.viewer, f"/jobs/{job['id']}/executions/{row['id']}") == {
            "job": {"id": job["id"], "name": job["name"]},
            "execution": {**shown(job, row), "attempts": attempts},
        }

    async def test_what_is_not_the_jobs_is_a_404(self, api: Api) -> None:
        job, other = await api.create_job(), await api.create_job()
        row = await api.insert_execution(other)
        unknown = uuid4()
        answers = {}
        for path in (f"{job['id']}/executions/{row['id']}", f"{unknown}/executions/{row['id']}"):
            answer = await api.admin.get(f"/jobs/{path}")
            answers[path] = (answer.status_code, answer.json())
        answer = await api.admin.get(f"/jobs/{job['id']}/executions/latest")
        not_found = {"error": "Execution not found", "message": f"No execution found with ID: {row['id']}"}
        no_job = {"error": "Job not found", "message": f"No job found with ID: {unknown}"}
        assert list(answers.values()) == [(404, not_found), (404, no_job)]
        assert answer.json() == {"error": "Execution not found", "message": "This is not a valid ID"}
        assert (await api.admin.get(f"/jobs/{unknown}/executions")).json() == no_job


class TestExecute:
    async def test_it_answers_the_queued_run_and_remembers_it_until_the_bus_is_back(self, api: Api) -> None:
        job = await api.create_job(is_active=False, metadata={"secret": "hush"})
        asked = api.clock.advance(minutes=1)
        answer = await api.user.post(f"/jobs/{job['id']}/execute")
        execution = answer.json()["execution"]
        row = {"id": execution["id"], "status": "queued", "kind": "manual", "queued_at": asked}
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "message": "Job triggered successfully",
                "job_id": job["id"],
                "execution": shown(job, row),
            },
        )
        assert await listed(api, job) == [execution["id"]]
        [run] = await rows_of(api.gateway.database, runs)
        assert (run["execution_id"], run["requested_by"], run["published_seq"]) == (
            UUID(execution["id"]),
            api.people["user"].id,
            None,
        )
        assert b"hush" not in run["sealed_order"]

    async def test_each_request_is_a_run_of_its_own(self, api: Api) -> None:
        job = await api.create_job()
        bodies: list[Any] = [None, {}]
        for body in bodies:
            assert (await api.admin.post(f"/jobs/{job['id']}/execute", json=body)).status_code == 200
        assert len(set(await listed(api, job, trigger_type="manual"))) == 2

    async def test_overrides_are_refused_while_there_are_none(self, api: Api) -> None:
        job = await api.create_job()
        bodies: list[Any] = [{"inputs": {"key": "value"}}, {"target_url": "http://127.0.0.1/"}, []]
        for body in bodies:
            answer = await api.user.post(f"/jobs/{job['id']}/execute", json=body)
            assert (answer.status_code, answer.json()["error"]) == (400, "Invalid request")
        assert await listed(api, job) == []

    async def test_an_ended_job_is_paused_instead(self, api: Api) -> None:
        job = await api.create_job(end_date="2026-11-21")
        api.clock.now = datetime(2026, 11, 21, 15, 0, tzinfo=UTC) - timedelta(microseconds=1)
        assert (await api.user.post(f"/jobs/{job['id']}/execute")).status_code == 200
        api.clock.advance(microseconds=1)  # midnight in Tokyo
        answer = await api.user.post(f"/jobs/{job['id']}/execute")
        message = "The job's end_date has passed; give it a later one to run it."
        assert (answer.status_code, answer.json()) == (400, {"error": "Job has ended", "message": message})
        assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"]["is_active"] is False
        assert len(await listed(api, job)) == 1
