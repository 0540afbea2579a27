"""Teams over HTTP: whom they are shown, who changes them, and that jobs follow a renamed one."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.fixtures.gateway import Api, Json, body_of, created, z

NOT_EDITABLE = "Slug cannot be edited directly; it is derived from name."


async def slugs(client: httpx.AsyncClient, **query: Any) -> list[str]:
    return [one["slug"] for one in (await body_of(client, "/pic-teams", **query))["pic_teams"]]


async def put(api: Api, team: Json, **fields: Any) -> Json:
    """The answer to a change that is made."""
    answer = await api.admin.put(f"/pic-teams/{team['id']}", json=fields)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


async def test_an_administrator_makes_one(api: Api) -> None:
    answer = await api.admin.post("/pic-teams", json={"name": " QA Team ", "slack_handle": " @qa-team "})
    assert answer.status_code == 201
    team = answer.json()["pic_team"]
    assert answer.json() == {
        "message": "PIC team created",
        "pic_team": {
            "id": team["id"],
            "slug": "qa-team",
            "name": "QA Team",
            "slack_handle": "@qa-team",
            "is_active": True,
            "created_at": z(api.clock.now),
            "updated_at": z(api.clock.now),
        },
    }
    shown = await body_of(api.viewer, "/pic-teams")
    assert list(shown) == ["pic_teams"]
    assert shown["pic_teams"][1] == team


async def test_it_can_have_a_slug_of_its_own(api: Api) -> None:
    team = await api.create_team("インフラ", "@infra", slug="Infra")
    assert (team["slug"], team["name"]) == ("infra", "インフラ")
    changed = await put(api, team, name="インフラ", slack_handle="@infra-2")
    assert changed["pic_team"] == {**team, "slack_handle": "@infra-2"}
    assert (await api.create_job(pic_team="インフラ"))["pic_team"] == "infra"


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ({}, "Missing required fields", '"name" is required.'),
        ({"slack_handle": "@x"}, "Missing required fields", '"name" is required.'),
        ({"name": "QA"}, "Missing required fields", '"slack_handle" is required.'),
        ({"name": "QA", "slack_handle": " "}, "Missing required fields", '"slack_handle" is required.'),
        ({"name": "QA", "slack_handle": None}, "Missing required fields", '"slack_handle" is required.'),
        ({"name": "QA", "slack_handle": "x" * 256}, "Invalid slack_handle", None),
        ({"name": "QA", "slack_handle": "@a\n@b"}, "Invalid slack_handle", None),
        ({"name": "QA", "slack_handle": 7}, "Invalid slack_handle", None),
        ({"name": "???", "slack_handle": "@x"}, "Invalid slug", "Unable to generate a valid slug from name."),
        ({"name": "x" * 256, "slack_handle": "@x"}, "Invalid name", None),
        ({"name": "QA", "slack_handle": "@x", "members": []}, "Invalid payload", None),
        (7, "Invalid payload", "JSON body must be an object."),
    ],
)
async def test_what_makes_no_team_is_refused(api: Api, body: Any, error: str, message: str | None) -> None:
    answer = await api.admin.post("/pic-teams", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    if message is not None:
        assert answer.json() == {"error": error, "message": message}
    assert await slugs(api.admin, include_inactive=True) == ["ops"]


async def test_the_longest_texts_are_taken(api: Api) -> None:
    team = await api.create_team("n" * 255, "@" * 255)
    assert (len(team["name"]), len(team["slack_handle"]), team["slug"]) == (255, 255, "n" * 100)


async def test_a_slug_is_given_once(api: Api) -> None:
    for body in ({"name": "OPS"}, {"name": "Operations", "slug": "ops"}):
        answer = await api.admin.post("/pic-teams", json={**body, "slack_handle": "@x"})
        assert answer.status_code == 409
        assert answer.json() == {
            "error": "Duplicate slug",
            "message": 'PIC team slug "ops" already exists.',
        }


async def test_of_many_that_make_or_take_one_slug_at_once_one_does(api: Api) -> None:
    others = [await api.create_team(f"other {number}") for number in range(3)]
    answers = await asyncio.gather(
        *(api.admin.post("/pic-teams", json={"name": "QA", "slack_handle": "@qa"}) for _ in range(5)),
        *(api.admin.put(f"/pic-teams/{team['id']}", json={"name": "QA"}) for team in others),
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes in ([200] + [409] * 7, [201] + [409] * 7)
    assert (await slugs(api.admin)).count("qa") == 1


async def test_disabled_ones_are_shown_to_administrators_who_ask(api: Api) -> None:
    await api.create_team("Old", is_active=False)
    assert await slugs(api.admin) == ["ops"]
    assert await slugs(api.admin, include_inactive="true") == ["old", "ops"]
    for client in (api.user, api.viewer):
        assert await slugs(client, include_inactive="true") == ["ops"]


async def test_deleting_one_disables_it(api: Api) -> None:
    team = await api.create_team("QA", "@qa")
    job = await api.create_job(pic_team="qa")
    later = api.clock.advance(minutes=1)
    for _ in range(2):
        answer = await api.admin.delete(f"/pic-teams/{team['id']}")
        assert answer.status_code == 200
        assert answer.json() == {
            "message": "PIC team disabled",
            "pic_team": {**team, "is_active": False, "updated_at": z(later)},
        }
    assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"] == job
    assert (await put(api, team, is_active=True))["pic_team"]["is_active"] is True


async def test_jobs_follow_a_renamed_one(api: Api) -> None:
    team = await api.create_team("QA", "@qa")
    theirs = await api.create_job(pic_team="qa")
    others = await created(api.other, pic_team="qa")
    ops = await api.create_job()
    later = api.clock.advance(minutes=1)
    assert await put(api, team, name="Quality", slack_handle="@quality") == {
        "message": "PIC team updated",
        "pic_team": {
            **team,
            "name": "Quality",
            "slug": "quality",
            "slack_handle": "@quality",
            "updated_at": z(later),
        },
        "jobs_updated": 2,
    }
    for job in (theirs, others):
        moved = {**job, "pic_team": "quality", "version": 2, "updated_at": z(later)}
        assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"] == moved
        [entry, _] = (await body_of(api.user, f"/jobs/{job['id']}/history"))["history"]
        assert (entry["actor"], entry["changes"]) == ("admin", {"pic_team": {"from": "qa", "to": "quality"}})
    assert (await body_of(api.user, f"/jobs/{ops['id']}"))["job"] == ops


async def test_a_team_and_a_category_can_be_renamed_at_once(api: Api) -> None:
    team = await api.create_team("QA", "@qa")
    category = (await api.admin.post("/job-categories", json={"name": "Reports"})).json()["category"]
    for _ in range(10):
        await api.create_job(pic_team="qa", category="reports")
    answers = await asyncio.gather(
        api.admin.put(f"/pic-teams/{team['id']}", json={"name": "Quality"}),
        api.admin.put(f"/job-categories/{category['id']}", json={"name": "Papers"}),
    )
    assert [(answer.status_code, answer.json().get("jobs_updated")) for answer in answers] == [(200, 10)] * 2
    shown = (await body_of(api.user, "/jobs"))["jobs"]
    assert {(job["pic_team"], job["category"], job["version"]) for job in shown} == {("quality", "papers", 3)}


async def test_another_handle_moves_no_job(api: Api) -> None:
    team = await api.create_team("QA", "@qa")
    job = await api.create_job(pic_team="qa")
    answer = await put(api, team, slack_handle="@quality")
    assert (answer["pic_team"]["slack_handle"], answer["jobs_updated"]) == ("@quality", 0)
    assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"] == job


@pytest.mark.parametrize(
    ("body", "status", "error", "message"),
    [
        ({"slug": "x"}, 400, "Invalid payload", NOT_EDITABLE),
        ({"name": "New", "slug": None}, 400, "Invalid payload", NOT_EDITABLE),
        ({"name": ""}, 400, "Invalid name", "Name cannot be empty."),
        ({"slack_handle": ""}, 400, "Invalid slack_handle", "slack_handle cannot be empty."),
        ({"slack_handle": " "}, 400, "Invalid slack_handle", "slack_handle cannot be empty."),
        ({"slack_handle": None}, 400, "Invalid slack_handle", "slack_handle cannot be empty."),
        ({"slack_handle": "x" * 256}, 400, "Invalid slack_handle", None),
        ({"name": "!!!"}, 400, "Invalid slug", "Unable to generate a valid slug from name."),
        ({"name": "Ops"}, 409, "Duplicate slug", 'PIC team slug "ops" already exists.'),
        ({"is_active": "no"}, 400, "Invalid is_active", None),
        ({"color": "red"}, 400, "Invalid payload", None),
    ],
)
async def test_what_a_team_must_not_become_is_refused(
    api: Api, body: Json, status: int, error: str, message: str | None
) -> None:
    team = await api.create_team("QA", "@qa")
    job = await api.create_job(pic_team="qa")
    answer = await api.admin.put(f"/pic-teams/{team['id']}", json=body)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    if message is not None:
        assert answer.json() == {"error": error, "message": message}
    assert team in (await body_of(api.user, "/pic-teams"))["pic_teams"]
    assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"] == job


@pytest.mark.parametrize("team_id", ["00000000-0000-4000-8000-000000000009", "ops"])
async def test_what_is_not_there_is_not_found(api: Api, team_id: str) -> None:
    path = f"/pic-teams/{team_id}"
    for answer in (await api.admin.put(path, json={"name": "x"}), await api.admin.delete(path)):
        assert answer.status_code == 404
        assert answer.json() == {"error": "Not found", "message": f"No PIC team found with ID: {team_id}"}


async def test_only_administrators_change_them(api: Api) -> None:
    [team] = (await body_of(api.user, "/pic-teams"))["pic_teams"]
    path = f"/pic-teams/{team['id']}"
    for client in (api.user, api.viewer):
        for answer in (
            await client.post("/pic-teams", json={"name": "x", "slack_handle": "@x"}),
            await client.put(path, json={"name": "x"}),
            await client.delete(path),
        ):
            assert (answer.status_code, answer.json()["error"]) == (403, "Insufficient permissions")
    for answer in (
        await api.anonymous.get("/pic-teams"),
        await api.anonymous.post("/pic-teams", json={"name": "x", "slack_handle": "@x"}),
        await api.anonymous.put(path, json={"name": "x"}),
        await api.anonymous.delete(path),
    ):
        assert answer.status_code == 401
    assert (await body_of(api.user, "/pic-teams"))["pic_teams"] == [team]


async def test_v1_has_them_too(api: Api) -> None:
    base = f"{api.app.state.origin}/api/pic-teams"
    answer = await api.admin.post(base, json={"name": "QA", "slack_handle": "@qa"})
    assert answer.status_code == 201
    team = answer.json()["pic_team"]
    answer = await api.admin.put(f"{base}/{team['id']}", json={"name": "Quality"})
    assert answer.json()["pic_team"]["slug"] == "quality"
    answer = await api.admin.delete(f"{base}/{team['id']}")
    assert answer.json()["message"] == "PIC team disabled"
    assert await body_of(api.user, base) == await body_of(api.user, "/pic-teams")
