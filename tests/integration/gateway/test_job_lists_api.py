"""Lists of jobs: filtered, sorted and paged as asked for."""

from typing import Any

import pytest

from tests.fixtures.gateway import Api, body_of, created

WORKFLOW = {"github_owner": "o", "github_repo": "r", "github_workflow_name": "w.yml", "target_url": None}


async def names(api: Api, **query: Any) -> list[str]:
    return [job["name"] for job in (await body_of(api.viewer, "/jobs", **query))["jobs"]]


async def some_jobs(api: Api) -> None:
    """Four jobs that differ in everything that can be asked for."""
    await api.create_team("qa")
    await api.admin.post("/job-categories", json={"name": "Reports"})
    for client, fields in (
        (api.user, {"name": "Alpha 100%", "category": "reports"}),
        (api.user, {"name": "beta_100", "pic_team": "qa"}),
        (api.other, {"name": "GAMMA", **WORKFLOW}),
        (api.other, {"name": "delta", "is_active": False}),
    ):
        await created(client, **fields)
        api.clock.advance(seconds=1)


async def test_each_filter_finds_its_own(api: Api) -> None:
    await some_jobs(api)
    asked: dict[str, list[str]] = {
        "search=ALPHA": ["Alpha 100%"],
        "search=a": ["delta", "GAMMA", "beta_100", "Alpha 100%"],
        "search=100%25": ["Alpha 100%"],
        "search=_": ["beta_100"],
        "search=none": [],
        "category=reports": ["Alpha 100%"],
        "category=general": ["delta", "GAMMA", "beta_100"],
        "pic_team=qa": ["beta_100"],
        "is_active=false": ["delta"],
        f"created_by={api.people['other'].id}": ["delta", "GAMMA"],
        "target_type=github_actions": ["GAMMA"],
        "target_type=webhook&is_active=true": ["beta_100", "Alpha 100%"],
    }
    found = {query: await names(api, **dict(_pairs(query))) for query in asked}
    assert found == asked


def _pairs(query: str) -> list[tuple[str, str]]:
    return [
        (name, value.replace("%25", "%"))
        for name, _, value in (part.partition("=") for part in query.split("&"))
    ]


async def test_it_is_sorted_as_asked(api: Api) -> None:
    await some_jobs(api)
    [oldest] = (await body_of(api.user, "/jobs", search="alpha"))["jobs"]
    await api.user.put(f"/jobs/{oldest['id']}", json={"timeout_seconds": 5})
    by_creation = ["Alpha 100%", "beta_100", "GAMMA", "delta"]
    by_change = ["beta_100", "GAMMA", "delta", "Alpha 100%"]
    assert await names(api, sort="created_at") == by_creation
    assert await names(api, sort="-created_at") == by_creation[::-1] == await names(api)
    assert await names(api, sort="updated_at") == by_change
    assert await names(api, sort="-updated_at") == by_change[::-1]
    assert await names(api, sort="name") == (await names(api, sort="-name"))[::-1]


async def test_pages_hold_all_of_them_once(api: Api) -> None:
    await some_jobs(api)
    pages = [
        await body_of(api.viewer, "/jobs", page=page, per_page=3, sort="created_at") for page in (1, 2, 3)
    ]
    assert [[job["name"] for job in page.pop("jobs")] for page in pages] == [
        ["Alpha 100%", "beta_100", "GAMMA"],
        ["delta"],
        [],
    ]
    common = {"total": 4, "per_page": 3, "total_pages": 2}
    assert pages == [{"count": count, "page": page, **common} for count, page in ((3, 1), (1, 2), (0, 3))]


async def test_half_a_page_is_completed_and_none_means_all(api: Api) -> None:
    await some_jobs(api)
    page = await body_of(api.viewer, "/jobs", page=1)
    assert (page["per_page"], page["total_pages"], page["count"]) == (20, 1, 4)
    page = await body_of(api.viewer, "/jobs", per_page=1, is_active=False)
    assert (page["page"], page["total"], page["total_pages"]) == (1, 1, 1)
    assert set(await body_of(api.viewer, "/jobs")) == {"count", "jobs"}


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=1000001",
        "per_page=0",
        "per_page=201",
        "sort=owner",
        "sort=--name",
        "is_active=maybe",
        "created_by=me",
        "target_type=email",
        "search=%00",
        "category=%0A",
        f"search={'x' * 256}",
    ],
)
async def test_a_query_that_makes_no_sense_is_a_400(api: Api, query: str) -> None:
    answer = await api.viewer.get(f"/jobs?{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "Invalid request")
    assert list(answer.json()["details"]) == [query.partition("=")[0]]
