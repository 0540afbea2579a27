"""Calling whatever kind of target there is."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
import orjson
import structlog
from pydantic import SecretStr

from services.executor.settings import ExecutorSettings
from services.executor.targets.github import Dispatch, dispatch_workflow
from services.executor.targets.result import CallResult, failure
from services.executor.targets.webhook import WebhookCall, call_webhook
from services.executor.work import Unworkable, Work, WorkOrNot
from shared.clock import Clock
from shared.domain.job import GitHubTarget, HttpMethod, WebhookTarget
from shared.egress import EgressPolicy, guarded_session

logger = structlog.get_logger()


class TargetCaller(Protocol):
    """Makes one attempt; a failed call is a result, never an exception."""

    def host_of(self, work: WorkOrNot) -> str:
        """Whom the call goes to: calls to one host are bounded together."""

    async def call(self, work: WorkOrNot, attempt: int) -> CallResult:
        """Make the attempt."""


class Targets:
    """All kinds of targets, each through a guarded session."""

    def __init__(self, webhooks: "WebhookCaller", github: "GitHubCaller") -> None:
        self._webhooks = webhooks
        self._github = github

    def host_of(self, work: WorkOrNot) -> str:
        """The host as written; empty where nobody is called."""
        if isinstance(work, Unworkable):
            return ""
        match work.target:
            case WebhookTarget(url=url):
                return _host(url)
            case GitHubTarget():
                return self._github.host

    async def call(self, work: WorkOrNot, attempt: int) -> CallResult:
        """One HTTP request, or none."""
        try:
            return await self._call(work, attempt)
        except Exception as error:  # noqa: BLE001 # what cannot even be written as a request is the end of this call only
            # The type alone: its message may quote what was to be sent.
            logger.warning("a call could not be made", action="call", error_type=type(error).__name__)
            return failure(f"The call could not be made ({type(error).__name__})")

    async def _call(self, work: WorkOrNot, attempt: int) -> CallResult:
        if isinstance(work, Unworkable):
            return failure(work.reason)
        match work.target:
            case WebhookTarget() as webhook:
                return await self._webhooks.call(webhook, work, attempt)
            case GitHubTarget() as workflow:
                return await self._github.call(workflow, work)


@asynccontextmanager
async def open_targets(settings: ExecutorSettings, clock: Clock) -> AsyncIterator[Targets]:
    """Targets with connections of their own. Webhooks and GitHub meet different guards."""
    async with AsyncExitStack() as stack:

        async def session(policy: EgressPolicy) -> aiohttp.ClientSession:
            guarded = guarded_session(
                policy,
                limit=settings.executor_concurrency,
                limit_per_host=settings.executor_concurrency_per_host,
            )
            return await stack.enter_async_context(guarded)

        webhook_policy, github_policy = settings.webhook_policy, settings.github_policy
        yield Targets(
            WebhookCaller(await session(webhook_policy), webhook_policy, clock),
            GitHubCaller(
                await session(github_policy), github_policy, settings.github_base, settings.github_token
            ),
        )


class WebhookCaller:
    """Calls webhooks."""

    def __init__(self, session: aiohttp.ClientSession, policy: EgressPolicy, clock: Clock) -> None:
        self._session = session
        self._policy = policy
        self._clock = clock

    async def call(self, target: WebhookTarget, work: Work, attempt: int) -> CallResult:
        """One HTTP request."""
        facts = work.facts
        call = WebhookCall(
            url=target.url,
            method=target.method.value,
            webhook_id=str(work.execution_id),
            attempt=attempt,
            planned_at=facts.planned_at if facts is not None else None,
            not_before=facts.not_before if facts is not None else None,
            backfills=facts.backfills if facts is not None else None,
            timeout_seconds=work.timeout_seconds,
            body=_body(work, attempt) if target.method is HttpMethod.POST else None,
            discretion=work.discretion,
        )
        return await call_webhook(self._session, self._policy, call, now=self._clock)


class GitHubCaller:
    """Dispatches workflows."""

    def __init__(
        self, session: aiohttp.ClientSession, policy: EgressPolicy, api_url: str, token: SecretStr | None
    ) -> None:
        self._session = session
        self._policy = policy
        self._api_url = api_url
        self._token = token.get_secret_value().strip() if token is not None else None
        self.host = _host(api_url)
        """All dispatches go there."""

    async def call(self, target: GitHubTarget, work: Work) -> CallResult:
        """One HTTP request."""
        dispatch = Dispatch(
            target=target,
            token=work.github_token or self._token,
            metadata=work.metadata,
            payload=work.payload,
            timeout_seconds=work.timeout_seconds,
            discretion=work.discretion,
        )
        return await dispatch_workflow(self._session, self._policy, self._api_url, dispatch)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:  # no URL: the guard says so
        return ""


def _body(work: Work, attempt: int) -> bytes:
    facts = work.facts
    job = (
        {"id": facts.job_id, "name": facts.job_name, "version": facts.job_version}
        if facts is not None
        else None
    )
    return orjson.dumps(
        {
            "job": job,
            "execution": {
                "id": work.execution_id,
                "attempt": attempt,
                "planned_at": facts.planned_at if facts is not None else None,
                "not_before": facts.not_before if facts is not None else None,
                "backfills": facts.backfills if facts is not None else None,
                "trigger_type": facts.kind if facts is not None else "trial",
            },
            "metadata": work.payload,
        },
        option=orjson.OPT_UTC_Z,
    )
