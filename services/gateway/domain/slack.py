"""The rules of how messages get to Slack. Pure; the URL comes sealed, so that nothing here can show it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.domain.directory import SlackSettings
from shared.errors import RuleViolation
from shared.events import DomainEvent, SlackSettingsUpdated


@dataclass(frozen=True, slots=True)
class SlackState:
    """`settings` is None before the first event."""

    settings: SlackSettings | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSlackSettings:
    """Change some settings, or make the defaults. `changes` are fields of `SlackSettings` with their new values."""

    settings_id: UUID
    changes: dict[str, Any] = field(default_factory=dict)
    now: datetime


class InvalidSlackSettings(RuleViolation):
    """Settings that cannot work."""

    title = "Invalid settings"


def decide(command: UpdateSlackSettings, state: SlackState) -> list[DomainEvent]:
    """What follows from a command; no events when it changes nothing. Raises `InvalidSlackSettings`."""
    before = state.settings or SlackSettings(
        id=command.settings_id, version=0, created_at=command.now, updated_at=command.now
    )
    changed = before.model_copy(update=command.changes)
    if changed.is_enabled and changed.sealed_webhook_url is None:
        raise InvalidSlackSettings("webhook_url is required when Slack is enabled.")
    if changed == state.settings:
        return []
    settings = changed.model_copy(update={"version": state.version + 1, "updated_at": command.now})
    return [SlackSettingsUpdated(settings=settings, before=state.settings)]


def evolve(state: SlackState, event: DomainEvent) -> SlackState:
    """The state after an event, which carries it whole."""
    if isinstance(event, SlackSettingsUpdated):
        return SlackState(event.settings, event.settings.version)
    return state
