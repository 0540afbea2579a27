"""Jobs as v1 takes them: the same jobs, less is required."""

from typing import Any

import httpx

from services.gateway.auth.tokens import TokenKind
from tests.fixtures.gateway import Api, Json, body_of, client_of

LEAST: Json = {
    "name": "Hourly Health Check",
    "cron_expression": "0 * * * *",
    "target_url": "https://api.example.com/health",
}


class V1:
    """A person's requests to v1."""

    def __init__(self, api: Api, client: httpx.AsyncClient) -> None:
        self._base = f"{api.app.state.origin}/api"
        self._client = client

    async def __call__(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self._client.request(method, f"{self._base}{path}", json=body)


async def create(api: Api, **fields: Any) -> Json:
    answer = await V1(api, api.user)("POST", "/jobs", {**LEAST, **fields})
    assert answer.status_code == 201, answer.text
    job: Json = answer.json()["job"]
    return job


class TestCreate:
    async def test_name_expression_and_target_suffice(self, api: Api) -> None:
        answer = await V1(api, api.user)("POST", "/jobs", LEAST)
        job = answer.json()["job"]
        assert (answer.status_code, answer.json()["message"]) == (201, "Job created successfully")
        assert answer.headers["Location"] == f"/api/jobs/{job['id']}"
        expected = {**LEAST, "end_date": None, "pic_team": None, "category": "general", "is_active": True}
        assert {name: job[name] for name in expected} == expected
        assert job["next_execution_at"] == "2026-11-21T22:00:00+09:00"
        assert await body_of(api.viewer, f"/jobs/{job['id']}") == {"job": job}

    async def test_a_job_without_a_last_day_never_ends(self, api: Api) -> None:
        job = await create(api)
        api.clock.advance(days=10_000)
        token = api.gateway.tokens.issue(TokenKind.ACCESS, api.people["user"]).text
        async with client_of(api.app, token) as client:
            shown = (await body_of(client, f"/jobs/{job['id']}"))["job"]
            assert shown["next_execution_at"] == "2054-04-08T22:00:00+09:00"
            assert (await V1(api, client)("POST", f"/jobs/{job['id']}/execute")).status_code == 200

    async def test_what_is_given_is_judged_as_in_v2(self, api: Api) -> None:
        for fields, error in (
            ({"name": None}, "Invalid name"),
            ({"name": ""}, "Job name cannot be empty"),
            ({"cron_expression": "* * * *"}, "Invalid cron expression"),
            ({"end_date": "2026-11-20"}, "Invalid end_date"),
            ({"pic_team": "nobody"}, "Invalid PIC team"),
            ({"category": "none"}, "Invalid category"),
            ({"target_url": None}, "Missing target configuration"),
            ({"more": 1}, "Invalid payload"),
        ):
            answer = await V1(api, api.user)("POST", "/jobs", {**LEAST, **fields})
            assert (answer.status_code, answer.json()["error"]) == (400, error)
        for missing in ("name", "cron_expression"):
            given = {name: value for name, value in LEAST.items() if name != missing}
            answer = await V1(api, api.user)("POST", "/jobs", given)
            assert (answer.status_code, answer.json()["error"]) == (400, "Missing required fields")
        assert await body_of(api.user, "/jobs") == {"count": 0, "jobs": []}

    async def test_a_taken_name_is_a_400_in_both_contracts(self, api: Api) -> None:
        await create(api)
        answer = await V1(api, api.other)("POST", "/jobs", LEAST)
        assert (answer.status_code, answer.json()["error"]) == (400, "Duplicate job name")


class TestUpdate:
    async def test_the_last_day_and_the_team_may_be_taken_away(self, api: Api) -> None:
        job = await api.create_job(end_date="2026-12-31")
        answer = await V1(api, api.user)("PUT", f"/jobs/{job['id']}", {"end_date": None, "pic_team": None})
        changes = {"end_date": None, "pic_team": None, "version": 2}
        expected = {**job, **changes, "schedule": {**job["schedule"], "end_date": None}}
        assert (answer.status_code, answer.json()) == (
            200,
            {"message": "Job updated successfully", "job": expected},
        )
        other = await api.create_job()
        answer = await api.user.put(f"/jobs/{other['id']}", json={"end_date": None})
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid end_date")

    async def test_only_what_is_given_changes(self, api: Api) -> None:
        job = await api.create_job()
        answer = await V1(api, api.user)("PUT", f"/jobs/{job['id']}", {"cron_expression": "*/15 * * * *"})
        changed = answer.json()["job"]
        assert {name for name in job if job[name] != changed[name]} == {
            "cron_expression",
            "schedule",
            "next_execution_at",
            "version",
        }
        assert answer.headers["ETag"] == '"2"'

    async def test_nobody_changes_what_belongs_to_others(self, api: Api) -> None:
        job = await create(api)
        seen = {}
        for caller in ("admin", "user", "other", "viewer", "anonymous"):
            client = V1(api, getattr(api, caller))
            answers = [
                await client("POST", "/jobs", {**LEAST, "name": caller}),
                await client("PUT", f"/jobs/{job['id']}", {"metadata": {"by": caller}}),
                await client("GET", f"/jobs/{job['id']}"),
            ]
            seen[caller] = [answer.status_code for answer in answers]
        assert seen == {
            "admin": [201, 200, 200],
            "user": [201, 200, 200],
            "other": [201, 403, 200],
            "viewer": [403, 403, 200],
            "anonymous": [401, 401, 401],
        }


async def test_the_rest_is_the_same_as_in_v2(api: Api) -> None:
    job, v1 = await create(api), V1(api, api.user)
    for path in ("/jobs", f"/jobs/{job['id']}", f"/jobs/{job['id']}/history"):
        assert (await v1("GET", path)).json() == await body_of(api.user, path)
    answer = await v1("POST", f"/jobs/{job['id']}/execute")
    assert set(answer.json()) == {"message", "job_id", "execution"}
    answer = await v1("DELETE", f"/jobs/{job['id']}")
    deleted = {"id": job["id"], "name": job["name"]}
    assert answer.json() == {"message": "Job deleted successfully", "deleted_job": deleted}
    assert (await v1("POST", f"/jobs/{job['id']}/restore")).status_code == 200
    answer = await v1("POST", "/jobs/validate-cron", {"cron_expression": "* * * * *"})
    assert answer.json()["valid"] is True
