"""One installation tells people: what fails, elsewhere than in its own pages, whatever happens to the notifier meanwhile."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.bus import subjects
from tests.fixtures.bus import connected
from tests.fixtures.eventually import eventually
from tests.fixtures.github import TOKEN, Dispatched, GitHub
from tests.fixtures.jetcron import Jetcron, Json
from tests.fixtures.mail import MailServer
from tests.fixtures.receiver import Call, Receiver

FRONTEND = "https://jobs.example.com"
SLACK_PATH = "/services/T000/B000/slack-secret"
ADDRESSES = ("ops@example.com", "dev@example.com")
SECRET = "correct-horse-battery-staple"
OTHER_TOKEN = "ghp_ofThisRunAlone0123456789abcdefghijkl"
WAITING_RUNS = 3
PATIENCE_SECONDS = 60.0

pytestmark = pytest.mark.timeout(300)


class Outside:
    """Everybody whom the installation calls at the receiver's address, told apart by their paths."""

    def __init__(self, receiver: Receiver) -> None:
        self.url = receiver.url
        self.slack_is_away = False
        self.posted: list[Call] = []
        """What Slack took."""
        self.elsewhere: list[Call] = []
        receiver.handler = self.answer

    async def answer(self, call: Call) -> web.StreamResponse:
        """Slack, a hook that is out of order, or another one that repeats whatever it is told."""
        if call.path == SLACK_PATH:
            if self.slack_is_away:
                return web.Response(status=503)
            self.posted.append(call)
            return web.Response(text="ok")
        if call.path == "/broken":
            return web.Response(status=500, text="out of order")
        self.elsewhere.append(call)
        return web.Response(text=f"{call.path}?{call.query} was sent {call.body.decode()}")


@pytest.fixture
def outside(receiver: Receiver) -> Outside:
    return Outside(receiver)


@pytest.fixture
async def installation(
    jetcron: Jetcron, outside: Outside, mail_server: MailServer, github: GitHub
) -> Jetcron:
    """It runs, and knows the way to Slack."""
    github.tokens.add(OTHER_TOKEN)
    jetcron.environment |= {
        "MAIL_ENABLED": "true",
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": str(mail_server.port),
        "MAIL_USE_TLS": "false",
        "GITHUB_API_URL": github.url,
        "GITHUB_TOKEN": TOKEN,
        "FRONTEND_BASE_URL": FRONTEND,
    }
    await jetcron.start()
    slack = {"is_enabled": True, "webhook_url": outside.url + SLACK_PATH, "channel": "#alerts"}
    answer = await jetcron.client.put("/settings/slack", json=slack)
    assert answer.status_code == 200, answer.text
    return jetcron


async def run(jetcron: Jetcron, job: Json, **overrides: Any) -> Json:
    """The execution that was asked for, once it has ended."""
    answer = await jetcron.client.post(f"/jobs/{job['id']}/execute", json=overrides)
    assert answer.status_code == 200, answer.text
    asked = answer.json()["execution"]["id"]

    async def ended() -> Json | None:
        execution = await jetcron.execution(job, asked)
        return execution if execution["completed_at"] is not None else None

    return await eventually(ended, within=PATIENCE_SECONDS) or {}


async def test_everybody_is_told_and_nobody_is_told_a_secret(
    installation: Jetcron, outside: Outside, mail_server: MailServer, github: GitHub
) -> None:
    job = await installation.create_job(
        f"{outside.url}/broken",
        name="nightly <sync>",
        is_active=False,
        webhook={"method": "POST"},
        metadata={"shown": "to everybody"},
        enable_email_notifications=True,
        notification_emails=list(ADDRESSES),
    )
    await a_failure_is_told(installation, outside, mail_server, job)
    await a_workflow_is_dispatched(installation, github)
    await a_run_goes_elsewhere(installation, outside, job)
    await trials_are_answered(installation, outside, github)
    await nothing_is_lost_with_the_notifier(installation, outside, mail_server, job)
    await installation.stop()
    leaves_no_trace(installation)


async def a_failure_is_told(jetcron: Jetcron, outside: Outside, mail_server: MailServer, job: Json) -> None:
    execution = await run(jetcron, job)
    assert (execution["status"], execution["response_status"]) == ("failed", 500)
    link = f"{FRONTEND}/jobs/{job['id']}/edit"
    mails = await mail_server.wait_for(2)
    assert {mail.recipients for mail in mails} == {(address,) for address in ADDRESSES}
    for mail in mails:
        assert mail.message["Subject"] == "🔴 Job Failure Alert: nightly <sync>"
        assert link in mail.text("plain")
        assert link in mail.text("html")
        assert "HTTP 500" in mail.text("plain")
    await eventually(lambda: outside.posted)
    assert outside.posted[0].json() == {
        "text": f":red_circle: @tests Job failed: nightly &lt;sync&gt;\nHTTP 500\n<{link}|Open the job>",
        "channel": "#alerts",
    }
    [record] = await eventually(lambda: inbox(jetcron, 1))
    assert (record["related_execution_id"], record["type"]) == (execution["id"], "error")


async def a_workflow_is_dispatched(jetcron: Jetcron, github: GitHub) -> None:
    job = await jetcron.create_job(
        None,
        github_owner="acme",
        github_repo="deploys",
        github_workflow_name="deploy.yml",
        metadata={"branch": "develop", "replicas": 3},
        is_active=False,
    )
    execution = await run(jetcron, job, inputs={"replicas": 5}, github_token=OTHER_TOKEN)
    assert (execution["status"], execution["response_status"]) == ("success", 204)
    assert github.dispatched == [
        Dispatched(
            repository="acme/deploys",
            workflow="deploy.yml",
            ref="develop",
            inputs={"branch": "develop", "replicas": "5"},
            token=OTHER_TOKEN,
        )
    ]
    await run(jetcron, job)
    assert github.dispatched[1].token == TOKEN


async def a_run_goes_elsewhere(jetcron: Jetcron, outside: Outside, job: Json) -> None:
    url = f"{outside.url}/elsewhere/{SECRET}?key={SECRET}"
    execution = await run(jetcron, job, target_url=url, metadata={"password": f'"{SECRET}"'})
    [call] = outside.elsewhere
    assert (call.path, call.query) == (f"/elsewhere/{SECRET}", f"key={SECRET}")
    assert call.json()["metadata"] == {"shown": "to everybody", "password": f'"{SECRET}"'}
    assert execution["status"] == "success"
    assert "to everybody" in execution["output"]
    for path in (
        f"/jobs/{job['id']}",
        f"/jobs/{job['id']}/history",
        f"/jobs/{job['id']}/executions",
        f"/jobs/{job['id']}/executions/{execution['id']}",
        "/executions",
        "/jobs",
        "/notifications",
    ):
        answer = await jetcron.client.get(path)
        assert answer.status_code == 200, path
        assert SECRET not in answer.text, path
        assert "elsewhere" not in answer.text, path


async def trials_are_answered(jetcron: Jetcron, outside: Outside, github: GitHub) -> None:
    workflow = {"github_owner": "acme", "github_repo": "deploys", "github_workflow_name": "deploy.yml"}
    for body, expected in (
        ({"target_url": f"{outside.url}/trial"}, {"ok": True, "type": "webhook", "status_code": 200}),
        ({"target_url": f"{outside.url}/broken"}, {"ok": False, "type": "webhook", "status_code": 500}),
        (workflow, {"ok": True, "type": "github", "status_code": 204}),
        ({**workflow, "github_token": SECRET}, {"ok": False, "type": "github", "status_code": 401}),
    ):
        answer = await jetcron.client.post("/jobs/test-run", json=body)
        assert answer.status_code == 200, answer.text
        assert expected.items() <= answer.json().items()
    assert len(github.dispatched) == 3


async def nothing_is_lost_with_the_notifier(
    jetcron: Jetcron, outside: Outside, mail_server: MailServer, job: Json
) -> None:
    """Killed while mails and messages wait, it sends all of them afterwards, each once."""
    outside.slack_is_away = True
    await mail_server.stop()
    for _ in range(WAITING_RUNS):
        await run(jetcron, job)
    await eventually(lambda: inbox(jetcron, 1 + WAITING_RUNS))
    await jetcron.kill("notifier")
    assert len(mail_server.mails) == len(ADDRESSES)
    outside.slack_is_away = False
    await mail_server.start()

    count = 1 + WAITING_RUNS
    await mail_server.wait_for(count * len(ADDRESSES), timeout=PATIENCE_SECONDS)
    await eventually(lambda: len(outside.posted) >= count, within=PATIENCE_SECONDS)
    await eventually(lambda: nothing_waits(jetcron), within=PATIENCE_SECONDS)
    assert len(await inbox(jetcron, count)) == count
    assert len(outside.posted) == count
    assert len({mail.message["Message-ID"] for mail in mail_server.mails}) == count * len(ADDRESSES)
    assert len(mail_server.mails) == count * len(ADDRESSES)


async def inbox(jetcron: Jetcron, at_least: int) -> list[Json]:
    """What the administrator's inbox holds; nothing while that is less."""
    found: list[Json] = (await jetcron.get("/notifications"))["notifications"]
    assert all(datetime.fromisoformat(one["created_at"]) for one in found)
    return found if len(found) >= at_least else []


async def nothing_waits(jetcron: Jetcron) -> bool:
    """Whether every notice was sent or given up."""
    async with connected(jetcron.nats_url) as bus:
        for channel in subjects.CHANNELS:
            info = await bus.js.consumer_info(subjects.NOTICES, subjects.channel_durable(channel))
            if info.num_pending or info.num_ack_pending:
                return False
    return True


def leaves_no_trace(jetcron: Jetcron) -> None:
    """Neither what the processes wrote nor what they keep holds a secret in the clear."""
    files = [file for file in jetcron.data_dir.rglob("*") if file.is_file()]
    assert any(_holds(file, b"to everybody") for file in files), "the search finds nothing at all"
    for secret in (SECRET, OTHER_TOKEN, TOKEN, SLACK_PATH):
        assert secret not in jetcron.output
        assert [file for file in files if _holds(file, secret.encode())] == []


def _holds(file: Path, text: bytes) -> bool:
    return text in file.read_bytes()
