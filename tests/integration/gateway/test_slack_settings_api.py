"""How messages get to Slack, over HTTP: for administrators only, and the URL is readable nowhere else."""

import asyncio
import json
from typing import Any

import pytest
import structlog

from services.gateway.auth.tokens import TokenKind
from services.gateway.commands.slack import SETTINGS_ID
from services.gateway.commands.users import register_user
from services.gateway.domain.actor import SYSTEM, Role
from services.gateway.store.tables import events, slack_settings
from shared.secretbox import SecretBox
from shared.slack_settings import open_webhook_url, seal_webhook_url
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import (
    Api,
    Json,
    MovableClock,
    body_of,
    client_of,
    gateway_settings,
    running_app,
    z,
)

PATH = "/settings/slack"
SECRET = "T000/B000/very-secret"
URL = f"https://hooks.slack.com/services/{SECRET}"


async def put(api: Api, **fields: Any) -> Json:
    """The settings after a change that is made."""
    answer = await api.admin.put(PATH, json=fields)
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == "Slack settings updated"
    settings: Json = answer.json()["slack_settings"]
    return settings


async def recorded(api: Api) -> list[Json]:
    rows = await rows_of(api.gateway.database, events)
    return [row for row in rows if row["type"] == "settings.slack_updated"]


async def test_at_first_slack_is_off(api: Api) -> None:
    made_at = z(api.clock.now)
    defaults = {
        "slack_settings": {
            "id": str(SETTINGS_ID),
            "is_enabled": False,
            "webhook_url": None,
            "channel": None,
            "created_at": made_at,
            "updated_at": made_at,
        }
    }
    assert await body_of(api.admin, PATH) == defaults
    api.clock.advance(minutes=1)
    assert await body_of(api.admin, PATH) == defaults
    [event] = await recorded(api)
    assert (event["actor"], event["version"]) == ("system", 1)


async def test_many_first_readers_see_the_same(api: Api) -> None:
    answers = await asyncio.gather(*(api.admin.get(PATH) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len(await recorded(api)) == 1


async def test_it_is_set_and_shown(api: Api) -> None:
    api.clock.advance(minutes=1)
    answer = await api.admin.put(
        PATH, json={"is_enabled": True, "webhook_url": f"  {URL} ", "channel": " #cron-alerts "}
    )
    assert answer.status_code == 200
    settings = {
        "id": str(SETTINGS_ID),
        "is_enabled": True,
        "webhook_url": URL,
        "channel": "#cron-alerts",
        "created_at": z(api.clock.now),
        "updated_at": z(api.clock.now),
    }
    assert answer.json() == {"message": "Slack settings updated", "slack_settings": settings}
    assert await body_of(api.admin, PATH) == {"slack_settings": settings}


async def test_what_is_not_given_stays(api: Api) -> None:
    first = await put(api, is_enabled=True, webhook_url=URL, channel="#a")
    later = z(api.clock.advance(minutes=1))
    assert await put(api, channel="#b") == {**first, "channel": "#b", "updated_at": later}
    later = z(api.clock.advance(minutes=1))
    assert await put(api, is_enabled=False) == {
        **first,
        "is_enabled": False,
        "channel": "#b",
        "updated_at": later,
    }


@pytest.mark.parametrize("nothing", ["", "   ", None])
async def test_empty_text_takes_a_value_away(api: Api, nothing: str | None) -> None:
    await put(api, webhook_url=URL, channel="#a")
    settings = await put(api, webhook_url=nothing, channel=nothing)
    assert (settings["webhook_url"], settings["channel"]) == (None, None)


async def test_the_same_again_changes_nothing(api: Api) -> None:
    first = await put(api, is_enabled=True, webhook_url=URL, channel="#a")
    api.clock.advance(minutes=1)
    assert await put(api, is_enabled=True, webhook_url=URL, channel="#a") == first
    assert await put(api) == first
    assert len(await recorded(api)) == 1


@pytest.mark.parametrize(
    ("before", "body"),
    [
        ({}, {"is_enabled": True}),
        ({}, {"is_enabled": True, "webhook_url": "  "}),
        ({"is_enabled": True, "webhook_url": URL}, {"webhook_url": ""}),
        ({"is_enabled": True, "webhook_url": URL}, {"webhook_url": None, "channel": "#x"}),
    ],
)
async def test_slack_needs_a_url(api: Api, before: Json, body: Json) -> None:
    await put(api, **before)
    shown = await body_of(api.admin, PATH)
    answer = await api.admin.put(PATH, json=body)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "Invalid settings",
        "message": "webhook_url is required when Slack is enabled.",
    }
    assert await body_of(api.admin, PATH) == shown


@pytest.mark.parametrize(
    "url",
    [
        "hooks.slack.com/services/x",
        "ftp://hooks.slack.com/x",
        "https://",
        "https://user:very-secret@hooks.slack.com/x",
        "https://hooks.slack.com/with blank",
        "https://hooks.slack.com/\nx",
        "https://hooks.slack.com:0/",
        "https://hooks.slack.com/" + "x" * 500,
    ],
)
async def test_a_url_must_be_one_that_can_be_called(api: Api, url: str) -> None:
    answer = await api.admin.put(PATH, json={"webhook_url": url})
    assert (answer.status_code, answer.json()["error"]) == (400, "Invalid webhook_url")
    assert list(answer.json()["details"]) == ["webhook_url"]
    assert "very-secret" not in answer.text
    assert await recorded(api) == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"is_enabled": "yes"}, "Invalid is_enabled"),
        ({"is_enabled": None}, "Invalid is_enabled"),
        ({"webhook_url": 7}, "Invalid webhook_url"),
        ({"channel": "x" * 256}, "Invalid channel"),
        ({"channel": "#a\n#b"}, "Invalid channel"),
        ({"token": "x"}, "Invalid payload"),
        ([], "Invalid payload"),
    ],
)
async def test_what_is_no_setting_is_refused(api: Api, body: Any, error: str) -> None:
    answer = await api.admin.put(PATH, json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert await recorded(api) == []


async def test_it_must_be_json(api: Api) -> None:
    answer = await api.admin.put(PATH, content="is_enabled=true")
    assert (answer.status_code, answer.json()["error"]) == (400, "Content-Type must be application/json")


async def test_only_administrators_see_and_set_them(api: Api) -> None:
    await put(api, webhook_url=URL)
    for client in (api.user, api.viewer):
        for answer in (await client.get(PATH), await client.put(PATH, json={})):
            assert (answer.status_code, answer.json()["error"]) == (403, "Insufficient permissions")
    for answer in (await api.anonymous.get(PATH), await api.anonymous.put(PATH, json={})):
        assert answer.status_code == 401


async def test_the_url_is_sealed_in_rows_and_events_and_in_no_log(api: Api) -> None:
    with structlog.testing.capture_logs() as logs:
        await put(api, is_enabled=True, webhook_url=URL)
        await api.admin.put(PATH, json={"webhook_url": f"{URL} x"})
        await put(api, channel="#a")
        await body_of(api.admin, PATH)
    stored = [*await rows_of(api.gateway.database, slack_settings), *await recorded(api)]
    assert len(stored) == 3
    for written in (stored, logs):
        assert "very-secret" not in json.dumps(written, default=str)
    assert open_webhook_url(api.gateway.box, stored[0]["sealed_webhook_url"]) == URL
    assert stored[-1]["data"]["settings"]["sealed_webhook_url"] == stored[0]["sealed_webhook_url"]


async def test_a_url_that_was_sealed_with_a_key_that_is_gone_can_be_set_again(api: Api) -> None:
    await put(api, is_enabled=True, webhook_url=URL)
    lost = seal_webhook_url(SecretBox("another secret"), URL)
    [event] = await recorded(api)
    data = {**event["data"], "settings": {**event["data"]["settings"], "sealed_webhook_url": lost}}
    async with api.gateway.database.write() as connection:
        await connection.execute(
            events.update().where(events.c.position == event["position"]).values(data=data)
        )
    assert (await body_of(api.admin, PATH))["slack_settings"]["webhook_url"] is None
    assert (await put(api, webhook_url=URL))["webhook_url"] == URL


async def test_https_can_be_required(database_url: str) -> None:
    settings = gateway_settings(database_url, webhook_require_https=True)
    async with running_app(settings, MovableClock()) as app:
        admin = await register_user(
            app.state.gateway,
            username="root",
            email="root@example.com",
            password="long enough",
            role=Role.ADMIN,
            actor=SYSTEM,
        )
        async with client_of(app, app.state.gateway.tokens.issue(TokenKind.ACCESS, admin).text) as client:
            refused = await client.put(PATH, json={"webhook_url": "http://slack.test/x"})
            taken = await client.put(PATH, json={"webhook_url": "https://slack.test/x"})
    assert (refused.status_code, refused.json()["error"]) == (400, "Invalid webhook_url")
    assert taken.status_code == 200


async def test_v1_has_them_too(api: Api) -> None:
    url = f"{api.app.state.origin}/api/settings/slack"
    answer = await api.admin.put(url, json={"channel": "#a"})
    assert answer.json()["slack_settings"]["channel"] == "#a"
    assert await body_of(api.admin, url) == await body_of(api.admin, PATH)
    assert (await api.user.get(url)).status_code == 403
