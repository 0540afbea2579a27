"""Runs from their trigger to their report: on a real bus, against a GitHub and a receiver that check what they get."""

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web

from shared.bus.connect import Bus
from shared.bus.fence import Fence
from shared.domain.execution import Kind, Phase
from shared.domain.job import GitHubTarget, HttpMethod, Job, WebhookTarget
from shared.events import RunTriggered
from shared.overrides import RunOverrides
from tests.fixtures.builders import SOME_TIME, make_facts, make_job
from tests.fixtures.bus import GENERATION
from tests.fixtures.github import TOKEN, Dispatched, GitHub
from tests.fixtures.nats import NatsProcess
from tests.fixtures.receiver import Call, Receiver
from tests.integration.executor.world import World

DEPLOY = GitHubTarget(owner="acme", repo="deploys", workflow="deploy.yml")
AT_NOON = "2026-11-21T12:00:00Z"
OTHER_KEY = "another key than the one that sealed the run's overrides"


@pytest.fixture
async def world(nats_server: NatsProcess, made_bus: Bus, fence: Fence, github: GitHub) -> World:
    """A bus at work and no executor."""
    assert fence.holds(GENERATION)
    return World(nats_server, made_bus, github)


def deploy_job(**metadata: object) -> Job:
    return make_job(target=DEPLOY, metadata=metadata)


def webhook_job(receiver: Receiver, **metadata: object) -> Job:
    target = WebhookTarget(url=f"{receiver.url}/own", method=HttpMethod.POST)
    return make_job(target=target, metadata=metadata)


class TestGitHub:
    async def test_a_job_dispatches_its_workflow(self, world: World, github: GitHub) -> None:
        job = deploy_job(branch="develop", dry_run=False, replicas=3, tags=["a", "b"], note=None)
        async with world.executor():
            report = await world.run(job)
        assert (report.phase, report.attempt, report.response_status) == (Phase.SUCCEEDED, 1, 204)
        assert (report.error, report.output, report.timed_out) == (None, "", False)
        assert (report.facts.target_kind, report.facts.target_label) == (
            "github_actions",
            "acme/deploys/deploy.yml",
        )
        inputs = {"branch": "develop", "dry_run": "false", "replicas": "3", "tags": '["a","b"]'}
        assert github.dispatched == [
            Dispatched(
                repository="acme/deploys", workflow="deploy.yml", ref="develop", inputs=inputs, token=TOKEN
            )
        ]

    async def test_a_newer_api_answers_with_the_run(self, world: World, github: GitHub) -> None:
        github.returns_run_details = True
        async with world.executor():
            report = await world.run(deploy_job())
        assert (report.phase, report.response_status) == (Phase.SUCCEEDED, 200)
        assert report.output is not None
        assert '"workflow_run_id": 17' in report.output

    async def test_a_refusal_is_told_in_the_words_of_github(self, world: World, github: GitHub) -> None:
        async with world.executor():
            report = await world.run(deploy_job(branch="nowhere"))
        assert (report.phase, report.response_status) == (Phase.FAILED, 422)
        assert report.error == "HTTP 422: No ref found for: nowhere"
        assert github.dispatched == []

    async def test_without_a_token_nobody_is_called(self, world: World, github: GitHub) -> None:
        async with world.executor(github_token=None):
            report = await world.run(deploy_job())
        assert (report.phase, report.response_status) == (Phase.FAILED, None)
        assert report.error == "GitHub token not configured"
        assert github.calls == []

    async def test_a_slow_answer_ends_at_the_deadline(self, world: World, github: GitHub) -> None:
        async def hang(_call: Call) -> web.StreamResponse:
            await asyncio.Event().wait()
            return web.Response()

        github.handler = hang
        async with world.executor():
            report = await world.run(deploy_job().model_copy(update={"timeout_seconds": 0.3}))
        assert (report.phase, report.timed_out) == (Phase.FAILED, True)
        assert report.error == "Timed out after 0.3 s"


class TestOverrides:
    async def test_a_token_of_the_run_goes_before_the_settings(self, world: World, github: GitHub) -> None:
        github.tokens = {"github_pat_ofThisRunOnly"}
        async with world.executor():
            report = await world.run(deploy_job(), RunOverrides(github_token="github_pat_ofThisRunOnly"))
        assert report.phase is Phase.SUCCEEDED
        assert [one.token for one in github.dispatched] == ["github_pat_ofThisRunOnly"]

    async def test_metadata_and_inputs_are_laid_over_the_job_s(self, world: World, github: GitHub) -> None:
        overrides = RunOverrides(
            metadata={"ref": "develop", "size": 2, "gone": None}, inputs={"size": 3, "force": True}
        )
        async with world.executor():
            report = await world.run(deploy_job(ref="main", size=1, kept="yes", gone="x"), overrides)
        assert report.phase is Phase.SUCCEEDED
        [run] = github.dispatched
        assert run.ref == "develop"
        assert run.inputs == {"ref": "develop", "size": "3", "kept": "yes", "force": "true"}

    async def test_parts_of_a_workflow_are_laid_over_the_job_s_own(
        self, world: World, github: GitHub
    ) -> None:
        github.repositories["acme/deploys"].add("rollback.yml")
        overrides = RunOverrides(github_workflow_name="rollback.yml", target_url="http://127.0.0.1:9/")
        async with world.executor():
            report = await world.run(deploy_job(), overrides)
        assert report.phase is Phase.SUCCEEDED
        assert [one.workflow for one in github.dispatched] == ["rollback.yml"]

    async def test_a_whole_workflow_makes_a_webhook_job_dispatch_it(
        self, world: World, github: GitHub, receiver: Receiver
    ) -> None:
        overrides = RunOverrides(
            github_owner="acme", github_repo="deploys", github_workflow_name="deploy.yml"
        )
        async with world.executor():
            report = await world.run(webhook_job(receiver), overrides)
        assert (report.phase, report.response_status) == (Phase.SUCCEEDED, 204)
        assert report.facts.target_label == f"{receiver.url}/own"
        assert len(github.dispatched) == 1
        assert receiver.calls == []

    async def test_half_a_workflow_fails_a_webhook_job(self, world: World, receiver: Receiver) -> None:
        async with world.executor():
            report = await world.run(webhook_job(receiver), RunOverrides(github_repo="deploys"))
        assert report.phase is Phase.FAILED
        assert report.error == "The run's overrides name no whole workflow: owner, repository and file"
        assert receiver.calls == []

    async def test_a_url_makes_a_workflow_job_call_it(
        self, world: World, github: GitHub, receiver: Receiver
    ) -> None:
        async with world.executor():
            report = await world.run(deploy_job(), RunOverrides(target_url=f"{receiver.url}/instead"))
        assert (report.phase, report.output) == (Phase.SUCCEEDED, "ok")
        assert report.facts.target_label == "acme/deploys/deploy.yml"
        assert [(call.method, call.path) for call in receiver.calls] == [("GET", "/instead")]
        assert github.calls == []

    async def test_a_webhook_s_body_has_them_all(self, world: World, receiver: Receiver) -> None:
        overrides = RunOverrides(metadata={"a": 2, "b": 2}, inputs={"b": 3, "c": {"d": 4}})
        async with world.executor():
            facts = (await world.run(webhook_job(receiver, a=1, z=1), overrides)).facts
        [call] = receiver.calls
        assert call.json() == {
            "job": {"id": str(facts.job_id), "name": facts.job_name, "version": 1},
            "execution": {
                "id": str(facts.execution_id),
                "attempt": 1,
                "planned_at": None,
                "not_before": None,
                "backfills": None,
                "trigger_type": "manual",
            },
            "metadata": {"a": 2, "b": 3, "c": {"d": 4}, "z": 1},
        }
        assert call.headers["webhook-id"] == str(facts.execution_id)

    async def test_the_next_run_knows_nothing_of_them(self, world: World, github: GitHub) -> None:
        job = deploy_job(size=1)
        async with world.executor():
            await world.run(job, RunOverrides(inputs={"size": 2}))
            await world.run(job)
        assert [one.inputs for one in github.dispatched] == [{"size": "2"}, {"size": "1"}]

    @pytest.mark.parametrize("sealed", ["", "bm8gZG90cw==", "no base64!"])
    async def test_what_cannot_be_read_fails_the_run(self, sealed: str, world: World, github: GitHub) -> None:
        async with world.executor():
            report = await world.run(deploy_job(), sealed_overrides=sealed)
        assert (report.phase, report.error) == (Phase.FAILED, "The run's overrides cannot be read")
        assert github.calls == []

    async def test_those_of_another_run_fail_it(self, world: World, github: GitHub) -> None:
        async with world.executor():
            first = await world.order(deploy_job(), RunOverrides(inputs={"size": 2}))
            await world.end_of(first)
            sealed = await world.sealed_overrides_of(first)
            report = await world.run(deploy_job(), sealed_overrides=sealed)
        assert (report.phase, report.error) == (Phase.FAILED, "The run's overrides cannot be read")
        assert len(github.calls) == 1

    async def test_an_executor_with_another_key_leaves_the_run_to_one_that_has_it(
        self, world: World, github: GitHub
    ) -> None:
        job = deploy_job()
        await world.publish(job)
        async with world.executor(secret_key=OTHER_KEY):
            facts = await world.order(job, RunOverrides(inputs={"size": 2}))
            await world.run(deploy_job())  # one without overrides runs meanwhile
            assert await world.reports(facts) == []
        async with world.executor():
            report = await world.end_of(facts)
        assert (report.phase, report.attempt) == (Phase.SUCCEEDED, 1)
        assert [one.inputs for one in github.dispatched] == [{}, {"size": "2"}]


class TestInstants:
    """What a receiver is told of the instant that its call is for."""

    async def test_a_planned_run_names_its_instant(self, world: World, receiver: Receiver) -> None:
        async with world.executor():
            order = await world.plan(webhook_job(receiver))
            await world.end_of(order.facts)
        assert self.told(receiver) == ({"jetcron-planned-at": AT_NOON}, (AT_NOON, None, None))

    async def test_a_spread_run_names_its_slot_too(self, world: World, receiver: Receiver) -> None:
        slot = SOME_TIME + timedelta(seconds=90)
        async with world.executor():
            order = await world.plan(webhook_job(receiver), facts={"not_before": slot})
            await world.end_of(order.facts)
        assert self.told(receiver) == (
            {"jetcron-planned-at": AT_NOON, "jetcron-not-before": "2026-11-21T12:01:30Z"},
            (AT_NOON, "2026-11-21T12:01:30Z", None),
        )

    async def test_a_backfill_names_the_instant_that_it_makes_up_for(
        self, world: World, receiver: Receiver
    ) -> None:
        job = webhook_job(receiver)
        facts = make_facts(job, planned_at=None, kind=Kind.BACKFILL, backfills=SOME_TIME)
        async with world.executor():
            await world.give(RunTriggered.of(job, facts, GENERATION))
            await world.end_of(facts)
        assert self.told(receiver) == ({"jetcron-backfills": AT_NOON}, (None, None, AT_NOON))

    async def test_a_run_that_a_person_asked_for_names_none(self, world: World, receiver: Receiver) -> None:
        async with world.executor():
            await world.run(webhook_job(receiver))
        assert self.told(receiver) == ({}, (None, None, None))

    def told(self, receiver: Receiver) -> tuple[dict[str, str], tuple[str | None, ...]]:
        """In the headers, and in the body."""
        [call] = receiver.calls
        names = ("jetcron-planned-at", "jetcron-not-before", "jetcron-backfills")
        execution = call.json()["execution"]
        return (
            {name: call.headers[name] for name in names if name in call.headers},
            tuple(execution[key] for key in ("planned_at", "not_before", "backfills")),
        )


class TestSecrecy:
    """What a run has of its own is nowhere but in its call."""

    async def test_nothing_of_the_overrides_is_stored_or_logged(
        self, world: World, github: GitHub, receiver: Receiver, capsys: pytest.CaptureFixture[str]
    ) -> None:
        github.tokens = {"github_pat_hunter2"}
        receiver.handler = _echo
        async with world.executor():
            dispatched = await world.run(
                deploy_job(),
                RunOverrides(
                    github_token="github_pat_hunter2",
                    metadata={"branch": "hunter2-branch"},
                    inputs={"password": ["hunter2-in-a-list"]},
                ),
            )
            echoed = await world.run(
                deploy_job(),
                RunOverrides(target_url=f"{receiver.url}/hunter2/hook?token=hunter2-in-the-query"),
            )
            posted = await world.run(
                webhook_job(receiver, shown="visible"), RunOverrides(metadata={"key": "hunter2-in-the-body"})
            )
        assert dispatched.error == "HTTP 422: No ref found for: ***"
        assert (echoed.phase, echoed.output) == (Phase.SUCCEEDED, "*** of *** with ***")
        assert posted.output is not None
        assert '"shown":"visible"' in posted.output
        assert '"key":"***"' in posted.output
        assert "hunter2" not in await world.everything_stored()
        assert "hunter2" not in "".join(capsys.readouterr())

    @pytest.mark.parametrize(
        ("url", "error"),
        [
            ("http://127.0.0.2:8080/", "the target is a loopback address"),
            ("http://127.0.0.1:22/", "the target does not speak HTTP"),
            ("http://localhost:8080/", "the target resolves to an address that is a loopback address"),
            ("http://u:hunter2@127.0.0.1/", "the target must not contain a user name or password"),
            ("http://[::1", "the target is not a valid URL"),
        ],
    )
    async def test_a_refusal_does_not_name_the_host(self, url: str, error: str, world: World) -> None:
        async with world.executor(webhook_allowed_networks=""):
            report = await world.run(deploy_job(), RunOverrides(target_url=url))
        assert (report.phase, report.error) == (Phase.FAILED, f"Refused by the egress guard: {error}")

    async def test_a_token_that_github_repeats_is_hidden(self, world: World, github: GitHub) -> None:
        async def telltale(call: Call) -> web.StreamResponse:
            message = f"{call.headers['authorization']} is not welcome"
            return web.json_response({"message": message}, status=403)

        github.handler = telltale
        async with world.executor():
            report = await world.run(deploy_job())
        assert report.error == "HTTP 403: Bearer *** is not welcome"
        assert TOKEN not in await world.everything_stored()


async def _echo(call: Call) -> web.StreamResponse:
    host = call.headers["host"]
    line = f"http://{host}{call.path}?{call.query} of {call.path} with {call.query}"
    text = line if call.query else call.body.decode()
    return web.Response(text=text)
