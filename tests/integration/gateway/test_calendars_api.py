"""Named calendars over HTTP: who makes, changes and reads them, and what they may be."""

import asyncio
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.gateway.store.tables import calendars, events
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of, z
from tests.integration.gateway.calendars import (
    CHRISTMAS,
    FREEZE,
    SHOWN_CHRISTMAS,
    following,
    make_calendar,
    put_calendar,
)


async def slugs(client: httpx.AsyncClient) -> list[str]:
    return [one["slug"] for one in (await body_of(client, "/calendars"))["calendars"]]


def path(calendar: Json) -> str:
    return f"/calendars/{calendar['id']}"


async def test_at_first_there_are_none(api: Api) -> None:
    assert await body_of(api.viewer, "/calendars") == {"count": 0, "calendars": []}


async def test_an_administrator_makes_one(api: Api) -> None:
    body = {"name": " Public Holidays ", "pic_team": "Ops", "exclusions": [FREEZE, CHRISTMAS]}
    answer = await api.admin.post("/calendars", json=body)
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"')
    calendar = answer.json()["calendar"]
    assert answer.json() == {
        "message": "Calendar created",
        "calendar": {
            "id": calendar["id"],
            "slug": "public-holidays",
            "name": "Public Holidays",
            "pic_team": "ops",
            "exclusions": [{**FREEZE, "note": None}, SHOWN_CHRISTMAS],
            "version": 1,
            "created_at": z(api.clock.now),
            "updated_at": z(api.clock.now),
            "jobs_count": 0,
        },
    }
    assert await body_of(api.user, "/calendars") == {"count": 1, "calendars": [calendar]}


async def test_it_is_found_by_its_slug_and_by_its_id(api: Api) -> None:
    calendar = await make_calendar(api, "インフラ", slug=" Infra Freeze! ")
    assert (calendar["slug"], calendar["name"]) == ("infra-freeze", "インフラ")
    for name in (calendar["id"], calendar["id"].upper(), "infra-freeze"):
        answer = await api.viewer.get(f"/calendars/{name}")
        assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
        assert answer.json() == {"calendar": {**calendar, "jobs": []}}


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    await make_calendar(api, "Infra Freeze!")
    for method, name in product(("GET", "PUT", "DELETE"), ("nothing", str(uuid4()), "Infra Freeze!", "0")):
        answer = await api.admin.request(method, f"/calendars/{name}", json={} if method == "PUT" else None)
        assert (answer.status_code, answer.json()) == (
            404,
            {"error": "Calendar not found", "message": f"No calendar found with ID or slug: {name}"},
        )


async def test_they_are_listed_by_name(api: Api) -> None:
    for name in ("zebra", "Émile", "apple", "Banana"):
        await make_calendar(api, name)
    assert await slugs(api.user) == ["apple", "banana", "zebra", "emile"]


SHOWN: list[tuple[Json, tuple[str, str]]] = [
    ({"date": "2026-12-25"}, ("2026-12-25", "2026-12-25")),
    ({"from": "2026-12-25", "to": "2026-12-25"}, ("2026-12-25", "2026-12-25")),
    ({"from": "2026-12-24", "to": "2027-01-02"}, ("2026-12-24", "2027-01-02")),
    ({"from": "2026-12-24T18:00", "to": "2026-12-25"}, ("2026-12-24T18:00:00", "2026-12-26T00:00:00")),
    (
        {"from": "2026-12-24T18:00:30", "to": "2026-12-24T18:00:31"},
        ("2026-12-24T18:00:30", "2026-12-24T18:00:31"),
    ),
    ({"from": "2026-12-24T00:00", "to": "2026-12-25T00:00"}, ("2026-12-24", "2026-12-24")),
]


async def test_a_stretch_of_time_is_shown_as_it_can_be_sent_back(api: Api) -> None:
    for number, (given, (begin, end)) in enumerate(SHOWN):
        calendar = await make_calendar(api, f"Calendar {number}", exclusions=[given])
        assert calendar["exclusions"] == [{"from": begin, "to": end, "note": None}]
        assert (await put_calendar(api, calendar, **calendar))["calendar"] == calendar


REFUSED: list[tuple[Any, str]] = [
    ({}, "Missing required fields"),
    ({"name": ""}, "Invalid name"),
    ({"name": "!!!"}, "Invalid slug"),
    ({"name": "two\nlines"}, "Invalid name"),
    ({"name": "x", "slug": "x" * 101}, "Invalid slug"),
    ({"name": "x", "pic_team": "nobody"}, "Invalid PIC team"),
    ({"name": "x", "color": "red"}, "Invalid payload"),
    ({"name": "x", "exclusions": "2026-12-25"}, "Invalid exclusions"),
    ({"name": "x", "exclusions": ["2026-12-25"]}, "Invalid exclusions"),
    ({"name": "x", "exclusions": [{}]}, "Invalid exclusions"),
    ({"name": "x", "exclusions": [{"note": "never"}]}, "Invalid exclusions"),
    ({"name": "x", "exclusions": [{"from": "2026-12-25"}]}, "Invalid exclusions"),
    ({"name": "x", "exclusions": [{"date": "2026-12-25", "to": "2026-12-26"}]}, "Invalid exclusions"),
    ({"name": "x", "exclusions": [{"date": "2026-02-29"}]}, "Invalid exclusions"),
    ({"name": "x", "exclusions": [{"date": "2026-12-25T00:00"}]}, "Invalid exclusions"),
    ({"name": "x", "exclusions": [{"date": "1969-12-31"}]}, "Invalid exclusions"),
    ({"name": "x", "exclusions": [{"date": "9998-01-01"}]}, "Invalid exclusions"),
    ({"name": "x", "exclusions": [{"from": "2026-12-25", "to": "2026-12-24"}]}, "Invalid exclusions"),
    (
        {"name": "x", "exclusions": [{"from": "2026-12-25T10:00", "to": "2026-12-25T10:00"}]},
        "Invalid exclusions",
    ),
    (
        {"name": "x", "exclusions": [{"from": "2026-12-25T10:00Z", "to": "2026-12-26"}]},
        "Invalid exclusions",
    ),
    ({"name": "x", "exclusions": [{**CHRISTMAS, "note": "x" * 65}]}, "Invalid exclusions"),
    ({"name": "x", "exclusions": [{**CHRISTMAS, "note": "two\nlines"}]}, "Invalid exclusions"),
    ({"name": "x", "exclusions": [CHRISTMAS] * 401}, "Invalid exclusions"),
    (["x"], "Invalid payload"),
]


async def test_what_makes_no_calendar_is_refused(api: Api) -> None:
    for body, error in REFUSED:
        answer = await api.admin.post("/calendars", json=body)
        assert (answer.status_code, answer.json()["error"]) == (400, error), body
    assert await slugs(api.admin) == []


async def test_it_takes_four_hundred_exclusions_that_may_overlap(api: Api) -> None:
    calendar = await make_calendar(api, exclusions=[{**CHRISTMAS, "note": "祝" * 64}] * 400)
    assert len(calendar["exclusions"]) == 400


async def test_a_slug_is_given_once(api: Api) -> None:
    await make_calendar(api)
    for body in ({"name": "HOLIDAYS"}, {"name": "Other", "slug": "holidays"}):
        answer = await api.admin.post("/calendars", json=body)
        assert (answer.status_code, answer.json()) == (
            409,
            {"error": "Duplicate slug", "message": 'Calendar slug "holidays" already exists.'},
        )
    other = await make_calendar(api, "Other")
    answer = await api.admin.put(path(other), json={"name": "Holidays"})
    assert (answer.status_code, answer.json()["error"]) == (409, "Duplicate slug")


async def test_of_many_that_make_one_slug_at_once_one_does(api: Api) -> None:
    answers = await asyncio.gather(
        *(api.admin.post("/calendars", json={"name": "Holidays"}) for _ in range(10))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert await slugs(api.admin) == ["holidays"]


class TestChanges:
    async def test_what_is_given_changes(self, api: Api) -> None:
        calendar = await make_calendar(api, pic_team="ops", exclusions=[CHRISTMAS])
        later = api.clock.advance(minutes=1)
        answer = await api.admin.put("/calendars/holidays", json={"name": "Bank Days", "pic_team": None})
        assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
        changed = {
            **calendar,
            "name": "Bank Days",
            "slug": "bank-days",
            "pic_team": None,
            "version": 2,
            "updated_at": z(later),
        }
        assert answer.json() == {"message": "Calendar updated", "calendar": changed, "jobs_updated": 0}
        assert await body_of(api.user, "/calendars/bank-days") == {"calendar": {**changed, "jobs": []}}

    async def test_what_it_is_already_makes_no_version(self, api: Api) -> None:
        calendar = await make_calendar(api, pic_team="ops", exclusions=[CHRISTMAS])
        shown = (await body_of(api.user, path(calendar)))["calendar"]
        api.clock.advance(minutes=1)
        assert (await put_calendar(api, calendar, **shown))["calendar"] == calendar
        assert (await put_calendar(api, calendar))["calendar"] == calendar

    async def test_what_it_must_not_become_changes_nothing(self, api: Api) -> None:
        calendar = await make_calendar(api)
        refused: list[tuple[Json, str]] = [
            ({"slug": "other"}, "Invalid payload"),
            ({"name": None}, "Invalid name"),
            ({"name": "!!!"}, "Invalid slug"),
            ({"pic_team": "nobody"}, "Invalid PIC team"),
            ({"exclusions": None}, "Invalid exclusions"),
            ({"exclusions": [{"date": "tomorrow"}]}, "Invalid exclusions"),
            ({"colour": "red"}, "Invalid payload"),
        ]
        for body, error in refused:
            answer = await api.admin.put(path(calendar), json=body)
            assert (answer.status_code, answer.json()["error"]) == (400, error), body
        assert (await body_of(api.user, "/calendars"))["calendars"] == [calendar]

    async def test_the_version_that_is_meant_can_be_named(self, api: Api) -> None:
        calendar = await make_calendar(api)
        for method in ("PUT", "DELETE"):
            json = {"pic_team": "ops"} if method == "PUT" else None
            stale = {"If-Match": '"7"'}
            answer = await api.admin.request(method, path(calendar), json=json, headers=stale)
            assert (answer.status_code, answer.json()["error"]) == (412, "Precondition failed")
            malformed = {"If-Match": "1"}
            answer = await api.admin.request(method, path(calendar), json=json, headers=malformed)
            assert (answer.status_code, answer.json()["error"]) == (400, "Invalid If-Match")
        answer = await api.admin.put(path(calendar), json={"pic_team": "ops"}, headers={"If-Match": '"1"'})
        assert answer.status_code == 200
        answer = await api.admin.delete(path(calendar), headers={"If-Match": '"2"'})
        assert answer.status_code == 200

    async def test_of_two_that_mean_the_same_version_one_changes_it(self, api: Api) -> None:
        calendar = await make_calendar(api)
        answers = await asyncio.gather(
            *(
                api.admin.put(path(calendar), json={"name": name}, headers={"If-Match": '"1"'})
                for name in ("One", "Two")
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412]

    async def test_a_disabled_team_may_stay(self, api: Api) -> None:
        team = await api.create_team("web")
        calendar = await make_calendar(api, pic_team="web")
        await api.admin.delete(f"/pic-teams/{team['id']}")
        changed = await put_calendar(api, calendar, pic_team="web", exclusions=[CHRISTMAS])
        assert changed["calendar"]["pic_team"] == "web"
        answer = await api.admin.post("/calendars", json={"name": "Other", "pic_team": "web"})
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid PIC team")

    async def test_calendars_go_with_a_renamed_team(self, api: Api) -> None:
        team = await api.create_team("web")
        theirs, others = await make_calendar(api, pic_team="web"), await make_calendar(api, "Other")
        answer = await api.admin.put(f"/pic-teams/{team['id']}", json={"name": "Frontend"})
        assert answer.json()["jobs_updated"] == 0
        shown = (await body_of(api.user, path(theirs)))["calendar"]
        assert (shown["pic_team"], shown["version"]) == ("frontend", 2)
        assert (await body_of(api.user, path(others)))["calendar"]["version"] == 1


class TestDeletion:
    async def test_one_that_nobody_follows_is_gone(self, api: Api) -> None:
        calendar = await make_calendar(api)
        answer = await api.admin.delete("/calendars/holidays")
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "message": "Calendar deleted",
                "deleted_calendar": {"id": calendar["id"], "slug": "holidays", "name": "Holidays"},
            },
        )
        assert await slugs(api.user) == []
        assert (await api.admin.delete(path(calendar))).status_code == 404
        assert await rows_of(api.gateway.database, calendars) == []
        await make_calendar(api)

    async def test_one_that_jobs_follow_stays(self, api: Api) -> None:
        calendar = await make_calendar(api)
        for number in range(7):
            await following(api.gateway, "holidays", job=f"job {number}")
        answer = await api.admin.delete(path(calendar))
        names = ", ".join(f'"job {number}"' for number in range(5))
        assert (answer.status_code, answer.json()) == (
            409,
            {
                "error": "Calendar in use",
                "message": f'Jobs follow the calendar "holidays": {names} and 2 more.',
            },
        )
        assert await slugs(api.user) == ["holidays"]


class TestHistory:
    async def test_it_tells_who_changed_what_and_when(self, api: Api) -> None:
        calendar = await make_calendar(api, exclusions=[CHRISTMAS])
        made, changed = api.clock.now, api.clock.advance(minutes=1)
        await put_calendar(api, calendar, name="Freezes", exclusions=[FREEZE])
        gone = api.clock.advance(minutes=1)
        await api.admin.delete(path(calendar))
        body = await body_of(api.viewer, f"{path(calendar)}/history")
        by = {"actor": "admin", "actor_id": str(api.people["admin"].id)}
        shown_freeze = {**FREEZE, "note": None}
        assert body == {
            "calendar_id": calendar["id"],
            "total": 3,
            "history": [
                {
                    "version": 3,
                    "action": "deleted",
                    "at": z(gone),
                    **by,
                    "changes": {
                        "name": {"from": "Freezes", "to": None},
                        "slug": {"from": "freezes", "to": None},
                        "exclusions": {"from": [shown_freeze], "to": None},
                    },
                },
                {
                    "version": 2,
                    "action": "updated",
                    "at": z(changed),
                    **by,
                    "changes": {
                        "name": {"from": "Holidays", "to": "Freezes"},
                        "slug": {"from": "holidays", "to": "freezes"},
                        "exclusions": {"from": [SHOWN_CHRISTMAS], "to": [shown_freeze]},
                    },
                },
                {
                    "version": 1,
                    "action": "created",
                    "at": z(made),
                    **by,
                    "changes": {
                        "name": {"from": None, "to": "Holidays"},
                        "slug": {"from": None, "to": "holidays"},
                        "exclusions": {"from": None, "to": [SHOWN_CHRISTMAS]},
                    },
                },
            ],
        }

    async def test_it_is_read_in_pages(self, api: Api) -> None:
        calendar = await make_calendar(api)
        for number in range(4):
            await put_calendar(api, calendar, name=f"Name {number}")
        page = await body_of(api.user, "/calendars/name-3/history", limit=2, before_version=4)
        assert page["total"] == 5
        assert [change["version"] for change in page["history"]] == [3, 2]

    async def test_there_is_none_of_what_never_was(self, api: Api) -> None:
        for name in (uuid4(), "nothing"):
            answer = await api.user.get(f"/calendars/{name}/history")
            assert (answer.status_code, answer.json()["error"]) == (404, "Calendar not found")
        job_id = (await api.create_job())["id"]
        assert (await api.user.get(f"/calendars/{job_id}/history")).status_code == 404


@pytest.mark.parametrize("who", ["user", "other", "viewer", "anonymous"])
async def test_only_administrators_change_them(api: Api, who: str) -> None:
    calendar = await make_calendar(api)
    client: httpx.AsyncClient = getattr(api, who)
    recorded = len(await rows_of(api.gateway.database, events))
    expected = 401 if who == "anonymous" else 403
    for method, where, body in (
        ("POST", "/calendars", {"name": "Other"}),
        ("PUT", path(calendar), {"name": "Other"}),
        ("PUT", f"/calendars/{UUID(int=1)}", {"name": "Other"}),
        ("DELETE", path(calendar), None),
    ):
        answer = await client.request(method, where, json=body)
        assert answer.status_code == expected, f"{method} {where}"
    assert len(await rows_of(api.gateway.database, events)) == recorded
    for where in ("/calendars", path(calendar), f"{path(calendar)}/history"):
        answer = await client.get(where)
        assert answer.status_code == (401 if who == "anonymous" else 200)


async def test_the_older_contract_has_none(api: Api) -> None:
    answer = await api.admin.get(f"{api.app.state.origin}/api/calendars")
    assert answer.status_code == 404
