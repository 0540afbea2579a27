"""Asking for a run: with what it has of its own, which nobody may read afterwards."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.gateway.commands import runs as commands
from services.gateway.domain.run import MAX_ORDER_BYTES
from services.gateway.relay import open_order
from services.gateway.store.tables import events, executions, jobs, runs
from shared.events import RunTriggered
from shared.overrides import RunOverrides, open_overrides, target_of_run
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of, z

WORKFLOW = {"github_owner": "myorg", "github_repo": "myrepo", "github_workflow_name": "tests.yml"}
SECRETS = {
    "metadata": {"own": "hush-metadata"},
    "inputs": {"key": "hush-inputs"},
    "target_url": "https://hush.example.com/",
    "github_token": "hush-token",
}


async def execute(api: Api, job: Json, body: Any = None) -> Json:
    answer = await api.user.post(f"/jobs/{job['id']}/execute", json=body)
    assert answer.status_code == 200, answer.text
    execution: Json = answer.json()["execution"]
    return execution


async def order_of(api: Api, execution: Json) -> tuple[RunTriggered, RunOverrides]:
    """The work order of a run, as an executor reads it."""
    [row] = [
        row
        for row in await rows_of(api.gateway.database, runs)
        if str(row["execution_id"]) == execution["id"]
    ]
    order = open_order(api.gateway.box, SimpleNamespace(**row))  # type: ignore[arg-type] # a row by its names
    if order.sealed_overrides is None:
        return order, RunOverrides()
    opened = open_overrides(api.gateway.box, order.facts.execution_id, order.sealed_overrides)
    return order, opened


async def listed(api: Api, job: Json) -> list[Json]:
    body = await body_of(api.viewer, f"/jobs/{job['id']}/executions")
    found: list[Json] = body["executions"]
    return found


async def test_it_answers_the_run_that_waits(api: Api) -> None:
    job = await api.create_job(metadata={"secret": "hush"}, is_active=False)
    asked = api.clock.advance(minutes=1)
    answer = await api.user.post(f"/jobs/{job['id']}/execute")
    execution = answer.json()["execution"]
    assert (answer.status_code, answer.json()) == (
        200,
        {"message": "Job triggered successfully", "job_id": job["id"], "execution": execution},
    )
    expected = {
        "job_id": job["id"],
        "job_name": job["name"],
        "status": "running",
        "trigger_type": "manual",
        "execution_type": "webhook",
        "target": job["target_url"],
        "queued_at": z(asked),
        "planned_at": None,
    }
    assert {name: execution[name] for name in expected} == expected
    assert [one["id"] for one in await listed(api, job)] == [execution["id"]]
    [run] = await rows_of(api.gateway.database, runs)
    assert (run["execution_id"], run["requested_by"], run["published_seq"]) == (
        UUID(execution["id"]),
        api.people["user"].id,
        None,
    )
    assert b"hush" not in run["sealed_order"]


async def test_each_request_is_a_run_of_its_own(api: Api) -> None:
    job = await api.create_job()
    bodies: list[Any] = [None, {}]
    asked = [(await execute(api, job, body))["id"] for body in bodies]
    assert {one["id"] for one in await listed(api, job)} == set(asked)
    assert len(set(asked)) == 2


class TestOverrides:
    async def test_they_reach_the_executor_and_nobody_else(self, api: Api) -> None:
        job = await api.create_job(metadata={"kept": 1})
        answer = await api.user.post(f"/jobs/{job['id']}/execute", json=SECRETS)
        assert answer.status_code == 200
        execution = answer.json()["execution"]
        order, overrides = await order_of(api, execution)
        assert overrides == RunOverrides.model_validate(SECRETS)
        assert order.metadata == {"kept": 1}
        assert "hush" not in order.model_dump_json()
        assert (execution["target"], execution["execution_type"]) == (job["target_url"], "webhook")
        told = [
            answer.text,
            str(await body_of(api.user, f"/jobs/{job['id']}")),
            str(await body_of(api.user, f"/jobs/{job['id']}/history")),
            str(await body_of(api.user, f"/jobs/{job['id']}/executions")),
            str(await body_of(api.user, f"/jobs/{job['id']}/executions/{execution['id']}")),
            *[str(await rows_of(api.gateway.database, table)) for table in (jobs, events, executions, runs)],
        ]
        assert [text for text in told if "hush" in text] == []

    async def test_parts_of_a_workflow_are_completed_from_the_jobs_own(self, api: Api) -> None:
        job = await api.create_job(**WORKFLOW, target_url=None)
        for given, expected in (
            ({"github_workflow_name": "other.yml"}, "myorg/myrepo/other.yml"),
            ({"github_repo": "their/repo"}, "their/repo/tests.yml"),
            ({"github_owner": " them "}, "them/myrepo/tests.yml"),
            ({"github_owner": "", "metadata": {}}, "myorg/myrepo/tests.yml"),
            ({"github_token": "secret"}, "myorg/myrepo/tests.yml"),
            ({"target_url": "https://example.com/"}, "https://example.com/"),
        ):
            order, overrides = await order_of(api, await execute(api, job, given))
            assert target_of_run(order.target, overrides).label == expected

    async def test_a_webhook_job_may_run_a_workflow_once(self, api: Api) -> None:
        job = await api.create_job()
        execution = await execute(api, job, WORKFLOW)
        order, overrides = await order_of(api, execution)
        assert target_of_run(order.target, overrides).label == "myorg/myrepo/tests.yml"
        assert execution["target"] == job["target_url"]

    async def test_without_any_there_is_nothing_to_seal(self, api: Api) -> None:
        job = await api.create_job()
        bodies: list[Any] = [None, {}, {"metadata": {}, "inputs": None, "target_url": ""}]
        for body in bodies:
            order, _ = await order_of(api, await execute(api, job, body))
            assert order.sealed_overrides is None

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ([], "Invalid payload"),
            ("text", "Invalid payload"),
            ({"metadata": ["not", "a", "dict"]}, "Invalid payload"),
            ({"metadata": {"nul": "\0"}}, "Invalid payload"),
            ({"inputs": "text"}, "Invalid payload"),
            ({"target_url": 1}, "Invalid payload"),
            ({"target_url": f"https://example.com/{'x' * 500}"}, "Invalid payload"),
            ({"github_owner": ["myorg"]}, "Invalid payload"),
            ({"github_token": "two\nlines"}, "Invalid payload"),
            ({"dispatch_url": "github.com/not-a-valid-path"}, "Invalid payload"),
            ({"target_url": "file:///etc/passwd"}, "Invalid target_url"),
            ({"target_url": "http://user:pass@example.com/"}, "Invalid target_url"),
            ({"github_repo": "myrepo"}, "Missing target configuration"),
            ({"github_workflow_name": "x.yml"}, "Missing target configuration"),
            ({**WORKFLOW, "github_workflow_name": "x.sh"}, "Invalid github_workflow_name"),
            ({**WORKFLOW, "github_repo": ".."}, "Invalid github_repo"),
        ],
    )
    async def test_what_no_job_may_have_no_run_may_have(self, api: Api, body: Any, error: str) -> None:
        job = await api.create_job()
        answer = await api.user.post(f"/jobs/{job['id']}/execute", json=body)
        assert (answer.status_code, answer.json()["error"]) == (400, error)
        assert "pass@" not in answer.text
        assert await listed(api, job) == []

    async def test_the_largest_of_everything_fits_into_an_order(self, api: Api) -> None:
        most = {"text": "x" * 65_500}
        emails = [f"{'x' * 60}@{number}.{'y' * 60}.example.com" for number in range(50)]
        job = await api.create_job(
            name="n" * 255, metadata=most, enable_email_notifications=True, notification_emails=emails
        )
        order, overrides = await order_of(
            api, await execute(api, job, {**SECRETS, "metadata": most, "inputs": most})
        )
        assert (order.metadata, overrides.inputs) == (most, most)
        assert len(order.model_dump_json()) < MAX_ORDER_BYTES

    async def test_an_order_that_is_too_large_is_refused(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(commands, "MAX_ORDER_BYTES", 2_000)
        job = await api.create_job()
        await execute(api, job)
        answer = await api.user.post(f"/jobs/{job['id']}/execute", json={"inputs": {"text": "x" * 2_000}})
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid payload")
        assert len(await listed(api, job)) == 1


class TestPermissions:
    async def test_a_job_is_run_by_its_owner_and_administrators_only(self, api: Api) -> None:
        job = await api.create_job()
        seen = {}
        for caller in ("admin", "user", "other", "viewer", "anonymous"):
            answer = await getattr(api, caller).post(f"/jobs/{job['id']}/execute")
            seen[caller] = (answer.status_code, answer.json().get("error"))
        assert seen == {
            "admin": (200, None),
            "user": (200, None),
            "other": (403, "Insufficient permissions"),
            "viewer": (403, "Insufficient permissions"),
            "anonymous": (401, "Unauthorized"),
        }
        assert len(await listed(api, job)) == 2

    async def test_a_job_that_is_not_there_is_a_404(self, api: Api) -> None:
        answer = await api.user.post(f"/jobs/{uuid4()}/execute")
        assert (answer.status_code, answer.json()["error"]) == (404, "Job not found")


async def test_an_ended_job_is_paused_instead(api: Api) -> None:
    job = await api.create_job(end_date="2026-11-21")
    midnight = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)  # in Tokyo
    api.clock.now = midnight - timedelta(microseconds=1)
    await execute(api, job)
    api.clock.now = midnight
    answer = await api.user.post(f"/jobs/{job['id']}/execute", headers={"Idempotency-Key": "ended"})
    message = "The job's end_date has passed; give it a later one to run it."
    assert (answer.status_code, answer.json()) == (400, {"error": "Job expired", "message": message})
    assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"]["is_active"] is False
    assert len(await listed(api, job)) == 1
    [event] = [row for row in await rows_of(api.gateway.database, events) if row["version"] == 2]
    assert (event["actor"], event["data"]["reason"], event["recorded_at"]) == ("system", "ended", midnight)
