"""The caller's inbox: pages, periods, and nobody else's mail."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.gateway.commands.notifications import REMEMBERED, delete_notification, delete_read
from services.gateway.inbox import Inbox
from services.gateway.queries.period import ALWAYS
from services.gateway.store.tables import notifications
from shared.bus.streams import stream_configs
from shared.bus.subjects import INBOX
from tests.fixtures.builders import SOME_TIME, make_notification
from tests.fixtures.database import rows_of
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


class TestUnreadCount:
    async def test_it_counts_the_callers_own_unread_ones(self, api: Api) -> None:
        await insert_minutes(api, 1, 2)
        await api.insert_notification("user", is_read=True)
        await api.insert_notification("other")
        assert await body_of(api.user, "/notifications/unread-count") == {"unread_count": 2, "range": OPEN}
        assert (await body_of(api.viewer, "/notifications/unread-count"))["unread_count"] == 0

    async def test_it_can_be_of_a_period(self, api: Api) -> None:
        await insert_minutes(api, 1, 2)
        body = await body_of(
            api.user, "/notifications/unread-count", **{"from": "2026-11-21T12:02:00Z", "to": "2026-11-21"}
        )
        period = {"from": "2026-11-21T12:02:00Z", "to": "2026-11-22T00:00:00Z"}
        assert body == {"unread_count": 1, "range": period}


class TestRead:
    async def test_it_is_read_from_now_on(self, api: Api) -> None:
        row = await api.insert_notification("viewer")
        now = api.clock.advance(minutes=5)
        answer = await api.viewer.put(f"/notifications/{row['id']}/read")
        read = shown({**row, "is_read": True, "read_at": now})
        expected = {"message": "Notification marked as read", "notification": read}
        assert (answer.status_code, answer.json()) == (200, expected)
        assert (await body_of(api.viewer, "/notifications"))["notifications"] == [read]
        assert (await body_of(api.viewer, "/notifications/unread-count"))["unread_count"] == 0

    async def test_reading_it_again_keeps_the_time_of_the_first_reading(self, api: Api) -> None:
        [one] = await insert_minutes(api, 1)
        first = await api.user.put(f"/notifications/{one}/read")
        api.clock.advance(minutes=5)
        assert (await api.user.put(f"/notifications/{one}/read")).json() == first.json()

    async def test_all_means_the_callers_unread_ones(self, api: Api) -> None:
        await insert_minutes(api, 1, 2)
        earlier = SOME_TIME - timedelta(days=1)
        await api.insert_notification("user", is_read=True, read_at=earlier)
        await api.insert_notification("other")
        now = api.clock.advance(minutes=5)
        answer = await api.user.put("/notifications/read-all")
        assert (answer.status_code, answer.json()) == (
            200,
            {"message": "All notifications marked as read", "updated_count": 2},
        )
        read_at = [one["read_at"] for one in (await body_of(api.user, "/notifications"))["notifications"]]
        assert read_at == [z(now), z(now), z(earlier)]
        assert (await body_of(api.other, "/notifications/unread-count"))["unread_count"] == 1
        assert (await api.user.put("/notifications/read-all")).json()["updated_count"] == 0

    async def test_all_can_be_all_of_a_period(self, api: Api) -> None:
        first, second = await insert_minutes(api, 1, 2)
        answer = await api.user.put("/notifications/read-all?from=2026-11-21T12:02:00Z")
        assert answer.json()["updated_count"] == 1
        assert await found(api, unread_only="true") == [first]
        assert await found(api) == [second, first]


class TestDelete:
    async def test_it_is_gone_and_nothing_else(self, api: Api) -> None:
        one, other = await insert_minutes(api, 1, 2)
        answer = await api.user.delete(f"/notifications/{one}")
        assert (answer.status_code, answer.json()) == (
            200,
            {"message": "Notification deleted successfully"},
        )
        assert await found(api) == [other]
        body = await body_of(api.user, "/notifications")
        assert (body["total"], await found(api, unread_only="true")) == (1, [other])
        assert (await body_of(api.user, "/notifications/unread-count"))["unread_count"] == 1
        for again in (api.user.delete(f"/notifications/{one}"), api.user.put(f"/notifications/{one}/read")):
            answer = await again
            assert (answer.status_code, answer.json()) == (
                404,
                {"error": "Notification not found", "message": f"No notification found with ID: {one}"},
            )
        # Neither is it somebody else's, for them.
        assert (await api.admin.delete(f"/notifications/{one}")).status_code == 404

    async def test_what_was_read_goes_at_once_and_the_rest_stays(self, api: Api) -> None:
        await api.insert_notification("user", is_read=True, read_at=SOME_TIME)
        await api.insert_notification("user", is_read=True, read_at=SOME_TIME)
        await api.insert_notification("other", is_read=True, read_at=SOME_TIME)
        [unread] = await insert_minutes(api, 1)
        answer = await api.user.delete("/notifications/delete-read")
        assert (answer.status_code, answer.json()) == (200, {"deleted_count": 2})
        assert await found(api) == [unread]
        assert (await body_of(api.other, "/notifications"))["total"] == 1
        assert (await api.user.delete("/notifications/delete-read")).json() == {"deleted_count": 0}

    async def test_what_was_read_can_be_that_of_a_period(self, api: Api) -> None:
        old = await api.insert_notification("user", is_read=True, created_at=SOME_TIME - timedelta(days=1))
        await api.insert_notification("user", is_read=True)
        answer = await api.user.delete("/notifications/delete-read?from=2026-11-21")
        assert answer.json() == {"deleted_count": 1}
        assert await found(api) == [str(old["id"])]

    async def test_it_does_not_come_back_when_its_message_does(self, api: Api) -> None:
        inbox, database = Inbox(api.gateway.database), api.gateway.database
        one, other = (make_notification(user_id=api.people["user"].id) for _ in range(2))
        await inbox.write(one)
        await inbox.write(other)
        assert (await api.user.put(f"/notifications/{other.notification_id}/read")).status_code == 200
        assert (await api.user.delete(f"/notifications/{one.notification_id}")).status_code == 200
        assert (await api.user.delete("/notifications/delete-read")).status_code == 200
        await inbox.write(one)
        await inbox.write(other)
        assert await found(api) == []
        # What is kept of them says nothing.
        kept = await rows_of(database, notifications)
        assert [(row["title"], row["message"], row["related_job_id"]) for row in kept] == [("", "", None)] * 2

    async def test_what_is_kept_of_it_goes_when_its_message_cannot_come_any_more(self, api: Api) -> None:
        # Not over HTTP: nobody's token lasts that long.
        user_id = api.people["user"].id
        old, new, last = [(await api.insert_notification("user"))["id"] for _ in range(3)]
        await delete_notification(api.gateway, old, user_id)
        api.clock.advance(seconds=REMEMBERED.total_seconds())
        await delete_notification(api.gateway, new, user_id)
        assert len(await rows_of(api.gateway.database, notifications)) == 3
        api.clock.advance(seconds=1)
        assert await delete_read(api.gateway, user_id, ALWAYS) == 0
        assert {row["id"] for row in await rows_of(api.gateway.database, notifications)} == {new, last}

    def test_it_is_remembered_for_longer_than_messages_last(self) -> None:
        [inbox] = [config for config in stream_configs(2**30, 1) if config.name == INBOX]
        assert inbox.max_age is not None
        assert timedelta(seconds=inbox.max_age) < REMEMBERED


class TestOthers:
    async def test_somebody_elses_inbox_is_closed_also_to_administrators(self, api: Api) -> None:
        [one] = await insert_minutes(api, 1)
        for person in (api.admin, api.other, api.viewer):
            read = await person.put(f"/notifications/{one}/read")
            deleted = await person.delete(f"/notifications/{one}")
            assert [(answer.status_code, answer.json()["error"]) for answer in (read, deleted)] == [
                (403, "Forbidden: Cannot access other users notifications"),
                (403, "Forbidden: Cannot delete other users notifications"),
            ]
        [row] = (await body_of(api.user, "/notifications"))["notifications"]
        assert (row["id"], row["is_read"]) == (one, False)

    async def test_what_is_not_there_is_a_404(self, api: Api) -> None:
        unknown = uuid4()
        for path, message in (
            (str(unknown), f"No notification found with ID: {unknown}"),
            ("latest", "This is not a valid ID"),
        ):
            answers = [
                await api.user.put(f"/notifications/{path}/read"),
                await api.user.delete(f"/notifications/{path}"),
            ]
            expected = {"error": "Notification not found", "message": message}
            assert [(answer.status_code, answer.json()) for answer in answers] == [(404, expected)] * 2

    async def test_nobody_has_an_inbox_without_a_token(self, api: Api) -> None:
        [one] = await insert_minutes(api, 1)
        for method, path in (
            ("GET", ""),
            ("GET", "/unread-count"),
            ("PUT", "/read-all"),
            ("PUT", f"/{one}/read"),
            ("DELETE", "/delete-read"),
            ("DELETE", f"/{one}"),
        ):
            answer = await api.anonymous.request(method, f"/notifications{path}")
            assert (answer.status_code, answer.json()["error"]) == (401, "Unauthorized"), path
        assert await found(api, unread_only="true") == [one]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/notifications"),
        ("GET", "/notifications/unread-count"),
        ("PUT", "/notifications/read-all"),
        ("DELETE", "/notifications/delete-read"),
    ],
)
async def test_a_period_that_makes_no_sense_changes_nothing(api: Api, method: str, path: str) -> None:
    await api.insert_notification("user")
    await api.insert_notification("user", is_read=True)
    before = await rows_of(api.gateway.database, notifications)
    bodies = {}
    for query in ("from=yesterday", "to=2026-13-01", "from=2026-11-22&to=2026-11-21"):
        answer = await api.user.request(method, f"{path}?{query}")
        assert answer.status_code == 400
        bodies[query] = (answer.json()["error"], answer.json()["message"])
    assert list(bodies.values()) == [
        ("Invalid date", "Invalid date"),
        ("Invalid date", "Invalid date"),
        ("Invalid date range", '"from" must be earlier than "to".'),
    ]
    assert await rows_of(api.gateway.database, notifications) == before
