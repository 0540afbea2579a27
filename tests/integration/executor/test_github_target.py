"""Dispatching a workflow: what GitHub gets, and what comes of its answers, good, bad and hostile."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest
import yarl
from aiohttp import web

from services.executor.targets.github import Dispatch, dispatch_workflow
from services.executor.targets.http import KEEP_LIMIT_BYTES, READ_LIMIT_BYTES
from services.executor.targets.result import CallResult
from shared.domain.job import GitHubTarget
from shared.egress import EgressPolicy, EgressRefused, guarded_session
from tests.fixtures.github import TOKEN, GitHub
from tests.fixtures.receiver import Call, Receiver

DEPLOY = GitHubTarget(owner="acme", repo="deploys", workflow="deploy.yml")


async def _dispatch(github: GitHub, target: GitHubTarget = DEPLOY, **changes: Any) -> CallResult:
    values: dict[str, Any] = {"token": TOKEN, "metadata": {}, "payload": {}, "timeout_seconds": 10}
    dispatch = Dispatch(target=target, **{**values, **changes})
    async with _session(github) as (session, policy):
        return await dispatch_workflow(session, policy, github.url, dispatch)


@asynccontextmanager
async def _session(github: GitHub) -> AsyncIterator[tuple[aiohttp.ClientSession, EgressPolicy]]:
    policy = EgressPolicy(
        allowed_networks=(ip_network("127.0.0.0/8"),), only_origin=yarl.URL(github.url).origin()
    )
    async with guarded_session(policy) as session:
        yield session, policy


class TestRequest:
    async def test_it_carries_exactly_these_headers(self, github: GitHub) -> None:
        assert (await _dispatch(github, metadata={"ref": "develop"}, payload={"size": 1})).ok
        [call] = github.calls
        assert (call.method, call.path, call.query) == (
            "POST",
            "/api/v3/repos/acme/deploys/actions/workflows/deploy.yml/dispatches",
            "",
        )
        assert call.headers == {
            "host": f"127.0.0.1:{github.port}",
            "connection": "close",
            "user-agent": f"jetcron/{version('jetcron')}",
            "accept": "application/vnd.github+json",
            "accept-encoding": "identity",
            "authorization": f"Bearer {TOKEN}",
            "content-type": "application/json",
            "content-length": str(len(call.body)),
            "x-github-api-version": "2022-11-28",
        }
        assert call.json() == {"ref": "develop", "inputs": {"size": "1"}}

    async def test_names_cannot_lead_elsewhere(self, github: GitHub) -> None:
        target = GitHubTarget(owner="acme/deploys/actions?", repo="a#b", workflow="%2e%2e")
        assert (await _dispatch(github, target)).error == "HTTP 404: Not Found"
        [call] = github.calls
        assert (
            call.path
            == "/api/v3/repos/acme%2Fdeploys%2Factions%3F/a%23b/actions/workflows/%252e%252e/dispatches"
        )


class TestAnswers:
    @pytest.mark.parametrize(("details", "status"), [(False, 204), (True, 200)])
    async def test_both_forms_of_success(self, details: bool, status: int, github: GitHub) -> None:
        github.returns_run_details = details
        result = await _dispatch(github)
        assert (result.ok, result.response_status, result.error) == (True, status, None)

    async def test_an_unknown_token(self, github: GitHub) -> None:
        result = await _dispatch(github, token="ghp_unknown")
        assert (result.response_status, result.error) == (401, "HTTP 401: Bad credentials")

    @pytest.mark.parametrize(
        "target",
        [
            GitHubTarget(owner="acme", repo="deploys", workflow="other.yml"),
            GitHubTarget(owner="nobody", repo="deploys", workflow="deploy.yml"),
        ],
    )
    async def test_an_unknown_workflow(self, target: GitHubTarget, github: GitHub) -> None:
        result = await _dispatch(github, target)
        assert (result.response_status, result.error) == (404, "HTTP 404: Not Found")

    async def test_an_unknown_branch(self, github: GitHub) -> None:
        result = await _dispatch(github, metadata={"branch": "nowhere"})
        assert (result.response_status, result.error) == (422, "HTTP 422: No ref found for: nowhere")

    async def test_inputs_that_the_workflow_does_not_know(self, github: GitHub) -> None:
        github.declared = {"size"}
        result = await _dispatch(github, payload={"size": 1, "b": 1, "a": 1})
        assert result.error == 'HTTP 422: Unexpected inputs provided: ["a", "b"]'

    @pytest.mark.parametrize("status", [301, 307])
    async def test_a_renamed_repository_is_not_followed(self, status: int, github: GitHub) -> None:
        github.renamed = {"acme/deploys": status}
        result = await _dispatch(github)
        reason = "the repository was renamed or moved, and redirects are not followed"
        assert (result.response_status, result.error) == (status, f"HTTP {status}: {reason}")
        assert len(github.calls) == 1

    async def test_a_redirect_that_is_followed_stays_at_the_api(
        self, github: GitHub, receiver: Receiver
    ) -> None:
        async def redirect(_call: Call) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(receiver.url)

        github.handler = redirect
        async with _session(github) as (session, _):
            with pytest.raises(EgressRefused):
                await session.post(github.url, allow_redirects=True)
        assert receiver.calls == []


class TestUntrustedAnswers:
    """GitHub is believed no more than a webhook."""

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            (b"<html>Unicorn!</html>", "HTTP 502"),
            (b"", "HTTP 502"),
            (b"[]", "HTTP 502"),
            (b"null", "HTTP 502"),
            (b'{"message": {"a": 1}}', "HTTP 502"),
            (b'{"message": ""}', "HTTP 502"),
            (b'{"message": "\xff"}', "HTTP 502: \N{REPLACEMENT CHARACTER}"),
            (b'{"message": "one\\r\\n\\ttwo\\u0000\\u001b[31m"}', "HTTP 502: one two [31m"),
            (b'{"message": "' + b"x" * 500 + b'"}', "HTTP 502: " + "x" * 200),
            (b'{"message": ' * 5_000, "HTTP 502"),
        ],
    )
    async def test_its_message_is_one_short_line(self, body: bytes, error: str, github: GitHub) -> None:
        _answering(github, body)
        result = await _dispatch(github)
        assert (result.ok, result.response_status, result.error) == (False, 502, error)

    async def test_little_of_a_long_one_is_read_and_less_is_kept(self, github: GitHub) -> None:
        _answering(github, b"x" * (4 * READ_LIMIT_BYTES))
        result = await _dispatch(github)
        assert result.error == "HTTP 502"
        assert result.output == "x" * KEEP_LIMIT_BYTES

    async def test_a_compressed_one_is_not_opened(self, github: GitHub) -> None:
        _answering(github, gzip.compress(b'{"message": "no"}'), {"Content-Encoding": "gzip"})
        result = await _dispatch(github)
        assert (result.error, result.output) == ("HTTP 502", None)

    async def test_a_token_in_it_is_hidden_wherever_it_stands(self, github: GitHub) -> None:
        # Half of it would be left if what is kept were cut first.
        before = "x" * (KEEP_LIMIT_BYTES - 10)
        _answering(github, f"{before}{TOKEN}".encode())
        result = await _dispatch(github)
        assert result.output == f"{before}***"
        _answering(github, f'{{"message": "{TOKEN} is bad"}}'.encode())
        assert (await _dispatch(github)).error == "HTTP 502: *** is bad"


def _answering(github: GitHub, body: bytes, headers: dict[str, str] | None = None) -> None:
    async def answer(_call: Call) -> web.StreamResponse:
        return web.Response(status=502, body=body, headers=headers)

    github.handler = answer
