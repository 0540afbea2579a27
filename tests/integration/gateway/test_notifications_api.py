"""The caller's inbox: pages, periods, and nobody else's mail."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from tests.fixtures.builders import SOME_TIME
from tests.fixtures.gateway import Api, Json, body_of, z

OPEN = {"from": None, "to": None}


def shown(row: Json) -> Json:
    """A row as the API answers it."""
    return {
        "id": str(row["id"]),
        "user_id": str(row["user_id"]),
        "title": row["title"],
        "message": row["message"],
        "type": row["type"],
        "related_job_id": str(row["related_job_id"]) if row.get("related_job_id") else None,
        "related_execution_id": str(row["related_execution_id"]) if row.get("related_execution_id") else None,
        "is_read": row["is_read"],
        "read_at": z(row.get("read_at")),
        "created_at": z(row["created_at"]),
    }


async def insert_minutes(api: Api, *minutes: int) -> list[str]:
    """A notification for `user` at each of these minutes; returns their ids."""
    times = [SOME_TIME.replace(minute=minute) for minute in minutes]
    return [str((await api.insert_notification("user", created_at=time))["id"]) for time in times]


async def found(api: Api, **query: Any) -> list[str]:
    return [one["id"] for one in (await body_of(api.user, "/notifications", **query))["notifications"]]


async def test_an_empty_inbox_has_no_pages(api: Api) -> None:
    await api.insert_notification("other")
    assert await body_of(api.user, "/notifications") == {
        "notifications": [],
        "total": 0,
        "page": 1,
        "per_page": 20,
        "total_pages": 0,
        "range": OPEN,
    }


async def test_it_shows_the_callers_own_newest_first(api: Api) -> None:
    old = await api.insert_notification("viewer", is_read=True, read_at=SOME_TIME + timedelta(hours=1))
    new = await api.insert_notification(
        "viewer",
        title="Job Succeeded",
        type="success",
        related_job_id=uuid4(),
        related_execution_id=uuid4(),
        created_at=SOME_TIME + timedelta(seconds=1),
    )
    await api.insert_notification("admin")
    assert await body_of(api.viewer, "/notifications") == {
        "notifications": [shown(new), shown(old)],
        "total": 2,
        "page": 1,
        "per_page": 20,
        "total_pages": 1,
        "range": OPEN,
    }


async def test_pages_follow_one_another(api: Api) -> None:
    sent = await insert_minutes(api, 1, 2, 3, 4, 5)
    pages = [await body_of(api.user, "/notifications", page=page, per_page=2) for page in (1, 2, 3, 4)]
    newest = list(reversed(sent))
    assert [[one["id"] for one in page["notifications"]] for page in pages] == [
        newest[:2],
        newest[2:4],
        newest[4:],
        [],
    ]
    numbers = [(one["page"], one["per_page"], one["total"], one["total_pages"]) for one in pages]
    assert numbers == [(page, 2, 5, 3) for page in (1, 2, 3, 4)]


async def test_a_page_has_at_most_100(api: Api) -> None:
    body = await body_of(api.user, "/notifications", per_page=10_000)
    assert body["per_page"] == 100


async def test_what_was_read_can_be_left_out(api: Api) -> None:
    await api.insert_notification("user", is_read=True)
    unread = await api.insert_notification("user")
    body = await body_of(api.user, "/notifications", unread_only="true")
    assert (body["notifications"], body["total"]) == ([shown(unread)], 1)


async def test_the_period_is_answered_as_it_was_understood(api: Api) -> None:
    first, second = await insert_minutes(api, 1, 2)
    queries = [
        {"from": "2026-11-21T12:01:00Z", "to": "2026-11-21T12:02:00Z"},
        {"from": "2026-11-21T21:02:00+09:00"},
        {"from": "2026-11-21", "to": "2026-11-21"},
        {"to": "2026-11-20"},
    ]
    bodies = [await body_of(api.user, "/notifications", **query) for query in queries]
    assert [body["range"] for body in bodies] == [
        {"from": "2026-11-21T12:01:00Z", "to": "2026-11-21T12:02:00Z"},
        {"from": "2026-11-21T12:02:00Z", "to": None},
        {"from": "2026-11-21T00:00:00Z", "to": "2026-11-22T00:00:00Z"},
        {"from": None, "to": "2026-11-21T00:00:00Z"},
    ]
    assert [await found(api, **query) for query in queries] == [[first], [second], [second, first], []]


async def test_a_query_that_makes_no_sense_is_a_400(api: Api) -> None:
    answers = {}
    for query in (
        "from=yesterday",
        "from=2026-11-22&to=2026-11-21",
        "page=0",
        "page=1000001",
        "per_page=0",
        "unread_only=perhaps",
    ):
        answer = await api.user.get(f"/notifications?{query}")
        answers[query] = (answer.status_code, answer.json()["error"])
    assert answers == {
        "from=yesterday": (400, "Invalid date"),
        "from=2026-11-22&to=2026-11-21": (400, "Invalid date range"),
        "page=0": (400, "Invalid request"),
        "page=1000001": (400, "Invalid request"),
        "per_page=0": (400, "Invalid request"),
        "unread_only=perhaps": (400, "Invalid request"),
    }
