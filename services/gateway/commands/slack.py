"""Commands on how messages get to Slack. There is one set of settings."""

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain.actor import SYSTEM, Actor
from services.gateway.domain.slack import InvalidSlackSettings, SlackState, UpdateSlackSettings
from services.gateway.domain.target import MAX_URL_LENGTH
from services.gateway.gateway import Gateway
from services.gateway.store.aggregates import SLACK
from services.gateway.store.event_store import Context
from shared.domain.directory import SlackSettings
from shared.domain.urls import url_problem
from shared.secretbox import SecretBox, UnknownKey
from shared.slack_settings import open_webhook_url, seal_webhook_url

SETTINGS_ID = uuid5(NAMESPACE_URL, "jetcron:settings:slack")


async def update_slack_settings(gateway: Gateway, fields: Mapping[str, Any], actor: Actor) -> SlackSettings:
    """Change the given ones of `is_enabled`, `webhook_url` and `channel`; None takes one away.

    Raises `InvalidSlackSettings`.
    """
    now = gateway.clock()
    url = fields.get("webhook_url")
    if url is not None:
        _check_url(url, require_https=gateway.settings.webhook_require_https)

    async def prepare(_connection: AsyncConnection, state: SlackState) -> UpdateSlackSettings:
        changes = {name: value for name, value in fields.items() if name != "webhook_url"}
        if "webhook_url" in fields:
            stored = state.settings.sealed_webhook_url if state.settings is not None else None
            changes["sealed_webhook_url"] = _sealed(gateway.box, url, stored)
        return UpdateSlackSettings(settings_id=SETTINGS_ID, changes=changes, now=now)

    context = Context(actor=actor.name, at=now, correlation_id=str(uuid4()))
    state = await gateway.event_store.execute(SLACK, SETTINGS_ID, prepare, context)
    if state.settings is None:
        raise InvalidSlackSettings("The settings could not be stored.")
    return state.settings


async def make_slack_settings(gateway: Gateway) -> SlackSettings:
    """The settings; made with their defaults unless there are some."""
    return await update_slack_settings(gateway, {}, SYSTEM)


def _check_url(url: str, *, require_https: bool) -> None:
    problem = url_problem(url, require_https=require_https, max_length=MAX_URL_LENGTH)
    if problem is not None:
        raise InvalidSlackSettings(
            f"webhook_url {problem}", title="Invalid webhook_url", details={"webhook_url": problem}
        )


def _sealed(box: SecretBox, url: str | None, stored: str | None) -> str | None:
    """The URL sealed; as it is stored if it is the same, so that nothing changes."""
    if url is None:
        return None
    try:
        unchanged = stored is not None and open_webhook_url(box, stored) == url
    except (UnknownKey, ValueError):
        unchanged = False
    return stored if unchanged else seal_webhook_url(box, url)
