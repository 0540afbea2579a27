"""Messages to Slack's incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import ClassVar

import aiohttp
import orjson
import structlog

from services.notifier.channels.channel import Refused, Unreachable
from shared.bus.subjects import SLACK
from shared.domain.directory import SlackSettings
from shared.egress import EgressPolicy, EgressRefused
from shared.events import SlackQueued
from shared.secretbox import SecretBox, UnknownKey
from shared.slack_settings import open_webhook_url

TIMEOUT_SECONDS = 10.0
TOO_MANY_REQUESTS = 429

logger = structlog.get_logger()


class SlackChannel:
    """The webhook of the settings of the moment. Whoever has its URL can post: no message of ours repeats it."""

    name: ClassVar[str] = SLACK

    def __init__(
        self,
        session: aiohttp.ClientSession,
        policy: EgressPolicy,
        box: SecretBox,
        settings: Callable[[], Awaitable[SlackSettings | None]],
    ) -> None:
        self._session = session
        self._policy = policy
        self._box = box
        self._settings = settings

    async def send(self, notice: SlackQueued) -> None:
        """Post the message; it is dropped when Slack has been switched off meanwhile."""
        settings = await self._settings()
        if settings is None or settings.sealed_webhook_url is None:
            logger.info("Slack is off: a message is dropped", action="slack", id=str(notice.notification_id))
            return
        url = self._open(settings.sealed_webhook_url)
        body = {"text": notice.text} | ({"channel": settings.channel} if settings.channel else {})
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                self._session.post(
                    self._policy.check_url(url),
                    data=orjson.dumps(body),
                    headers={
                        "content-type": "application/json; charset=utf-8",
                        "user-agent": f"jetcron/{version('jetcron')}",
                    },
                    allow_redirects=False,
                ) as response,
            ):
                _judge(response.status, response.headers.get("retry-after", ""))
        except EgressRefused as error:
            raise Refused("the egress guard refuses the webhook's address") from error
        except aiohttp.InvalidURL:
            raise Refused("the webhook's URL is not valid") from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # The type alone: messages of aiohttp quote the URL.
            raise Unreachable(type(error).__name__) from None

    def _open(self, sealed: str) -> str:
        try:
            return open_webhook_url(self._box, sealed)
        except UnknownKey as error:
            raise Unreachable("the webhook's URL is sealed with a key that is not known here") from error
        except ValueError as error:
            raise Refused("the webhook's URL cannot be opened") from error


def _judge(status: int, retry_after: str) -> None:
    if 200 <= status < 300:
        return
    if status == TOO_MANY_REQUESTS or status >= 500:
        raise Unreachable(f"HTTP {status}", float(retry_after) if retry_after.isdecimal() else 0.0)
    raise Refused(f"HTTP {status}")
