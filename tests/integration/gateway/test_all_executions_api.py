"""The executions of all jobs: filters, pages by number and by cursor, and what outlives its job."""

import base64
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.gateway.store.tables import executions
from shared.domain.execution import Status
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.gateway import Api, Json, body_of
from tests.integration.gateway.executions import at, ids, insert_each_status, insert_minutes, shown

OPEN = {"from": None, "to": None}


async def listed(api: Api, **query: Any) -> list[str]:
    """Which executions a query finds."""
    return ids(*(await body_of(api.viewer, "/executions", **query))["executions"])


async def refusals(api: Api, *queries: str) -> dict[str, tuple[int, str]]:
    answers = {query: await api.viewer.get(f"/executions?{query}") for query in queries}
    return {query: (answer.status_code, answer.json()["error"]) for query, answer in answers.items()}


async def insert_at_once(api: Api, job: Json, count: int) -> set[str]:
    """Manual runs that were all asked for at one instant."""
    first = await api.insert_execution(job, kind="manual")
    copies = [{**first, "id": uuid4()} for _ in range(count - 1)]
    async with api.gateway.database.write() as connection:
        await connection.execute(executions.insert(), copies)
    return {*ids(first, *copies)}


class TestList:
    async def test_without_any_there_is_no_page(self, api: Api) -> None:
        assert await body_of(api.viewer, "/executions") == {
            "executions": [],
            "total": 0,
            "page": 1,
            "limit": 20,
            "total_pages": 0,
            "next_cursor": None,
            "range": OPEN,
        }

    async def test_it_shows_every_field_of_all_jobs_newest_first(self, api: Api) -> None:
        job, other = await api.create_job(), await api.create_job()
        [old] = await insert_minutes(api, job, 1, output="done", response_status=200, duration_seconds=1.5)
        [new] = await insert_minutes(api, other, 2, status="dead_letter", error_message="HTTP 500", attempt=3)
        assert await body_of(api.viewer, "/executions") == {
            "executions": [shown(other, new), shown(job, old)],
            "total": 2,
            "page": 1,
            "limit": 20,
            "total_pages": 1,
            "next_cursor": None,
            "range": OPEN,
        }

    async def test_those_of_deleted_jobs_stay(self, api: Api) -> None:
        job = await api.create_job()
        [row] = await insert_minutes(api, job, 1)
        assert (await api.user.delete(f"/jobs/{job['id']}")).status_code == 200
        assert await listed(api) == await listed(api, job_id=job["id"]) == ids(row)
        body = await body_of(api.viewer, f"/executions/{row['id']}")
        assert body == {"execution": {**shown(job, row), "attempts": []}}

    async def test_it_finds_by_each_filter_and_by_all_of_them(self, api: Api) -> None:
        job, other = await api.create_job(), await api.create_job()
        [good] = await insert_minutes(api, job, 1)
        [bad] = await insert_minutes(api, job, 2, status="failed", target_kind="github_actions")
        manual = await api.insert_execution(other, kind="manual", status="queued", queued_at=at(3))
        everything = f"job_id={job['id']}&status=failed&trigger_type=scheduled&execution_type=github_actions"
        found = {
            query: await listed(api, **dict(part.split("=") for part in query.split("&")))
            for query in (
                "status=success",
                "status= failed , ,running",
                "status=",
                "trigger_type=manual",
                "trigger_type=scheduled",
                "execution_type=github_actions",
                "execution_type=webhook",
                f"job_id={job['id']}",
                f"job_id={uuid4()}",
                f"{everything}&from=2026-11-21T12:02:00Z&to=2026-11-21",
                f"{everything}&to=2026-11-21T12:02:00Z",
            )
        }
        assert list(found.values()) == [
            ids(good),
            ids(manual, bad),
            ids(manual, bad, good),
            ids(manual),
            ids(bad, good),
            ids(bad),
            ids(manual, good),
            ids(bad, good),
            [],
            ids(bad),
            [],
        ]

    async def test_each_status_can_be_asked_for_alone_and_with_others(self, api: Api) -> None:
        rows = await insert_each_status(api, await api.create_job())
        newest_first = list(reversed(rows.values()))
        for word in set(rows) - {"running", "failed"}:
            assert await listed(api, status=word) == ids(rows[word]), word
        open_ones = ("unknown", "running", "queued", "waiting")
        assert await listed(api, status="running") == ids(*(rows[word] for word in open_ones))
        failed = ("lost", "dead_letter", "failed")
        assert await listed(api, status="failed") == ids(*(rows[word] for word in failed))
        assert await listed(api, status=",".join(Status)) == ids(*newest_first)

    async def test_the_period_is_answered_as_it_was_understood(self, api: Api) -> None:
        first, second = await insert_minutes(api, await api.create_job(), 1, 2)
        queries = [
            {"from": "2026-11-21T12:01:00Z", "to": "2026-11-21T12:02:00Z"},
            {"from": "2026-11-21T21:02:00+09:00"},
            {"from": "2026-11-21", "to": "2026-11-21"},
            {"to": "2026-11-20"},
        ]
        bodies = [await body_of(api.user, "/executions", **query) for query in queries]
        assert [body["range"] for body in bodies] == [
            {"from": "2026-11-21T12:01:00Z", "to": "2026-11-21T12:02:00Z"},
            {"from": "2026-11-21T12:02:00Z", "to": None},
            {"from": "2026-11-21T00:00:00Z", "to": "2026-11-22T00:00:00Z"},
            {"from": None, "to": "2026-11-21T00:00:00Z"},
        ]
        assert [ids(*body["executions"]) for body in bodies] == [
            ids(first),
            ids(second),
            ids(second, first),
            [],
        ]
        assert [body["total"] for body in bodies] == [1, 1, 2, 0]

    async def test_a_query_that_makes_no_sense_is_a_400(self, api: Api) -> None:
        invalid = (400, "Invalid request")
        assert await refusals(
            api,
            "from=yesterday",
            "from=2026-11-22&to=2026-11-21",
            "status=succeeded",
            "trigger_type=cron",
            "execution_type=telegram",
            "job_id=1",
            "page=0",
            "page=1000001",
            "limit=0",
            "limit=many",
        ) == {
            "from=yesterday": (400, "Invalid date"),
            "from=2026-11-22&to=2026-11-21": (400, "Invalid date range"),
            "status=succeeded": (400, "Invalid status"),
            "trigger_type=cron": invalid,
            "execution_type=telegram": invalid,
            "job_id=1": invalid,
            "page=0": invalid,
            "page=1000001": invalid,
            "limit=0": invalid,
            "limit=many": invalid,
        }


class TestPages:
    async def test_by_number_they_follow_one_another(self, api: Api) -> None:
        rows = await insert_minutes(api, await api.create_job(), 1, 2, 3, 4, 5)
        newest = ids(*reversed(rows))
        pages = [await body_of(api.user, "/executions", page=page, limit=2) for page in (1, 2, 3, 4)]
        assert [ids(*page["executions"]) for page in pages] == [newest[:2], newest[2:4], newest[4:], []]
        numbers = [(one["page"], one["limit"], one["total"], one["total_pages"]) for one in pages]
        assert numbers == [(page, 2, 5, 3) for page in (1, 2, 3, 4)]
        assert [one["next_cursor"] is not None for one in pages] == [True, True, False, False]

    async def test_one_has_20_unless_more_are_wanted_and_200_at_most(self, api: Api) -> None:
        await insert_at_once(api, await api.create_job(), 205)
        bodies = [await body_of(api.user, "/executions", **query) for query in ({}, {"limit": 10_000})]
        assert [(one["limit"], len(one["executions"]), one["total_pages"]) for one in bodies] == [
            (20, 20, 11),
            (200, 200, 2),
        ]

    @pytest.mark.parametrize("query", [{}, {"status": "running,success"}, {"trigger_type": "manual"}])
    async def test_by_cursor_each_is_seen_once_also_of_those_that_came_at_once(
        self, api: Api, query: dict[str, str]
    ) -> None:
        job = await api.create_job()
        expected = await insert_at_once(api, job, 25)
        expected |= {*ids(await api.insert_execution(job, kind="manual", status="queued", queued_at=at(9)))}
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            body = await body_of(api.user, "/executions", limit=7, cursor=cursor, **query)
            assert (body["total"], body["total_pages"], body["page"]) == (26, 4, 1)
            seen += ids(*body["executions"])
            cursor = body["next_cursor"]
        assert sorted(seen) == sorted(expected)
        assert seen == await listed(api, limit=200, **query)

    async def test_what_comes_meanwhile_moves_no_page_from_a_cursor(self, api: Api) -> None:
        job = await api.create_job()
        rows = await insert_minutes(api, job, 1, 2, 3)
        first = await body_of(api.user, "/executions", limit=1)
        await insert_minutes(api, job, 4, 5)
        assert await listed(api, cursor=first["next_cursor"]) == ids(rows[1], rows[0])

    async def test_a_cursor_that_nobody_was_given_is_a_400(self, api: Api) -> None:
        given = base64.urlsafe_b64encode(b"\x7f" + b"\xff" * 23).decode()
        queries = ("cursor=x", "cursor=%00", "cursor=AAAA", f"cursor={given}", "cursor=é", "cursor=x&page=2")
        invalid = (400, "Invalid cursor")
        assert await refusals(api, *queries) == dict.fromkeys(queries, invalid)

    async def test_a_cursor_keeps_microseconds(self, api: Api) -> None:
        job = await api.create_job()
        moments = [SOME_TIME + timedelta(microseconds=number) for number in range(4)]
        rows = [await api.insert_execution(job, kind="manual", queued_at=moment) for moment in moments]
        body = await body_of(api.user, "/executions", limit=2)
        assert await listed(api, cursor=body["next_cursor"]) == ids(rows[1], rows[0])


class TestOne:
    async def test_it_has_its_attempts(self, api: Api) -> None:
        job = await api.create_job()
        row = await api.insert_execution(job, attempt=1)
        await api.insert_attempt(row, response_status=200)
        body = await body_of(api.viewer, f"/executions/{row['id']}")
        assert set(body) == {"execution"}
        assert {**body["execution"], "attempts": len(body["execution"]["attempts"])} == {
            **shown(job, row),
            "attempts": 1,
        }

    async def test_what_is_not_there_is_a_404(self, api: Api) -> None:
        unknown = uuid4()
        answers = [await api.viewer.get(f"/executions/{one}") for one in (unknown, "latest")]
        assert [(answer.status_code, answer.json()) for answer in answers] == [
            (404, {"error": "Execution not found", "message": f"No execution found with ID: {unknown}"}),
            (404, {"error": "Execution not found", "message": "This is not a valid ID"}),
        ]


@pytest.mark.parametrize("path", ["", "/statistics", "/{unknown}"])
async def test_everybody_who_is_logged_in_may_look_and_nobody_else(api: Api, path: str) -> None:
    expected = 404 if "{" in path else 200
    path = path.format(unknown=uuid4())
    answers = [await one.get(f"/executions{path}") for one in (api.admin, api.user, api.other, api.viewer)]
    assert [answer.status_code for answer in answers] == [expected] * 4
    answer = await api.anonymous.get(f"/executions{path}")
    assert (answer.status_code, answer.json()["error"]) == (401, "Unauthorized")
