"""Trying a target without a job: what an executor is asked over a real bus, and what the caller is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from nats.aio.msg import Msg

from services.gateway.auth import passwords
from services.gateway.auth.tokens import TokenKind
from services.gateway.commands import trial as trial_commands
from services.gateway.commands.users import register_user
from services.gateway.domain.actor import SYSTEM, Role
from services.gateway.gateway import Gateway
from services.gateway.store.tables import events, executions, jobs, runs
from shared.bus.connect import Bus
from shared.domain.job import GitHubTarget, HttpMethod, WebhookTarget
from shared.trial import Trial, TrialResult, open_trial, trial_subject
from tests.fixtures.bus import connected
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import (
    PASSWORD,
    QUICK_HASH,
    Api,
    Json,
    MovableClock,
    client_of,
    gateway_settings,
    running_app,
)
from tests.fixtures.nats import NatsProcess

HOOK = "https://example.com/hook"
WORKFLOW = {"github_owner": "octo", "github_repo": "repo", "github_workflow_name": "workflow.yml"}
OK = TrialResult(
    ok=True, type="webhook", status_code=200, message="Webhook test run succeeded.", duration_seconds=0.25
)


@dataclass
class Executor:
    """Answers what it is asked with what it is told to."""

    gateway: Gateway
    reply: Callable[[], bytes] = field(default=lambda: OK.model_dump_json().encode())
    requests: list[bytes] = field(default_factory=list)

    async def answer(self, message: Msg) -> None:
        self.requests.append(message.data)
        await message.respond(self.reply())

    def will_answer(self, result: TrialResult) -> None:
        self.reply = lambda: result.model_dump_json().encode()

    @property
    def trial(self) -> Trial:
        """The last one."""
        return open_trial(self.gateway.box, self.requests[-1])


@dataclass(frozen=True)
class World:
    """A gateway on a bus, a user of it, and whoever answers."""

    gateway: Gateway
    user: httpx.AsyncClient
    bus: Bus

    @asynccontextmanager
    async def executor(self) -> AsyncIterator[Executor]:
        executor = Executor(self.gateway)
        subscription = await self.bus.nc.subscribe(
            trial_subject("default"), queue="executors", cb=executor.answer
        )
        await self.bus.nc.flush()
        try:
            yield executor
        finally:
            await subscription.unsubscribe()

    async def test_run(self, **body: Any) -> httpx.Response:
        return await self.user.post("/jobs/test-run", json=body)


@pytest.fixture
async def world(
    database_url: str, nats_server: NatsProcess, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    monkeypatch.setattr(passwords, "_argon2id", QUICK_HASH)
    settings = gateway_settings(database_url, nats_url=nats_server.url)
    async with running_app(settings, MovableClock()) as app, connected(nats_server.url) as bus:
        gateway: Gateway = app.state.gateway
        user = await register_user(
            gateway,
            username="user",
            email="user@example.com",
            password=PASSWORD,
            role=Role.USER,
            actor=SYSTEM,
        )
        await eventually(lambda: gateway.bus.is_connected)
        async with client_of(app, gateway.tokens.issue(TokenKind.ACCESS, user).text) as client:
            yield World(gateway, client, bus)


async def test_a_webhook_is_called_as_a_job_would_call_it(world: World) -> None:
    async with world.executor() as executor:
        answer = await world.test_run(target_url=HOOK, metadata={"k": "v"}, timeout_seconds=3)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "ok": True,
            "type": "webhook",
            "status_code": 200,
            "message": "Webhook test run succeeded.",
            "duration_seconds": 0.25,
        },
    )
    assert executor.trial == Trial(
        target=WebhookTarget(url=HOOK), metadata={"k": "v"}, github_token=None, timeout_seconds=3
    )


async def test_the_method_may_be_chosen_and_the_timeout_has_a_default(world: World) -> None:
    async with world.executor() as executor:
        await world.test_run(target_url=HOOK, webhook={"method": "POST"}, metadata=None)
    assert executor.trial.target == WebhookTarget(url=HOOK, method=HttpMethod.POST)
    assert (executor.trial.metadata, executor.trial.timeout_seconds) == ({}, 10)


async def test_a_workflow_is_dispatched_with_the_token_that_was_sent(world: World) -> None:
    async with world.executor() as executor:
        executor.will_answer(
            TrialResult(ok=True, type="github_actions", status_code=204, message="Dispatched.")
        )
        answer = await world.test_run(**WORKFLOW, metadata={"ref": "dev"}, github_token="ghp_secret")
    assert answer.json() == {
        "ok": True,
        "type": "github",
        "status_code": 204,
        "message": "Dispatched.",
        "duration_seconds": None,
    }
    assert executor.trial.target == GitHubTarget(owner="octo", repo="repo", workflow="workflow.yml")
    assert (executor.trial.github_token, executor.trial.metadata) == ("ghp_secret", {"ref": "dev"})
    assert b"ghp_secret" not in executor.requests[0]


async def test_what_goes_wrong_is_an_answer_too(world: World) -> None:
    async with world.executor() as executor:
        executor.will_answer(
            TrialResult(
                ok=False,
                type="github_actions",
                error="GitHub token not configured",
                message="Set GITHUB_TOKEN.",
            )
        )
        no_token = await world.test_run(**WORKFLOW)
        executor.will_answer(
            TrialResult(ok=False, type="webhook", status_code=500, error="HTTP 500", message="Failed.")
        )
        refused = await world.test_run(target_url=HOOK)
    assert (no_token.status_code, refused.status_code) == (200, 200)
    assert no_token.json() == {
        "ok": False,
        "type": "github",
        "status_code": None,
        "error": "GitHub token not configured",
        "message": "Set GITHUB_TOKEN.",
        "duration_seconds": None,
    }
    assert (refused.json()["ok"], refused.json()["status_code"], refused.json()["error"]) == (
        False,
        500,
        "HTTP 500",
    )


async def test_a_trial_leaves_no_trace(world: World) -> None:
    before = [row["id"] for row in await rows_of(world.gateway.database, events)]
    async with world.executor():
        await world.test_run(target_url=HOOK)
    assert [row["id"] for row in await rows_of(world.gateway.database, events)] == before
    for table in (jobs, executions, runs):
        assert await rows_of(world.gateway.database, table) == []


async def test_several_at_once_each_get_their_own_answer(world: World) -> None:
    async with world.executor() as executor:
        answers = await asyncio.gather(
            *(world.test_run(target_url=f"{HOOK}/{number}") for number in range(10))
        )
    assert {answer.status_code for answer in answers} == {200}
    asked = {open_trial(world.gateway.box, request).target.url for request in executor.requests}
    assert asked == {f"{HOOK}/{number}" for number in range(10)}


def is_unavailable(answer: httpx.Response) -> bool:
    body: Json = answer.json()
    return (
        (answer.status_code, body["error"]) == (503, "Service unavailable")
        and bool(body["message"])
        and "Retry-After" in answer.headers
    )


async def test_without_an_executor_it_is_unavailable_at_once(world: World) -> None:
    async with asyncio.timeout(5):
        assert is_unavailable(await world.test_run(target_url=HOOK, timeout_seconds=30))


async def test_an_executor_that_never_answers_is_not_waited_for_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_commands, "GRACE", 0.1)

    async def stay_silent(_message: Msg) -> None:
        await asyncio.sleep(0)

    await world.bus.nc.subscribe(trial_subject("default"), cb=stay_silent)
    await world.bus.nc.flush()
    assert is_unavailable(await world.test_run(target_url=HOOK, timeout_seconds=1))


async def test_an_executor_that_could_not_try_makes_it_unavailable(world: World) -> None:
    async with world.executor() as executor:
        executor.will_answer(TrialResult(ok=False, type="unknown", error="Busy", message="Too many trials."))
        busy = await world.test_run(target_url=HOOK)
        executor.reply = lambda: b"not json"
        broken = await world.test_run(target_url=HOOK)
    assert is_unavailable(busy)
    assert busy.json()["message"] == "Too many trials."
    assert is_unavailable(broken)


async def test_while_the_server_is_away_it_is_unavailable_and_afterwards_works_again(
    world: World, nats_server: NatsProcess
) -> None:
    async with world.executor():
        await nats_server.kill()
        await eventually(lambda: not world.gateway.bus.is_connected)
        assert is_unavailable(await world.test_run(target_url=HOOK))
        await nats_server.start()

        async def works() -> bool:
            return (await world.test_run(target_url=HOOK)).status_code == 200

        await eventually(works)


async def test_what_nobody_could_call_is_refused(api: Api) -> None:
    for body, error in [
        ({}, "Missing target configuration"),
        ({"metadata": {}}, "Missing target configuration"),
        ({"target_url": ""}, "Missing target configuration"),
        ({"github_owner": "octo", "github_repo": "repo"}, "Missing target configuration"),
        ({"github_repo": "repo", "github_workflow_name": "w.yml"}, "Missing target configuration"),
        ({"target_url": HOOK, "metadata": ["nope"]}, "Invalid metadata"),
        ({"target_url": HOOK, "metadata": {"n": 2**63}}, "Invalid metadata"),
        ({"target_url": HOOK, "metadata": {"k": "x" * 70_000}}, "Invalid metadata"),
        ({"target_url": "ftp://example.com/hook"}, "Invalid target_url"),
        ({"target_url": "https://me:secret@example.com/"}, "Invalid target_url"),
        ({"target_url": HOOK + "x" * 500}, "Invalid target_url"),
        ({**WORKFLOW, "github_workflow_name": "w"}, "Invalid github_workflow_name"),
        ({**WORKFLOW, "github_token": "two\nlines"}, "Invalid github_token"),
        ({"target_url": HOOK, "timeout_seconds": 31}, "Invalid timeout_seconds"),
        ({"target_url": HOOK, "timeout_seconds": 0}, "Invalid timeout_seconds"),
        ({"target_url": HOOK, "name": "x"}, "Invalid payload"),
    ]:
        answer = await api.user.post("/jobs/test-run", json=body)
        assert (answer.status_code, answer.json()["error"]) == (400, error), body
        assert answer.json()["message"]
        assert "two" not in answer.text


async def test_what_is_no_json_object_is_refused(api: Api) -> None:
    requests: list[tuple[dict[str, Any], str]] = [
        (
            {"content": b"x", "headers": {"Content-Type": "text/plain"}},
            "Content-Type must be application/json",
        ),
        ({"json": []}, "Invalid payload"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, "Invalid JSON"),
    ]
    for request, error in requests:
        answer = await api.user.post("/jobs/test-run", **request)
        assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_editors_may_try_in_both_contracts_and_without_a_bus_it_is_unavailable(api: Api) -> None:
    everybody = {"admin": 503, "user": 503, "other": 503, "viewer": 403, "anonymous": 401}
    for version in ("/api/v2", "/api"):
        for person, status in everybody.items():
            client: httpx.AsyncClient = getattr(api, person)
            path = f"{api.app.state.origin}{version}/jobs/test-run"
            answer = await client.post(path, json={"target_url": HOOK})
            assert answer.status_code == status, (version, person)
            assert is_unavailable(answer) is (status == 503)
