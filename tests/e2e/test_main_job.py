"""The README, as somebody follows it who has never seen jetcron: real processes, a real receiver, the real clock."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.cli.exit_codes import CANNOT_START, CONFIGURATION_REFUSED
from tests.fixtures.accounting import assert_accounted, webhook_id
from tests.fixtures.eventually import eventually
from tests.fixtures.jetcron import STOP_SECONDS, Jetcron, Json
from tests.fixtures.receiver import Call, Receiver

MINUTE = timedelta(minutes=1)
MAX_LATENESS_SECONDS = 5.0
"""The promise is one second; a busy machine that runs tests must not break it in our name."""
PROPAGATION_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
GOOD_SECRET = "a-secret-that-is-long-enough-for-production"

pytestmark = pytest.mark.timeout(600)


def on_schedule(calls: list[Call]) -> list[Call]:
    return [call for call in calls if "jetcron-planned-at" in call.headers]


async def ended(jetcron: Jetcron, job: Json, execution_id: str) -> Json:
    """The execution once its end is recorded."""

    async def terminal() -> Json | None:
        execution = await jetcron.execution(job, execution_id)
        return execution if execution["completed_at"] is not None else None

    return await eventually(terminal, within=PATIENCE_SECONDS) or {}


class TestMinutelyJob:
    async def test_from_the_first_start_to_ctrl_c(self, jetcron: Jetcron, receiver: Receiver) -> None:
        await jetcron.start()
        me = await jetcron.get("/auth/me")
        assert (me["username"], me["role"]) == ("admin", "admin")
        job = await jetcron.create_job(f"{receiver.url}/hook", name="hello")
        assert job["is_active"]

        call = await self.first_call(receiver, datetime.fromisoformat(job["created_at"]))
        await self.its_history_shows_what_happened(jetcron, job, call)
        await self.it_runs_when_asked_to(jetcron, receiver, job)
        await assert_accounted(jetcron, receiver, [job], statuses=["success"])
        await self.paused_it_is_called_no_more(jetcron, receiver, job)
        await self.deleted_it_keeps_its_history(jetcron, job)

        took = await jetcron.stop()
        sys.stdout.write(f"Ctrl-C to the end: {took:.1f} s\n")
        with pytest.raises(httpx.ConnectError):
            await jetcron.client.get("/health")

    async def first_call(self, receiver: Receiver, created: datetime) -> Call:
        call = (await receiver.wait_for(1, timeout=60 + PATIENCE_SECONDS))[0]
        planned = datetime.fromisoformat(call.headers["jetcron-planned-at"])
        lateness = (call.wall - planned).total_seconds()
        sys.stdout.write(f"called {lateness:.3f} s after the full minute\n")
        assert planned == created.replace(second=0, microsecond=0) + MINUTE
        assert 0 <= lateness < MAX_LATENESS_SECONDS
        assert (call.method, call.path) == ("GET", "/hook")
        assert call.headers["jetcron-attempt"] == "1"
        assert abs(int(call.headers["webhook-timestamp"]) - call.wall.timestamp()) < MAX_LATENESS_SECONDS
        return call

    async def its_history_shows_what_happened(self, jetcron: Jetcron, job: Json, call: Call) -> None:
        execution = await ended(jetcron, job, webhook_id(call))
        assert execution["status"] == "success"
        assert execution["trigger_type"] == "scheduled"
        assert datetime.fromisoformat(execution["planned_at"]) == datetime.fromisoformat(
            call.headers["jetcron-planned-at"]
        )
        assert execution["duration_seconds"] > 0
        assert (execution["response_status"], execution["output"]) == (200, "ok")
        assert [(attempt["attempt"], attempt["phase"]) for attempt in execution["attempts"]] == [
            (1, "succeeded")
        ]
        assert [row["id"] for row in await jetcron.executions(job)] == [webhook_id(call)]

    async def it_runs_when_asked_to(self, jetcron: Jetcron, receiver: Receiver, job: Json) -> None:
        asked = await jetcron.execute(job)
        assert asked["trigger_type"] == "manual"
        execution = await ended(jetcron, job, asked["id"])
        assert execution["status"] == "success"
        (call,) = [call for call in receiver.calls if webhook_id(call) == asked["id"]]
        assert "jetcron-planned-at" not in call.headers

    async def paused_it_is_called_no_more(self, jetcron: Jetcron, receiver: Receiver, job: Json) -> None:
        answer = await jetcron.client.put(f"/jobs/{job['id']}", json={"is_active": False})
        assert answer.status_code == 200, answer.text
        assert answer.json()["job"]["next_execution_at"] is None
        await asyncio.sleep(PROPAGATION_SECONDS)
        called = len(on_schedule(receiver.calls))
        next_minute = datetime.now(UTC).replace(second=0, microsecond=0) + MINUTE
        # Nothing happens, and nothing is there to wait for: a whole minute and more must pass.
        await asyncio.sleep((next_minute - datetime.now(UTC)).total_seconds() + MAX_LATENESS_SECONDS)
        assert len(on_schedule(receiver.calls)) == called
        planned = [
            row["planned_at"] for row in await jetcron.executions(job) if row["planned_at"] is not None
        ]
        assert max(datetime.fromisoformat(instant) for instant in planned) < next_minute

    async def deleted_it_keeps_its_history(self, jetcron: Jetcron, job: Json) -> None:
        assert (await jetcron.client.delete(f"/jobs/{job['id']}")).status_code == 200
        assert (await jetcron.client.get(f"/jobs/{job['id']}")).status_code == 404
        history = (await jetcron.get(f"/jobs/{job['id']}/history"))["history"]
        assert [(change["action"], change["actor"]) for change in history] == [
            ("deleted", "admin"),
            ("updated", "admin"),
            ("created", "admin"),
        ]
        assert history[1]["changes"] == {"is_active": {"from": True, "to": False}}


class TestFailingJob:
    async def test_its_owner_is_told(self, jetcron: Jetcron, receiver: Receiver) -> None:
        receiver.status, receiver.body = 500, b"out of order"
        await jetcron.start()
        job = await jetcron.create_job(receiver.url, name="broken", is_active=False)
        asked = await jetcron.execute(job)
        execution = await ended(jetcron, job, asked["id"])
        assert execution["status"] == "failed"
        assert (execution["response_status"], execution["output"]) == (500, "out of order")
        assert execution["error_message"]

        async def inbox() -> list[Json]:
            found: list[Json] = (await jetcron.get("/notifications"))["notifications"]
            return found

        (told,) = await eventually(inbox, within=PATIENCE_SECONDS)
        assert (told["related_job_id"], told["related_execution_id"]) == (job["id"], asked["id"])
        assert (told["title"], told["type"], told["is_read"]) == ("Job Failed", "error", False)
        assert "'broken'" in told["message"]
        await jetcron.stop()
        assert len(receiver.calls) == 1


class TestProduction:
    async def test_there_is_no_default_administrator(self, jetcron: Jetcron) -> None:
        jetcron.environment |= {"ENVIRONMENT": "production"}
        jetcron.spawn_up()
        await jetcron.well()
        answer = await jetcron.client.post("/auth/login", json={"username": "admin", "password": "admin123"})
        assert answer.status_code == 401, answer.text
        await jetcron.stop()

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"SECRET_KEY": "changeme"}, "SECRET_KEY is a known default; set your own"),
            ({"SECRET_KEY": "short"}, "SECRET_KEY must have at least 32 bytes"),
            (
                {"SECRET_KEY": GOOD_SECRET, "JWT_SECRET_KEY": "jwt-secret-key"},
                "JWT_SECRET_KEY is a known default",
            ),
        ],
    )
    async def test_default_secrets_are_refused_in_words(
        self, jetcron: Jetcron, settings: dict[str, str], message: str
    ) -> None:
        jetcron.environment |= {"ENVIRONMENT": "production", **settings}
        jetcron.spawn_up()
        code = await jetcron.ended(PATIENCE_SECONDS + STOP_SECONDS)
        assert code in (CANNOT_START, CONFIGURATION_REFUSED)
        (told,) = [line for line in jetcron.output.splitlines() if "configuration:" in line]
        assert message in told
        assert all(secret not in jetcron.output for secret in settings.values())

    @pytest.mark.parametrize("service", ["gateway", "scheduler", "executor", "notifier"])
    async def test_a_service_alone_does_not_run_on_the_development_secret(
        self, jetcron: Jetcron, service: str
    ) -> None:
        jetcron.environment |= {"ENVIRONMENT": "production"}
        process = jetcron.spawn_beside(service)
        assert await asyncio.to_thread(process.wait, PATIENCE_SECONDS) == CONFIGURATION_REFUSED
        assert "configuration: SECRET_KEY is a known default" in jetcron.output
