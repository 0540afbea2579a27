"""How messages get to Slack, as it is written and shown."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.config import JsonDict

from services.gateway.api.v2.fields import Flag, TaxonomyName
from services.gateway.api.v2.models.common import Input, View, not_given

_EXAMPLE: JsonDict = {
    "is_enabled": True,
    "webhook_url": "https://hooks.slack.com/services/T000/B000/secret",
    "channel": "#cron-alerts",
}


def _blank_is_nothing(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


class SlackSettingsUpdate(Input):
    """Changes of the settings: what is not given stays as it is; null and empty text take it away."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    is_enabled: Flag = Field(default_factory=not_given, description="Whether messages go to Slack.")
    webhook_url: Annotated[
        Annotated[str, StringConstraints(strip_whitespace=True)] | None, BeforeValidator(_blank_is_nothing)
    ] = Field(default=None, description="An incoming webhook: http or https. Whoever has it can post.")
    channel: Annotated[
        TaxonomyName | None,
        BeforeValidator(_blank_is_nothing),
        WithJsonSchema({"anyOf": [{"type": "string", "maxLength": 255}, {"type": "null"}]}),
    ] = Field(default=None, description="Where to, if it is not the webhook's own channel.")


class SlackSettingsView(View):
    """The settings."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0d9c8b7a-6f5e-4d3c-8b2a-190817263544",
                    **_EXAMPLE,
                    "created_at": "2026-11-21T10:30:00Z",
                    "updated_at": "2026-11-21T10:30:00Z",
                }
            ]
        }
    )

    id: UUID
    is_enabled: bool
    webhook_url: str | None
    channel: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class SlackSettingsAnswer(View):
    """The settings."""

    slack_settings: SlackSettingsView


class SlackSettingsUpdatedAnswer(SlackSettingsAnswer):
    """The settings after a change."""

    message: str = "Slack settings updated"
