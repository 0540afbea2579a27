"""Trials: asked for over the bus, made by an executor, answered to whoever asked, and kept nowhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from nats.errors import NoRespondersError

from shared.bus.connect import Bus
from shared.bus.fence import Fence
from shared.domain.execution import Phase
from shared.domain.job import GitHubTarget, HttpMethod, WebhookTarget
from shared.secretbox import SecretBox
from shared.trial import Trial, TrialResult, seal_trial
from tests.fixtures.builders import make_job
from tests.fixtures.bus import GENERATION
from tests.fixtures.eventually import eventually
from tests.fixtures.github import TOKEN, GitHub
from tests.fixtures.nats import NatsProcess
from tests.fixtures.receiver import Call, Receiver
from tests.integration.executor.world import BOX, World

DEPLOY = GitHubTarget(owner="acme", repo="deploys", workflow="deploy.yml")


@pytest.fixture
async def world(nats_server: NatsProcess, made_bus: Bus, github: GitHub) -> World:
    """A bus without a fence, and no executor."""
    return World(nats_server, made_bus, github)


@pytest.fixture
async def executor(world: World) -> AsyncIterator[None]:
    async with world.executor():
        yield


def webhook_trial(url: str, **fields: object) -> Trial:
    return Trial.model_validate({"target": WebhookTarget(url=url), **fields})


def github_trial(**fields: object) -> Trial:
    return Trial.model_validate({"target": DEPLOY, **fields})


def _without_duration(result: TrialResult) -> TrialResult:
    assert result.duration_seconds is not None
    return result.model_copy(update={"duration_seconds": None})


@pytest.mark.usefixtures("executor")
class TestWebhooks:
    async def test_one_that_answers_well(self, world: World, receiver: Receiver) -> None:
        result = await world.try_out(webhook_trial(f"{receiver.url}/hook", metadata={"unused": 1}))
        assert _without_duration(result) == TrialResult(
            ok=True, type="webhook", status_code=200, message="Webhook test run succeeded."
        )
        [call] = receiver.calls
        assert (call.method, call.path, call.body) == ("GET", "/hook", b"")
        assert call.headers["jetcron-attempt"] == "1"

    async def test_a_post_carries_the_metadata_of_no_job(self, world: World, receiver: Receiver) -> None:
        target = WebhookTarget(url=receiver.url, method=HttpMethod.POST)
        assert (await world.try_out(Trial(target=target, metadata={"a": 1}))).ok
        [call] = receiver.calls
        execution = {
            "id": call.headers["webhook-id"],
            "attempt": 1,
            "planned_at": None,
            "not_before": None,
            "backfills": None,
            "trigger_type": "trial",
        }
        assert call.json() == {"job": None, "execution": execution, "metadata": {"a": 1}}

    async def test_one_that_answers_badly(self, world: World, receiver: Receiver) -> None:
        receiver.status = 503
        result = await world.try_out(webhook_trial(receiver.url))
        assert _without_duration(result) == TrialResult(
            ok=False,
            type="webhook",
            status_code=503,
            error="HTTP 503",
            message="Webhook test run failed. HTTP 503",
        )

    async def test_one_that_does_not_answer_in_time(self, world: World, receiver: Receiver) -> None:
        receiver.delay = 60
        result = await world.try_out(webhook_trial(receiver.url, timeout_seconds=0.3))
        assert (result.ok, result.status_code, result.error) == (False, None, "Timed out after 0.3 s")
        assert result.duration_seconds is not None
        assert 0.29 < result.duration_seconds < 5

    async def test_one_that_the_guard_refuses(self, world: World) -> None:
        result = await world.try_out(webhook_trial("http://169.254.169.254/latest/meta-data/"))
        assert _without_duration(result) == TrialResult(
            ok=False,
            type="webhook",
            error="Refused by the egress guard: 169.254.169.254 is a link-local address",
            message="Webhook test run failed. Refused by the egress guard: 169.254.169.254 is a link-local address",
        )


class TestGitHub:
    async def test_a_workflow_is_dispatched(self, world: World, executor: None, github: GitHub) -> None:
        result = await world.try_out(github_trial(metadata={"branch": "develop", "size": 1}))
        assert _without_duration(result) == TrialResult(
            ok=True, type="github_actions", status_code=204, message="GitHub workflow dispatch triggered."
        )
        [run] = github.dispatched
        assert (run.ref, run.inputs, run.token) == ("develop", {"branch": "develop", "size": "1"}, TOKEN)

    async def test_it_may_bring_its_own_token(self, world: World, executor: None, github: GitHub) -> None:
        github.tokens = {"github_pat_ofThisTrial"}
        assert (await world.try_out(github_trial(github_token="github_pat_ofThisTrial"))).ok

    async def test_a_refusal_is_told(self, world: World, executor: None, github: GitHub) -> None:
        github.tokens = set()
        result = await world.try_out(github_trial())
        assert _without_duration(result) == TrialResult(
            ok=False,
            type="github_actions",
            status_code=401,
            error="HTTP 401: Bad credentials",
            message="GitHub workflow dispatch failed. HTTP 401: Bad credentials",
        )

    async def test_without_a_token_nobody_is_called(self, world: World, github: GitHub) -> None:
        async with world.executor(github_token=None):
            result = await world.try_out(github_trial())
        assert (result.ok, result.status_code) == (False, None)
        assert result.error == "GitHub token not configured"
        assert github.calls == []

    async def test_one_that_does_not_answer_in_time(
        self, world: World, executor: None, github: GitHub
    ) -> None:
        async def hang(_call: Call) -> web.StreamResponse:
            await asyncio.Event().wait()
            return web.Response()

        github.handler = hang
        result = await world.try_out(github_trial(timeout_seconds=0.3))
        assert (result.ok, result.error) == (False, "Timed out after 0.3 s")


class TestAsking:
    async def test_without_an_executor_nobody_responds(self, world: World) -> None:
        with pytest.raises(NoRespondersError):
            await world.try_out(github_trial())

    async def test_after_the_last_executor_has_stopped_nobody_responds(self, world: World) -> None:
        async with world.executor():
            pass
        with pytest.raises(NoRespondersError):
            await world.try_out(github_trial())

    async def test_of_several_executors_one_makes_it(self, world: World, receiver: Receiver) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(world.executor())
            for _ in range(5):
                assert (await world.try_out(webhook_trial(receiver.url))).ok
        assert len(receiver.calls) == 5

    async def test_executors_answer_again_after_the_server_restarted(
        self, world: World, executor: None, receiver: Receiver
    ) -> None:
        await world.server.kill()
        await world.server.start()
        await world.bus.wait_connected()

        async def is_tried_out() -> bool:
            try:
                return (await world.try_out(webhook_trial(receiver.url))).ok
            except NoRespondersError:
                return False

        await eventually(is_tried_out)

    async def test_they_need_no_fence_and_leave_nothing(
        self, world: World, executor: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        listening = await world.bus.nc.subscribe("jetcron.trials.>")
        assert (await world.try_out(github_trial(github_token="hunter2", metadata={"a": "hunter2"}))).error
        assert b"hunter2" not in (await listening.next_msg()).data
        assert (await world.everything_stored()) == ""
        assert "hunter2" not in "".join(capsys.readouterr())

    @pytest.mark.parametrize("request_", [b"", b"{}", b"jc1.A.hunter2", b"hunter2.two.three"])
    async def test_what_cannot_be_read_is_answered_and_not_repeated(
        self, request_: bytes, world: World, executor: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        result = await world.ask(request_)
        assert not result.ok
        assert result.error in ("Unreadable request", "Unknown key")
        assert "hunter2" not in result.message + "".join(capsys.readouterr())

    async def test_a_target_of_no_known_kind_is_unreadable(
        self, world: World, executor: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        sealed = BOX.seal(b'{"target": {"kind": "hunter2"}, "github_token": "hunter2"}', "trial")
        assert (await world.ask(sealed)).error == "Unreadable request"
        assert "hunter2" not in "".join(capsys.readouterr())

    async def test_another_key_is_told_apart(self, world: World, executor: None, github: GitHub) -> None:
        result = await world.ask(seal_trial(SecretBox("another key"), github_trial()))
        assert (result.ok, result.error) == (False, "Unknown key")
        assert github.calls == []

    async def test_too_many_at_once_are_refused_at_once(self, world: World, receiver: Receiver) -> None:
        receiver.delay = 0.5
        async with world.executor(executor_concurrency_per_host=2):
            results = await asyncio.gather(*(world.try_out(webhook_trial(receiver.url)) for _ in range(5)))
            assert sorted(str(result.error) for result in results) == ["Busy"] * 3 + ["None"] * 2
            assert len(receiver.calls) == 2
            assert (await world.try_out(webhook_trial(receiver.url))).ok

    async def test_one_that_is_going_on_ends_within_the_grace(self, world: World, receiver: Receiver) -> None:
        receiver.delay = 0.5
        async with world.executor(executor_grace_seconds=8):
            asking = asyncio.create_task(world.try_out(webhook_trial(receiver.url)))
            await receiver.wait_for(1)
        assert (await asking).ok


async def test_jobs_and_trials_do_not_wait_for_each_other(
    world: World, fence: Fence, receiver: Receiver
) -> None:
    assert fence.holds(GENERATION)
    release = asyncio.Event()

    async def hold(call: Call) -> web.StreamResponse:
        if call.path == "/held":
            await release.wait()
        return web.Response()

    receiver.handler = hold
    async with world.executor(executor_concurrency=1):
        facts = await world.order(make_job(target=WebhookTarget(url=f"{receiver.url}/held")))
        await receiver.wait_for(1)
        assert (await world.try_out(webhook_trial(receiver.url, timeout_seconds=5))).ok
        release.set()
        assert (await world.end_of(facts)).phase is Phase.SUCCEEDED
