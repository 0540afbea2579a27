"""Calling whatever kind of target a work order has."""

from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
import orjson

from services.executor.egress import EgressPolicy
from services.executor.targets.result import CallResult
from services.executor.targets.webhook import WebhookCall, call_webhook
from shared.clock import Clock
from shared.domain.job import HttpMethod
from shared.events import RunTriggered


class TargetCaller(Protocol):
    """Makes one attempt; a failed call is a result, never an exception."""

    def host_of(self, order: RunTriggered) -> str:
        """Whom the call goes to: calls to one host are bounded together."""

    async def call(self, order: RunTriggered, attempt: int) -> CallResult:
        """Make the attempt."""


class WebhookCaller:
    """Calls webhooks through the egress guard."""

    def __init__(self, session: aiohttp.ClientSession, policy: EgressPolicy, clock: Clock) -> None:
        self._session = session
        self._policy = policy
        self._clock = clock

    def host_of(self, order: RunTriggered) -> str:
        """The URL's host, as written."""
        return urlsplit(order.target.url).netloc.lower()

    async def call(self, order: RunTriggered, attempt: int) -> CallResult:
        """One HTTP request."""
        target, facts = order.target, order.facts
        request = WebhookCall(
            url=target.url,
            method=target.method.value,
            webhook_id=str(facts.execution_id),
            attempt=attempt,
            planned_at=facts.planned_at,
            timeout_seconds=order.timeout_seconds,
            body=_body(order, attempt) if target.method is HttpMethod.POST else None,
        )
        return await call_webhook(self._session, self._policy, request, now=self._clock)


def _body(order: RunTriggered, attempt: int) -> bytes:
    facts = order.facts
    return orjson.dumps(
        {
            "job": {"id": facts.job_id, "name": facts.job_name, "version": facts.job_version},
            "execution": {
                "id": facts.execution_id,
                "attempt": attempt,
                "planned_at": facts.planned_at,
                "trigger_type": facts.kind,
            },
            "metadata": order.metadata,
        },
        option=orjson.OPT_UTC_Z,
    )
