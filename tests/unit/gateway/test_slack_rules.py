"""What may be set of how messages get to Slack."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.gateway.domain.slack import (
    InvalidSlackSettings,
    SlackState,
    UpdateSlackSettings,
    decide,
    evolve,
)
from shared.domain.directory import SlackSettings
from shared.events import SlackSettingsUpdated
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.decider import Decider

SLACK = Decider(SlackState(), decide, evolve)
given = SLACK.given
SETTINGS_ID = uuid4()
LATER = SOME_TIME + timedelta(hours=1)
DEFAULTS = SlackSettings(id=SETTINGS_ID, version=1, created_at=SOME_TIME, updated_at=SOME_TIME)
MADE = SlackSettingsUpdated(settings=DEFAULTS)


def update(now: Any = LATER, **changes: Any) -> UpdateSlackSettings:
    return UpdateSlackSettings(settings_id=SETTINGS_ID, changes=changes, now=now)


def after(before: SlackSettings, **changes: Any) -> SlackSettingsUpdated:
    settings = before.model_copy(update={"version": before.version + 1, "updated_at": LATER, **changes})
    return SlackSettingsUpdated(settings=settings, before=before)


def test_the_first_change_makes_them() -> None:
    given().when(update(SOME_TIME)).then(MADE)
    enabled = DEFAULTS.model_copy(update={"is_enabled": True, "sealed_webhook_url": "x"})
    given().when(update(SOME_TIME, is_enabled=True, sealed_webhook_url="x")).then(
        SlackSettingsUpdated(settings=enabled)
    )


def test_what_is_given_changes() -> None:
    given(MADE).when(update(channel="#ops")).then(after(DEFAULTS, channel="#ops"))


def test_what_changes_nothing_leaves_no_event() -> None:
    given(MADE).when(update()).then()
    given(MADE).when(update(is_enabled=False, channel=None)).then()


@pytest.mark.parametrize("happened", [(), (MADE,)], ids=["first", "later"])
def test_slack_needs_a_url(happened: tuple[SlackSettingsUpdated, ...]) -> None:
    given(*happened).when(update(is_enabled=True)).then_raises(
        InvalidSlackSettings,
        title="Invalid settings",
        message="webhook_url is required when Slack is enabled.",
    )


def test_the_url_stays_while_slack_is_enabled() -> None:
    enabled = after(DEFAULTS, is_enabled=True, sealed_webhook_url="x")
    given(MADE, enabled).when(update(sealed_webhook_url=None)).then_raises(InvalidSlackSettings)
    given(MADE, enabled).when(update(sealed_webhook_url=None, is_enabled=False)).then(
        after(enabled.settings, sealed_webhook_url=None, is_enabled=False)
    )
