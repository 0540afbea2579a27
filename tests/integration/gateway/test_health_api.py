"""Health answers whatever is broken, and what is broken answers honestly."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from structlog.testing import capture_logs

from services.gateway.queries import health, jobs
from tests.fixtures.gateway import Api, Json, body_of, client_of, job_body, running_app

DOWN = {
    "status": "degraded",
    "scheduler_running": False,
    "scheduled_jobs_count": 0,
    "database": "ok",
    "bus": "unreachable",
}
UNAVAILABLE = {"error": "Service unavailable", "message": "the database does not answer"}


@asynccontextmanager
async def database_moved(api: Api, port: int) -> AsyncIterator[None]:
    """Meanwhile the gateway looks for its database on this port of loopback."""
    database = api.gateway.database
    elsewhere = create_async_engine(f"postgresql+psycopg://127.0.0.1:{port}/nothing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "engine", elsewhere)
        patch.setattr(database, "_writer", elsewhere)
        yield
    await elsewhere.dispose()


class TestHealth:
    async def test_without_the_bus_it_is_degraded_and_says_why(self, api: Api) -> None:
        await api.create_job()
        await api.create_job(is_active=False)
        assert await body_of(api.anonymous, "/health") == {**DOWN, "scheduled_jobs_count": 1}

    async def test_without_the_database_it_answers_all_the_same(self, api: Api) -> None:
        async with database_moved(api, 1):
            body = await body_of(api.anonymous, "/health")
        assert body == {**DOWN, "scheduled_jobs_count": None, "database": "unreachable"}

    async def test_it_does_not_wait_for_a_database_that_says_nothing(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health, "PATIENCE", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            async with database_moved(api, silent.getsockname()[1]):
                body = await body_of(api.anonymous, "/health")
        assert (body["status"], body["database"]) == ("degraded", "unreachable")


class TestFailures:
    async def test_while_the_database_is_away_others_are_told_when_to_come_back(self, api: Api) -> None:
        await body_of(api.user, "/jobs")  # the caller is known from now on
        async with database_moved(api, 1):
            answers = [
                await api.user.get("/jobs"),
                await api.user.post("/jobs", json=job_body()),
                await api.other.get("/jobs"),
                await api.anonymous.post("/auth/login", json={"username": "user", "password": "x"}),
            ]
        assert [(one.status_code, one.json(), one.headers["Retry-After"]) for one in answers] == [
            (503, UNAVAILABLE, "5")
        ] * 4
        assert await body_of(api.user, "/jobs") == {"count": 0, "jobs": []}

    async def test_what_nobody_foresaw_tells_the_caller_nothing(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = api.gateway.settings.model_copy(update={"expose_error_details": False})
        token = api.user.headers["Authorization"].removeprefix("Bearer ")
        async with running_app(settings, api.clock) as app, client_of(app, token) as client:
            answer = await self.failing(client, monkeypatch)
        assert (answer.status_code, answer.json()) == (
            500,
            {"error": "Internal server error", "message": "An unexpected error occurred"},
        )

    async def test_a_developer_may_see_it(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = await self.failing(api.user, monkeypatch)
        assert answer.json()["message"] == "ZeroDivisionError: a secret"

    async def test_a_path_or_a_method_that_is_none_is_refused_in_the_same_form(self, api: Api) -> None:
        answers = [await api.admin.get("/nothing"), await api.admin.patch("/jobs")]
        bodies: list[Json] = [
            {"error": "Not found", "message": "There is nothing at this path"},
            {"error": "Method not allowed", "message": "This path does not take this method"},
        ]
        assert [(one.status_code, one.json()) for one in answers] == [(404, bodies[0]), (405, bodies[1])]

    async def failing(self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> httpx.Response:
        async def fail(*_: object, **__: object) -> None:
            raise ZeroDivisionError("a secret")

        monkeypatch.setattr(jobs, "list_jobs", fail)
        with capture_logs() as logs:
            answer = await client.get("/jobs")
        [log] = [log for log in logs if log["action"] == "request"]
        expected = {"log_level": "error", "event": "request failed", "exc_info": True}
        assert log == {**expected, "action": "request", "method": "GET", "path": "/api/v2/jobs"}
        return answer


class TestOrigins:
    ORIGIN = "https://app.example.com"

    @asynccontextmanager
    async def asked_from_elsewhere(self, api: Api, allowed: str) -> AsyncIterator[httpx.AsyncClient]:
        settings = api.gateway.settings.model_copy(update={"cors_origins": allowed})
        async with running_app(settings, api.clock) as app, client_of(app) as client:
            client.headers["Origin"] = self.ORIGIN
            yield client

    async def test_a_browser_may_ask_from_allowed_origins_only(self, api: Api) -> None:
        seen = {}
        for allowed in ("", "https://other.example.com", f" {self.ORIGIN} ,https://other.example.com", "*"):
            async with self.asked_from_elsewhere(api, allowed) as client:
                headers = (await client.get("/health", headers={"Cookie": "a=b"})).headers
            names = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")
            seen[allowed] = [headers.get(name) for name in names]
        assert list(seen.values()) == [[None, None], [None, "true"], [self.ORIGIN, "true"], ["*", None]]

    async def test_it_may_read_errors_too(self, api: Api) -> None:
        async with self.asked_from_elsewhere(api, self.ORIGIN) as client:
            answers = [
                await client.get("/jobs"),
                await client.post("/auth/login", content=b" " * (2**20 + 1)),
            ]
        assert [(one.status_code, one.headers["Access-Control-Allow-Origin"]) for one in answers] == [
            (401, self.ORIGIN),
            (413, self.ORIGIN),
        ]
