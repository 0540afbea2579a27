"""The older contract's executions: the same, but one of a job alone."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fixtures.gateway import Api, body_of
from tests.integration.gateway.executions import insert_minutes, shown


@pytest.fixture
async def v1(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A viewer who speaks the older contract."""
    async with httpx.AsyncClient(
        base_url=f"{api.app.state.origin}/api", headers=api.viewer.headers, trust_env=False
    ) as client:
        yield client


async def test_one_of_a_job_has_the_jobs_name_in_it(api: Api, v1: httpx.AsyncClient) -> None:
    job = await api.create_job()
    [row] = await insert_minutes(api, job, 1)
    body = await body_of(v1, f"/jobs/{job['id']}/executions/{row['id']}")
    assert body == {"execution": {**shown(job, row), "attempts": []}}
    assert body["execution"]["job_name"] == job["name"]


async def test_everything_else_is_what_v2_answers(api: Api, v1: httpx.AsyncClient) -> None:
    job = await api.create_job()
    [row, *_] = await insert_minutes(api, job, 1, 2, 3)
    await api.insert_notification("viewer")
    for path in (
        f"/jobs/{job['id']}/executions?limit=2&status=success",
        f"/jobs/{job['id']}/executions/stats",
        "/executions?page=2&limit=1",
        "/executions/statistics?from=2026-11-21",
        f"/executions/{row['id']}",
        "/notifications?unread_only=true",
        "/notifications/unread-count",
    ):
        assert await body_of(v1, path) == await body_of(api.viewer, path), path


async def test_what_is_not_there_is_a_404(api: Api, v1: httpx.AsyncClient) -> None:
    job, other = await api.create_job(), await api.create_job()
    [row] = await insert_minutes(api, other, 1)
    answers = [await v1.get(f"/jobs/{one}/executions/{row['id']}") for one in (job["id"], row["id"])]
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
        (404, "Execution not found"),
        (404, "Job not found"),
    ]


async def test_nobody_looks_without_a_token(api: Api, v1: httpx.AsyncClient) -> None:
    job = await api.create_job()
    [row] = await insert_minutes(api, job, 1)
    v1.headers.pop("Authorization")
    answer = await v1.get(f"/jobs/{job['id']}/executions/{row['id']}")
    assert answer.status_code == 401
