"""Categories over HTTP: whom they are shown, who changes them, and that jobs follow a renamed one."""

import asyncio
from typing import Any

import httpx
import pytest

from services.gateway.commands.categories import GENERAL_ID, ensure_general
from services.gateway.store.tables import categories, events
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of, created, z

SLUG_IS_DERIVED = {
    "error": "Invalid payload",
    "message": "Slug cannot be edited directly; it is derived from name.",
}


async def make(api: Api, name: str = "Reports", **fields: Any) -> Json:
    """A category, as the API answers it."""
    answer = await api.admin.post("/job-categories", json={"name": name, **fields})
    assert answer.status_code == 201, answer.text
    category: Json = answer.json()["category"]
    return category


async def slugs(client: httpx.AsyncClient, **query: Any) -> list[str]:
    return [one["slug"] for one in (await body_of(client, "/job-categories", **query))["categories"]]


async def put(api: Api, category: Json, **fields: Any) -> Json:
    """The answer to a change that is made."""
    answer = await api.admin.put(f"/job-categories/{category['id']}", json=fields)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


def v1(api: Api, path: str) -> str:
    return f"{api.app.state.origin}/api{path}"


async def test_at_first_there_is_general(api: Api) -> None:
    assert await body_of(api.viewer, "/job-categories") == {
        "categories": [
            {
                "id": str(GENERAL_ID),
                "slug": "general",
                "name": "General",
                "is_active": True,
                "created_at": z(api.clock.now),
                "updated_at": z(api.clock.now),
            }
        ]
    }


async def test_gateways_that_start_at_once_make_one_general(api: Api) -> None:
    async with api.gateway.database.write() as connection:
        await connection.execute(events.delete().where(events.c.aggregate == "category"))
        await connection.execute(categories.delete())
    await asyncio.gather(*(ensure_general(api.gateway) for _ in range(5)))
    assert await slugs(api.user) == ["general"]
    assert [
        row["version"]
        for row in await rows_of(api.gateway.database, events)
        if row["aggregate"] == "category"
    ] == [1]


async def test_an_administrator_makes_one(api: Api) -> None:
    answer = await api.admin.post("/job-categories", json={"name": "  Analytics Jobs "})
    assert answer.status_code == 201
    category = answer.json()["category"]
    assert answer.json() == {
        "message": "Category created",
        "category": {
            "id": category["id"],
            "slug": "analytics-jobs",
            "name": "Analytics Jobs",
            "is_active": True,
            "created_at": z(api.clock.now),
            "updated_at": z(api.clock.now),
        },
    }
    assert (await body_of(api.user, "/job-categories"))["categories"][0] == category


async def test_it_can_have_a_slug_of_its_own(api: Api) -> None:
    category = await make(api, "インフラ", slug=" Infra Team! ", is_active=False)
    assert (category["slug"], category["name"], category["is_active"]) == ("infra-team", "インフラ", False)


async def test_they_are_listed_by_name(api: Api) -> None:
    for name in ("zebra", "Émile", "apple", "Banana"):
        await make(api, name)
    assert await slugs(api.user) == ["apple", "banana", "general", "zebra", "emile"]


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ({}, "Missing required fields", '"name" is required.'),
        ({"name": ""}, "Missing required fields", '"name" is required.'),
        ({"name": "  "}, "Missing required fields", '"name" is required.'),
        ({"name": None}, "Missing required fields", '"name" is required.'),
        ({"name": "!!!"}, "Invalid slug", "Unable to generate a valid slug from name."),
        ({"name": "Reports", "slug": "--"}, "Invalid slug", "Unable to generate a valid slug from name."),
        ({"name": "x" * 256}, "Invalid name", None),
        ({"name": "two\nlines"}, "Invalid name", None),
        ({"name": 7}, "Invalid name", None),
        ({"name": "Reports", "slug": "x" * 101}, "Invalid slug", None),
        ({"name": "Reports", "is_active": "yes"}, "Invalid is_active", None),
        ({"name": "Reports", "color": "red"}, "Invalid payload", None),
        (["Reports"], "Invalid payload", "JSON body must be an object."),
    ],
)
async def test_what_makes_no_category_is_refused(
    api: Api, body: Any, error: str, message: str | None
) -> None:
    answer = await api.admin.post("/job-categories", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    if message is not None:
        assert answer.json() == {"error": error, "message": message}
    assert await slugs(api.admin, include_inactive=True) == ["general"]


async def test_it_must_be_json(api: Api) -> None:
    answer = await api.admin.post("/job-categories", content="name=Reports")
    assert (answer.status_code, answer.json()["error"]) == (400, "Content-Type must be application/json")


async def test_a_slug_is_given_once_even_to_a_disabled_one(api: Api) -> None:
    await make(api, "Analytics", is_active=False)
    for body in ({"name": "ANALYTICS"}, {"name": "Other", "slug": "analytics"}):
        answer = await api.admin.post("/job-categories", json=body)
        assert answer.status_code == 409
        assert answer.json() == {
            "error": "Duplicate slug",
            "message": 'Category slug "analytics" already exists.',
        }


async def test_of_many_that_make_one_slug_at_once_one_does(api: Api) -> None:
    answers = await asyncio.gather(
        *(api.admin.post("/job-categories", json={"name": "Reports"}) for _ in range(10))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert await slugs(api.admin) == ["general", "reports"]


async def test_disabled_ones_are_shown_to_administrators_who_ask(api: Api) -> None:
    await make(api, "Old", is_active=False)
    assert await slugs(api.admin) == ["general"]
    assert await slugs(api.admin, include_inactive="true") == ["general", "old"]
    for client in (api.user, api.viewer):
        assert await slugs(client, include_inactive="true") == ["general"]
    answer = await api.user.get("/job-categories", params={"include_inactive": "perhaps"})
    assert answer.status_code == 400


async def test_deleting_one_disables_it(api: Api) -> None:
    category = await make(api)
    job = await api.create_job(category="reports")
    later = api.clock.advance(minutes=1)
    for _ in range(2):
        answer = await api.admin.delete(f"/job-categories/{category['id']}")
        assert answer.status_code == 200
        assert answer.json() == {
            "message": "Category disabled",
            "category": {**category, "is_active": False, "updated_at": z(later)},
        }
    assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"] == job
    back = await put(api, category, is_active=True)
    assert (back["category"]["is_active"], back["jobs_updated"]) == (True, 0)


async def test_jobs_follow_a_renamed_one(api: Api) -> None:
    category = await make(api)
    theirs = await api.create_job(category="reports")
    others = await created(api.other, category="reports", is_active=False)
    general = await api.create_job()
    later = api.clock.advance(minutes=1)
    assert await put(api, category, name="Weekly Reports") == {
        "message": "Category updated",
        "category": {
            **category,
            "name": "Weekly Reports",
            "slug": "weekly-reports",
            "updated_at": z(later),
        },
        "jobs_updated": 2,
    }
    for job in (theirs, others):
        moved = {**job, "category": "weekly-reports", "version": 2, "updated_at": z(later)}
        assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"] == moved
        [entry, _] = (await body_of(api.user, f"/jobs/{job['id']}/history"))["history"]
        assert (entry["actor"], entry["action"], entry["version"]) == ("admin", "updated", 2)
        assert entry["changes"] == {"category": {"from": "reports", "to": "weekly-reports"}}
    assert (await body_of(api.user, f"/jobs/{general['id']}"))["job"] == general


async def test_a_deleted_job_stays_as_it_was(api: Api) -> None:
    category = await make(api)
    job = await api.create_job(category="reports")
    await api.user.delete(f"/jobs/{job['id']}")
    assert (await put(api, category, name="Other"))["jobs_updated"] == 0


async def test_many_jobs_follow_in_one_transaction(api: Api) -> None:
    category = await make(api)
    jobs = [await api.create_job(category="reports") for _ in range(30)]
    woken = asyncio.Event()
    api.gateway.event_store.wake_on_append(woken)
    assert (await put(api, category, name="Other"))["jobs_updated"] == 30
    assert woken.is_set()
    shown = (await body_of(api.user, "/jobs"))["jobs"]
    assert {(job["category"], job["version"]) for job in shown} == {("other", 2)}
    recorded = await rows_of(api.gateway.database, events)
    moves = [row for row in recorded if row["type"] == "job.updated"]
    renamed = next(row for row in recorded if row["type"] == "category.updated")
    assert len(moves) == len(jobs)
    assert {row["correlation_id"] for row in moves} == {renamed["correlation_id"]}


async def test_another_spelling_of_the_name_moves_no_job(api: Api) -> None:
    category = await make(api)
    job = await api.create_job(category="reports")
    answer = await put(api, category, name="REPORTS")
    assert (answer["category"]["name"], answer["category"]["slug"]) == ("REPORTS", "reports")
    assert answer["jobs_updated"] == 0
    assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"] == job


async def test_a_slug_that_was_given_up_is_free(api: Api) -> None:
    first, second = await make(api, "First"), await make(api, "Second")
    await put(api, first, name="Third")
    await put(api, second, name="First")
    assert await slugs(api.user) == ["first", "general", "third"]


@pytest.mark.parametrize(
    ("body", "status", "error", "message"),
    [
        ({"slug": "x"}, 400, "Invalid payload", SLUG_IS_DERIVED["message"]),
        ({"name": "New", "slug": "reports"}, 400, "Invalid payload", SLUG_IS_DERIVED["message"]),
        ({"name": " "}, 400, "Invalid name", "Name cannot be empty."),
        ({"name": None}, 400, "Invalid name", "Name cannot be empty."),
        ({"name": "!!!"}, 400, "Invalid slug", "Unable to generate a valid slug from name."),
        ({"name": "General"}, 409, "Duplicate slug", 'Category slug "general" already exists.'),
        ({"name": "x" * 256}, 400, "Invalid name", None),
        ({"is_active": 0}, 400, "Invalid is_active", None),
        ({"is_active": None}, 400, "Invalid is_active", None),
        ({"slack_handle": "@x"}, 400, "Invalid payload", None),
    ],
)
async def test_what_a_category_must_not_become_is_refused(
    api: Api, body: Json, status: int, error: str, message: str | None
) -> None:
    category = await make(api)
    job = await api.create_job(category="reports")
    answer = await api.admin.put(f"/job-categories/{category['id']}", json=body)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    if message is not None:
        assert answer.json() == {"error": error, "message": message}
    assert category in (await body_of(api.user, "/job-categories"))["categories"]
    assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"] == job


async def test_a_change_of_nothing_is_none(api: Api) -> None:
    category = await make(api)
    api.clock.advance(minutes=1)
    assert await put(api, category) == {
        "message": "Category updated",
        "category": category,
        "jobs_updated": 0,
    }


@pytest.mark.parametrize("body", [{"name": "Other"}, {"name": "general"}])
async def test_general_is_not_renamed(api: Api, body: Json) -> None:
    answer = await api.admin.put(f"/job-categories/{GENERAL_ID}", json=body)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "Invalid category",
        "message": 'The "General" category cannot be renamed.',
    }


async def test_general_is_not_disabled(api: Api) -> None:
    path = f"/job-categories/{GENERAL_ID}"
    for answer in (await api.admin.delete(path), await api.admin.put(path, json={"is_active": False})):
        assert answer.status_code == 400
        assert answer.json() == {
            "error": "Invalid category",
            "message": 'The "General" category cannot be disabled.',
        }
    assert await slugs(api.user) == ["general"]


@pytest.mark.parametrize("category_id", ["00000000-0000-4000-8000-000000000009", "7", "GENERAL"])
async def test_what_is_not_there_is_not_found(api: Api, category_id: str) -> None:
    path = f"/job-categories/{category_id}"
    for answer in (await api.admin.put(path, json={"name": "x"}), await api.admin.delete(path)):
        assert answer.status_code == 404
        assert answer.json() == {
            "error": "Not found",
            "message": f"No category found with ID: {category_id}",
        }


async def test_only_administrators_change_them(api: Api) -> None:
    category = await make(api)
    path = f"/job-categories/{category['id']}"
    for client in (api.user, api.viewer):
        for answer in (
            await client.post("/job-categories", json={"name": "x"}),
            await client.put(path, json={"name": "x"}),
            await client.delete(path),
        ):
            assert (answer.status_code, answer.json()["error"]) == (403, "Insufficient permissions")
    for answer in (
        await api.anonymous.get("/job-categories"),
        await api.anonymous.post("/job-categories", json={"name": "x"}),
        await api.anonymous.put(path, json={"name": "x"}),
        await api.anonymous.delete(path),
    ):
        assert answer.status_code == 401
    assert await slugs(api.user) == ["general", "reports"]


async def test_v1_has_them_too(api: Api) -> None:
    answer = await api.admin.post(v1(api, "/job-categories"), json={"name": "Reports"})
    assert answer.status_code == 201
    category = answer.json()["category"]
    answer = await api.admin.put(v1(api, f"/job-categories/{category['id']}"), json={"name": "Other"})
    assert answer.json()["category"]["slug"] == "other"
    answer = await api.admin.delete(v1(api, f"/job-categories/{category['id']}"))
    assert answer.json()["message"] == "Category disabled"
    shown = await body_of(api.admin, v1(api, "/job-categories"), include_inactive="true")
    assert shown == await body_of(api.admin, "/job-categories", include_inactive="true")


async def test_jobs_that_change_while_their_category_is_renamed_keep_both_changes(api: Api) -> None:
    category = await make(api)
    jobs = [await api.create_job(category="reports") for _ in range(5)]
    changes = [
        api.user.put(f"/jobs/{job['id']}", json={"timeout_seconds": 100.0 + number})
        for number, job in enumerate(jobs)
    ]
    rename = api.admin.put(f"/job-categories/{category['id']}", json={"name": "Other"})
    answers = await asyncio.gather(*changes, rename)
    assert [answer.status_code for answer in answers] == [200] * 6
    assert answers[-1].json()["jobs_updated"] == 5
    shown = {job["id"]: job for job in (await body_of(api.user, "/jobs"))["jobs"]}
    for number, job in enumerate(jobs):
        now = shown[job["id"]]
        assert (now["category"], now["timeout_seconds"], now["version"]) == ("other", 100.0 + number, 3)


async def test_no_job_gets_a_slug_that_is_gone(api: Api) -> None:
    category = await make(api, "name 0")
    for number in range(1, 6):
        new = f"name {number}"
        answers = await asyncio.gather(
            *(api.user.post("/jobs", json=_job(number, n)) for n in range(4)),
            api.admin.put(f"/job-categories/{category['id']}", json={"name": new}),
        )
        assert answers[-1].status_code == 200
        assert {answer.status_code for answer in answers} <= {200, 201, 400}
    shown = (await body_of(api.user, "/jobs"))["jobs"]
    assert {job["category"] for job in shown} <= {"name-5"}


def _job(number: int, n: int) -> Json:
    return {
        "name": f"job {number}.{n}",
        "cron_expression": "0 2 * * *",
        "end_date": "2026-12-31",
        "pic_team": "ops",
        "target_url": "https://example.com/hook",
        "category": f"name {number - 1}",
    }
