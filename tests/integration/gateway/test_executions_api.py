"""A job's executions: what ran, what did not, and why."""

from typing import Any
from uuid import uuid4

from services.gateway.store.tables import executions
from shared.domain.execution import Status
from tests.fixtures.gateway import Api, Json, body_of, z
from tests.integration.gateway.executions import at, ids, insert_each_status, insert_minutes, shown


async def listed(api: Api, job: Json, **query: Any) -> list[str]:
    """Which executions a query finds."""
    body = await body_of(api.viewer, f"/jobs/{job['id']}/executions", **query)
    return [execution["id"] for execution in body["executions"]]


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
        backfill = await api.insert_execution(
            job, kind="backfill", planned_to=None, backfills=at(0), status="waiting", queued_at=at(4)
        )
        found = {
            query: await listed(api, job, **dict(part.split("=") for part in query.split("&")))
            for query in (
                "status=success",
                "status=failed,running",
                "status= failed , ,success",
                "status=",
                "trigger_type=manual",
                "trigger_type=backfill",
                "trigger_type=scheduled",
                "trigger_type=manual&status=failed",
            )
        }
        assert found == {
            "status=success": ids(good),
            "status=failed,running": ids(backfill, manual, bad),
            "status= failed , ,success": ids(bad, good),
            "status=": ids(backfill, manual, bad, good),
            "trigger_type=manual": ids(manual),
            "trigger_type=backfill": ids(backfill),
            "trigger_type=scheduled": ids(bad, good),
            "trigger_type=manual&status=failed": [],
        }

    async def test_a_status_is_a_word_that_everybody_knows_and_the_state_is_precise(self, api: Api) -> None:
        job = await api.create_job()
        await insert_each_status(api, job)
        body = await body_of(api.viewer, f"/jobs/{job['id']}/executions")
        assert {one["state"]: one["status"] for one in body["executions"]} == {
            "waiting": "running",
            "queued": "running",
            "running": "running",
            "unknown": "running",
            "success": "success",
            "failed": "failed",
            "dead_letter": "failed",
            "lost": "failed",
            "cancelled": "cancelled",
            "missed": "missed",
            "skipped": "skipped",
        }

    async def test_it_finds_by_the_words_that_everybody_knows_and_by_the_precise_ones(self, api: Api) -> None:
        job = await api.create_job()
        rows = await insert_each_status(api, job)
        expected: dict[str, set[str]] = {
            **{status.value: {status.value} for status in Status},
            "running": {"waiting", "queued", "running", "unknown"},
            "failed": {"failed", "dead_letter", "lost"},
            "success,failed,running": set(rows) - {"cancelled", "missed", "skipped"},
        }
        found = {word: set(await listed(api, job, status=word)) for word in expected}
        assert found == {
            word: {*ids(*(rows[state] for state in states))} for word, states in expected.items()
        }

    async def test_what_waits_for_its_first_attempt_started_when_it_was_asked_for(self, api: Api) -> None:
        job = await api.create_job()
        await insert_each_status(api, job)
        await insert_minutes(api, job, 30, status="cancelled", started_at=at(31))
        body = await body_of(api.viewer, f"/jobs/{job['id']}/executions")
        started = [(one["state"], one["started_at"], one["queued_at"]) for one in body["executions"]]
        assert started[0][:2] == ("cancelled", z(at(31)))
        for state, started_at, queued_at in started[1:]:
            never_ran = state in ("cancelled", "missed", "skipped")
            assert started_at == (None if never_ran else queued_at), state

    async def test_it_names_the_repository_of_a_github_target(self, api: Api) -> None:
        job = await api.create_job()
        await insert_minutes(
            api, job, 1, target_kind="github_actions", target_label="myorg/myrepo/backup.yml"
        )
        await insert_minutes(api, job, 2, target_label="https://example.com/a/b")
        body = await body_of(api.viewer, f"/jobs/{job['id']}/executions")
        told = [(one["execution_type"], one["github_repo"], one["target"]) for one in body["executions"]]
        assert told == [
            ("webhook", None, "https://example.com/a/b"),
            ("github_actions", "myrepo", "myorg/myrepo/backup.yml"),
        ]

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
        statuses = "status must be of: running, success, failed, cancelled, missed, skipped, waiting, queued, unknown, "
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
            "status=succeeded": (400, "Invalid status", f"{statuses}dead_letter, lost"),
            "trigger_type=cron": (
                400,
                "Invalid request",
                "trigger_type: Input should be 'scheduled', 'manual' or 'backfill'",
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

    async def test_a_deleted_jobs_executions_are_a_404_here(self, api: Api) -> None:
        job = await api.create_job()
        row = await api.insert_execution(job)
        assert (await api.user.delete(f"/jobs/{job['id']}")).status_code == 200
        for path in ("executions", "executions/stats", f"executions/{row['id']}"):
            answer = await api.admin.get(f"/jobs/{job['id']}/{path}")
            assert (answer.status_code, answer.json()["error"]) == (404, "Job not found"), path

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
