"""v2, "Notifications & Settings", categories, teams and health: what is documented is answered."""

from typing import Any
from uuid import UUID

import pytest

from tests.fixtures.gateway import Api, Json
from tests.integration.gateway.conformance.documented import (
    CATEGORY,
    NOBODY,
    NOTIFICATION,
    RANGE,
    SLACK,
    TEAM,
    V2,
    Case,
    differences,
    got,
    refused,
)
from tests.integration.gateway.conformance.shapes import Each, Shape, flag, text, whole

INBOX: Shape = {
    "notifications": Each(NOTIFICATION, at_least=0),
    "total": whole,
    "page": whole,
    "per_page": whole,
    "total_pages": whole,
    "range": RANGE,
}
PERIODS = ("GET /notifications", "GET /notifications/unread-count", "DELETE /notifications/delete-read")
SLACK_URL = "https://hooks.slack.com/services/T0/B0/x"


async def test_the_inbox(api: Api) -> None:
    mine, others = [await api.insert_notification(person) for person in ("user", "other")]
    for _ in range(24):
        await api.insert_notification("user", related_job_id=UUID(NOBODY))
    november = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-22T00:00:00Z"}
    path, days = "/notifications", {"params": {"from": "2026-11-01", "to": "2026-11-21"}}
    first_page = {"total": 25, "page": 1, "per_page": 20, "total_pages": 2}
    unread: Shape = {"unread_count": whole, "range": RANGE}
    read: Shape = {"message": text, "notification": NOTIFICATION}

    def reads(asked: str, **case: Any) -> Case:
        return Case(asked=asked, by="user", status=200, **case)

    cases = [
        reads(f"GET {path}", shape=INBOX, says=first_page),
        reads(f"GET {path}?page=2", shape=INBOX, says={**first_page, "page": 2}),
        reads(f"GET {path}?per_page=1000", shape=INBOX, says={"per_page": 100, "total_pages": 1}),
        reads(f"GET {path}", sent=days, shape=INBOX, says={"range": november}),
        reads(f"GET {path}?to=2026-11-20", says={"total": 0}),
        reads(
            f"GET {path}/unread-count", sent=days, shape=unread, says={"unread_count": 25, "range": november}
        ),
        reads(f"PUT {path}/" + "{mine}/read", shape=read, says={"message": "Notification marked as read"}),
        reads(f"GET {path}?unread_only=true", says={"total": 24}),
        reads(f"GET {path}/unread-count", shape=unread, says={"unread_count": 24}),
        refused(f"PUT {path}/{NOBODY}/read", 404, "Notification not found"),
        refused(f"DELETE {path}/{NOBODY}", 404, "Notification not found"),
        refused(f"PUT {path}/" + "{others}/read", 403, "Forbidden: Cannot access other users notifications"),
        refused(f"DELETE {path}/" + "{others}", 403, "Forbidden: Cannot delete other users notifications"),
        reads(f"DELETE {path}/delete-read?to=2026-11-20", says={"deleted_count": 0}),
        reads(f"DELETE {path}/delete-read", says={"deleted_count": 1}),
        reads(
            f"PUT {path}/read-all",
            says={"message": "All notifications marked as read", "updated_count": 24},
        ),
        reads(f"PUT {path}/read-all", says={"updated_count": 0}),
        *(refused(asked, 401, by="anonymous") for asked in (*PERIODS, f"PUT {path}/read-all")),
    ]
    assert await differences(api, V2, cases, mine=mine["id"], others=others["id"]) == []
    left = (await got(api.user, "/notifications"))["notifications"][0]
    assert left["is_read"]
    assert left["read_at"] is not None
    gone = reads(f"DELETE {path}/{left['id']}", says={"message": "Notification deleted successfully"})
    assert await differences(api, V2, [gone]) == []


@pytest.mark.parametrize("asked", PERIODS)
async def test_a_period_that_is_none(api: Api, asked: str) -> None:
    invalid = ("Invalid date", "Invalid date")
    backwards = ("Invalid date range", '"from" must be earlier than "to".')
    cases = [
        *(refused(f"{asked}?{query}", 400, *invalid) for query in ("from=nope", "to=2026-13-01", "to=1")),
        refused(f"{asked}?from=2026-11-21&to=2026-11-20", 400, *backwards),
        refused(f"{asked}?from=2026-11-21T10:00:00Z&to=2026-11-21T10:00:00Z", 400, *backwards),
    ]
    assert await differences(api, V2, cases) == []


async def test_slack(api: Api) -> None:
    def sets(status: int, *words: str, **fields: Any) -> Case:
        asked, sent = "PUT /settings/slack", {"json": fields}
        if status != 200:
            return refused(asked, status, *words, sent=sent)
        shape: Shape = {"message": text, "slack_settings": SLACK}
        return Case(
            asked=asked, status=200, sent=sent, shape=shape, says={"message": "Slack settings updated"}
        )

    needs_url = ("Invalid settings", "webhook_url is required when Slack is enabled.")
    cases = [
        Case(asked="GET /settings/slack", status=200, shape={"slack_settings": SLACK}),
        sets(400, *needs_url, is_enabled=True),
        sets(400, *needs_url, is_enabled=True, webhook_url="  "),
        sets(200, is_enabled=True, webhook_url=f" {SLACK_URL} ", channel="#cron-alerts"),
        *(refused("GET /settings/slack", 403, by=person) for person in ("user", "viewer")),
        refused("PUT /settings/slack", 403, by="user", sent={"json": {"is_enabled": False}}),
        refused("GET /settings/slack", 401, by="anonymous"),
    ]
    first = (await api.admin.get("/settings/slack")).json()["slack_settings"]
    assert (first["is_enabled"], first["webhook_url"], first["channel"]) == (False, None, None)
    assert await differences(api, V2, cases) == []
    set_ = (await api.admin.get("/settings/slack")).json()["slack_settings"]
    assert (set_["is_enabled"], set_["webhook_url"], set_["channel"]) == (True, SLACK_URL, "#cron-alerts")
    assert await differences(api, V2, [sets(200, is_enabled=False, webhook_url="", channel="")]) == []
    emptied = (await api.admin.get("/settings/slack")).json()["slack_settings"]
    assert (emptied["id"], emptied["webhook_url"], emptied["channel"]) == (first["id"], None, None)


@pytest.mark.parametrize(
    ("path", "field", "one", "thing", "new"),
    [
        (
            "/job-categories",
            "category",
            CATEGORY,
            "Category",
            {"name": "Analytics Jobs", "slug": "analytics"},
        ),
        (
            "/pic-teams",
            "pic_team",
            TEAM,
            "PIC team",
            {"name": "QA Team", "slug": "qa", "slack_handle": "@qa-team"},
        ),
    ],
)
async def test_categories_and_teams(
    api: Api, path: str, field: str, one: Shape, thing: str, new: Json
) -> None:
    shape: dict[str, Shape] = {"message": text, field: one}
    taken = ("Duplicate slug", f'{thing} slug "{new["slug"]}" already exists.')
    created = Case(
        asked=f"POST {path}",
        status=201,
        sent={"json": new},
        shape=shape,
        says={"message": f"{thing} created"},
    )
    cases = [
        created,
        refused(f"POST {path}", 409, *taken, sent={"json": new}),
        *(
            refused(f"POST {path}", 400, sent={"json": {**new, "slug": "x", name: blank}})
            for name in ("name", "slack_handle")
            if name in new
            for blank in ("", None)
        ),
        refused(f"POST {path}", 403, by="user", sent={"json": new}),
    ]
    assert await differences(api, V2, cases) == []
    listed = {"/job-categories": "categories", "/pic-teams": "pic_teams"}[path]
    (made,) = [one for one in (await got(api.viewer, path))[listed] if one["slug"] == new["slug"]]
    job = await api.create_job(**{field: new["slug"]})
    renamed = {"message": f"{thing} updated", "jobs_updated": 1}
    no_slug = ("Invalid payload", "Slug cannot be edited directly; it is derived from name.")
    word = {"Category": "category"}.get(thing, thing)
    one_of_them = f"{path}/{made['id']}"
    cases = [
        Case(asked=f"GET {path}", by="viewer", status=200, shape={listed: Each(one)}),
        refused(f"PUT {one_of_them}", 400, *no_slug, sent={"json": {"slug": "other"}}),
        Case(
            asked=f"PUT {one_of_them}",
            status=200,
            sent={"json": {"name": "Brand New"}},
            shape={**shape, "jobs_updated": whole},
            says=renamed,
        ),
        refused(
            f"PUT {path}/{NOBODY}",
            404,
            "Not found",
            f"No {word} found with ID: {NOBODY}",
            sent={"json": {"name": "x"}},
        ),
        refused(f"DELETE {path}/{NOBODY}", 404, "Not found", f"No {word} found with ID: {NOBODY}"),
        refused(f"PUT {one_of_them}", 403, by="user", sent={"json": {"name": "x"}}),
        refused(f"DELETE {one_of_them}", 403, by="viewer"),
        Case(asked=f"DELETE {one_of_them}", status=200, shape=shape, says={"message": f"{thing} disabled"}),
        refused(f"GET {path}", 401, by="anonymous"),
    ]
    assert await differences(api, V2, cases) == []
    assert (await got(api.viewer, f"/jobs/{job['id']}"))["job"][field] == "brand-new"
    seen = {}
    for person in ("admin", "viewer"):
        for query in ("", "?include_inactive=true"):
            things = (await got(getattr(api, person), path + query))[listed]
            seen[person + query] = [one["is_active"] for one in things if one["slug"] == "brand-new"]
    assert seen == {
        "admin": [],
        "admin?include_inactive=true": [False],
        "viewer": [],
        "viewer?include_inactive=true": [],
    }


async def test_what_only_one_of_them_refuses(api: Api) -> None:
    general = (await got(api.admin, "/job-categories"))["categories"][0]
    team = await api.create_team("Short Lived", "@short")
    cases = [
        refused(
            f"PUT /job-categories/{general['id']}",
            400,
            "Invalid category",
            'The "General" category cannot be renamed.',
            sent={"json": {"name": "Specific"}},
        ),
        refused(
            f"PUT /pic-teams/{team['id']}",
            400,
            "Invalid slack_handle",
            "slack_handle cannot be empty.",
            sent={"json": {"slack_handle": " "}},
        ),
    ]
    assert general["slug"] == "general"
    assert await differences(api, V2, cases) == []


async def test_health(api: Api) -> None:
    await api.create_job()
    shape: Shape = {"status": text, "scheduler_running": flag, "scheduled_jobs_count": whole}
    says = {"scheduled_jobs_count": 1}
    case = Case(asked="GET /health", by="anonymous", status=200, shape=shape, says=says)
    assert await differences(api, V2, [case]) == []
