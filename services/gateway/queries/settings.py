"""Reading how messages get to Slack."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from services.gateway.commands.slack import SETTINGS_ID, make_slack_settings
from services.gateway.gateway import Gateway
from services.gateway.store.aggregates import SLACK
from services.gateway.store.event_store import load
from shared.domain.directory import SlackSettings
from shared.secretbox import SecretBox, UnknownKey
from shared.slack_settings import open_webhook_url

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSlackSettings:
    """The settings with their URL in the clear: for administrators only."""

    id: UUID
    is_enabled: bool
    webhook_url: str | None
    channel: str | None
    created_at: datetime
    updated_at: datetime


async def read_slack_settings(gateway: Gateway) -> OpenSlackSettings:
    """The settings; the first reader makes them, with their defaults."""
    async with gateway.database.read() as connection:
        state, _ = await load(connection, SLACK, SETTINGS_ID)
    return opened(gateway.box, state.settings or await make_slack_settings(gateway))


def opened(box: SecretBox, settings: SlackSettings) -> OpenSlackSettings:
    """Settings with their URL in the clear; without it where it was sealed with a key that is gone."""
    url = None
    if settings.sealed_webhook_url is not None:
        try:
            url = open_webhook_url(box, settings.sealed_webhook_url)
        except (UnknownKey, ValueError):
            logger.warning("the Slack webhook URL cannot be opened; set it again", action="settings")
    return OpenSlackSettings(
        id=settings.id,
        is_enabled=settings.is_enabled,
        webhook_url=url,
        channel=settings.channel,
        created_at=settings.created_at,
        updated_at=settings.updated_at,
    )
