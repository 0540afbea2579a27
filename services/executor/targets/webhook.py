"""Calls a webhook once and says what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import aiohttp

from services.executor.targets.http import NOTHING_TO_HIDE, Discretion, HttpRequest, send
from services.executor.targets.result import CallResult
from shared.domain.ids import instant_text
from shared.egress import EgressPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCall:
    """One attempt at calling a webhook."""

    url: str
    method: str
    """`GET` or `POST`."""
    webhook_id: str
    """The execution's id, the same on every attempt, so that the receiver can drop a repetition."""
    attempt: int
    planned_at: datetime | None
    """None if nobody planned the run: a person asked for it."""
    timeout_seconds: float
    not_before: datetime | None = None
    """Its slot, if the job spreads its runs."""
    backfills: datetime | None = None
    """The planned instant that it makes up for."""
    body: bytes | None = None
    discretion: Discretion = NOTHING_TO_HIDE


async def call_webhook(
    session: aiohttp.ClientSession, policy: EgressPolicy, call: WebhookCall, *, now: Callable[[], datetime]
) -> CallResult:
    """Call it; only a cancellation passes, every other failure is a result."""
    request = HttpRequest(
        method=call.method,
        url=call.url,
        headers=_headers(call, now()),
        timeout_seconds=call.timeout_seconds,
        body=call.body,
        discretion=call.discretion,
    )
    return await send(session, policy, request, _judge)


def _headers(call: WebhookCall, now: datetime) -> dict[str, str]:
    """`webhook-id` and `webhook-timestamp` as Standard Webhooks names them (https://www.standardwebhooks.com)."""
    headers = {
        "webhook-id": call.webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "jetcron-attempt": str(call.attempt),
    }
    instants = {
        "jetcron-planned-at": call.planned_at,
        "jetcron-not-before": call.not_before,
        "jetcron-backfills": call.backfills,
    }
    headers |= {name: instant_text(instant) for name, instant in instants.items() if instant is not None}
    if call.body is not None:
        headers["content-type"] = "application/json; charset=utf-8"
    return headers


def _judge(status: int, _text: str | None) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"HTTP {status}: redirects are not followed"
    return f"HTTP {status}"
