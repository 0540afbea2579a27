"""Dispatches a workflow of GitHub Actions once and says what came of it.

https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from services.executor.targets.http import NOTHING_TO_HIDE, Discretion, HttpRequest, send
from services.executor.targets.result import CallResult, failure
from shared.domain.job import GitHubTarget
from shared.egress import EgressPolicy

API_VERSION = "2022-11-28"
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#onworkflow_dispatchinputs
MAX_INPUTS = 25
MAX_INPUT_CHARACTERS = 65_535
DEFAULT_REF = "main"
REF_NAMES = ("branch", "ref", "branchDetails")
"""Where metadata name the branch or tag, the first of them first."""
MAX_MESSAGE_LENGTH = 200
NO_TOKEN = "GitHub token not configured"  # noqa: S105 # the contract's words

_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """One attempt at dispatching a workflow."""

    target: GitHubTarget
    token: str | None = field(repr=False)
    metadata: Mapping[str, Any] = field(repr=False)
    """They name the ref."""
    payload: Mapping[str, Any] = field(repr=False)
    """What becomes the inputs."""
    timeout_seconds: float
    discretion: Discretion = NOTHING_TO_HIDE


async def dispatch_workflow(
    session: aiohttp.ClientSession, policy: EgressPolicy, api_url: str, dispatch: Dispatch
) -> CallResult:
    """Dispatch it; only a cancellation passes, every other failure is a result. A bad one is never sent."""
    token = dispatch.token
    if not token:
        return failure(NO_TOKEN)
    inputs = input_texts(dispatch.payload)
    problem = _token_problem(token) or _target_problem(dispatch.target) or inputs_problem(inputs)
    if problem is not None:
        return failure(problem)
    request = HttpRequest(
        method="POST",
        url=dispatch_url(api_url, dispatch.target),
        headers={
            "accept": "application/vnd.github+json",
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "x-github-api-version": API_VERSION,
        },
        timeout_seconds=dispatch.timeout_seconds,
        body=orjson.dumps({"ref": ref_of(dispatch.metadata), "inputs": inputs}),
        discretion=replace(dispatch.discretion, secrets=dispatch.discretion.secrets | {token}),
    )
    return await send(session, policy, request, _judge)


def dispatch_url(api_url: str, target: GitHubTarget) -> str:
    """Where a workflow is dispatched."""
    owner, repo, workflow = (quote(part, safe="") for part in (target.owner, target.repo, target.workflow))
    return f"{api_url}/repos/{owner}/{repo}/actions/workflows/{workflow}/dispatches"


def ref_of(metadata: Mapping[str, Any]) -> str:
    """The branch or tag that the workflow runs on."""
    named = (metadata.get(name) for name in REF_NAMES)
    texts = (name.strip() for name in named if isinstance(name, str))
    return next((text for text in texts if text), DEFAULT_REF)


def input_texts(payload: Mapping[str, Any]) -> dict[str, str]:
    """The inputs, all of them text as GitHub wants them; what is null is left out."""
    return {
        name: value if isinstance(value, str) else _json(value)
        for name, value in payload.items()
        if value is not None
    }


def inputs_problem(inputs: Mapping[str, str]) -> str | None:
    """Why GitHub would refuse so many inputs, or None."""
    if len(inputs) > MAX_INPUTS:
        return f"GitHub takes at most {MAX_INPUTS} inputs, and there are {len(inputs)}"
    if (length := len(_json(inputs))) > MAX_INPUT_CHARACTERS:
        return f"GitHub takes at most {MAX_INPUT_CHARACTERS:,} characters of inputs, and there are {length:,}"
    return None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _token_problem(token: str) -> str | None:
    return None if _TOKEN.fullmatch(token) else "The GitHub token has characters that no token has"


def _target_problem(target: GitHubTarget) -> str | None:
    # A dot segment would make another path of it, encoded or not (https://url.spec.whatwg.org/#double-dot-path-segment).
    if any(part.strip(".") == "" for part in (target.owner, target.repo, target.workflow)):
        return "The workflow's owner, repository or file is no name"
    return None


def _judge(status: int, text: str | None) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"HTTP {status}: the repository was renamed or moved, and redirects are not followed"
    message = _message(text)
    return f"HTTP {status}: {message}" if message else f"HTTP {status}"


def _message(text: str | None) -> str:
    """What GitHub says is wrong, as one short line; empty if it does not say."""
    try:
        answer = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return ""
    message = answer.get("message") if isinstance(answer, dict) else None
    if not isinstance(message, str):
        return ""
    printable = "".join(letter if letter.isprintable() else " " for letter in message)
    return " ".join(printable.split())[:MAX_MESSAGE_LENGTH]
