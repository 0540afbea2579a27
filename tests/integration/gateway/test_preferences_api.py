"""What users want to be told, and what their pages look like."""

from uuid import UUID, uuid4

import httpx
import pytest

from services.gateway.store.tables import events
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of, z

DEFAULTS = {
    "email_on_job_success": True,
    "email_on_job_failure": True,
    "email_on_job_disabled": False,
    "browser_notifications": False,
    "daily_digest": False,
    "weekly_report": False,
}
COLUMNS = {
    "pic_team": True,
    "end_date": True,
    "cron_expression": False,
    "target_url": False,
    "last_execution_at": False,
}
SEEN = "Forbidden: Cannot access other users preferences"
CHANGED = "Forbidden: Cannot update other users preferences"
BASES = ("/api", "/api/v2")
KINDS = ("preferences", "ui-preferences")
BODIES: dict[str, Json] = {
    "preferences": {"daily_digest": True},
    "ui-preferences": {"jobs_table_columns": {"pic_team": False}},
}


def path_of(api: Api, name: str, kind: str = "preferences", base: str = "/api/v2") -> str:
    return f"{api.app.state.origin}{base}/auth/users/{api.people[name].id}/{kind}"


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """The status, and the `error` of a body that has a message too."""
    assert answer.json()["message"]
    return answer.status_code, answer.json()["error"]


async def put(client: httpx.AsyncClient, path: str, body: object) -> Json:
    """The answer to a change that is accepted."""
    answer = await client.put(path, json=body)
    assert answer.status_code == 200, answer.text
    changed: Json = answer.json()
    return changed


@pytest.mark.parametrize("kind", KINDS)
class TestPermissions:
    async def test_everybody_has_their_own_and_administrators_have_all(self, api: Api, kind: str) -> None:
        for client, name in ((api.viewer, "viewer"), (api.user, "user"), (api.admin, "user")):
            path = path_of(api, name, kind)
            assert (await client.get(path)).status_code == 200
            assert (await client.put(path, json=BODIES[kind])).status_code == 200

    async def test_nobody_else_has_them_or_learns_who_exists(self, api: Api, kind: str) -> None:
        before = await rows_of(api.gateway.database, events)
        for path in (path_of(api, "user", kind), *(f"/auth/users/{id_}/{kind}" for id_ in (uuid4(), "x"))):
            for client in (api.other, api.viewer):
                assert error_of(await client.get(path)) == (403, SEEN)
                for body in (BODIES[kind], {}, {"x": 1}):
                    assert error_of(await client.put(path, json=body)) == (403, CHANGED)
            assert (await api.anonymous.get(path)).status_code == 401
            assert (await api.anonymous.put(path, json=BODIES[kind])).status_code == 401
        assert await rows_of(api.gateway.database, events) == before

    async def test_who_does_not_exist_is_a_404_for_administrators(self, api: Api, kind: str) -> None:
        for nobody in (str(uuid4()), "does-not-exist"):
            path = f"/auth/users/{nobody}/{kind}"
            assert error_of(await api.admin.get(path)) == (404, "User not found")
            assert error_of(await api.admin.put(path, json=BODIES[kind])) == (404, "User not found")

    async def test_a_body_that_is_no_object_is_a_400(self, api: Api, kind: str) -> None:
        path, headers = path_of(api, "user", kind), {"Content-Type": "application/json"}
        answers = [
            await api.user.put(path, content=b"[]", headers=headers),
            await api.user.put(path, content=b"{", headers=headers),
            await api.user.put(path, content="x"),
        ]
        assert [error_of(answer) for answer in answers] == [
            (400, "Invalid payload"),
            (400, "Invalid JSON"),
            (400, "Content-Type must be application/json"),
        ]


class TestNotifications:
    async def test_whoever_has_chosen_nothing_has_the_defaults(self, api: Api) -> None:
        before = await rows_of(api.gateway.database, events)
        user = api.people["user"]
        for base in BASES:
            body = await body_of(api.user, path_of(api, "user", base=base))
            UUID(body["preferences"].pop("id"))
            assert body == {
                "message": "Notification preferences retrieved successfully",
                "preferences": {
                    **DEFAULTS,
                    "user_id": str(user.id),
                    "created_at": z(user.created_at),
                    "updated_at": z(user.updated_at),
                },
            }
        assert await rows_of(api.gateway.database, events) == before

    async def test_each_can_be_chosen_and_the_others_stay(self, api: Api) -> None:
        chosen = dict(DEFAULTS)
        shown: Json = {}
        for name, default in DEFAULTS.items():
            api.clock.advance(seconds=1)
            answer = await put(api.user, path_of(api, "user"), {name: not default})
            chosen[name] = not default
            shown = answer["preferences"]
            assert answer["message"] == "Notification preferences updated successfully"
            assert {field: shown[field] for field in DEFAULTS} == chosen
            assert shown["updated_at"] == z(api.clock.now)
        assert (await body_of(api.user, path_of(api, "user")))["preferences"] == shown
        # Its id is the user's, whatever they choose.
        assert (await body_of(api.other, path_of(api, "other")))["preferences"]["id"] != shown["id"]

    async def test_what_changes_nothing_is_accepted(self, api: Api) -> None:
        first = await put(api.user, path_of(api, "user"), {"weekly_report": True})
        before = await rows_of(api.gateway.database, events)
        api.clock.advance(seconds=1)
        for body in ({}, {"weekly_report": True}, first["preferences"]):
            assert await put(api.user, path_of(api, "user"), body) == first
        assert await rows_of(api.gateway.database, events) == before

    async def test_only_booleans_and_known_names_are_taken(self, api: Api) -> None:
        before = await rows_of(api.gateway.database, events)
        path = path_of(api, "user")
        values: tuple[object, ...] = ("yes", 1, None, {})
        for value in values:
            answer = await api.user.put(path, json={"daily_digest": value, "weekly_report": True})
            assert error_of(answer) == (400, "Invalid daily_digest")
        assert error_of(await api.user.put(path, json={"hourly_digest": True})) == (400, "Invalid payload")
        assert await rows_of(api.gateway.database, events) == before

    async def test_no_session_ends(self, api: Api) -> None:
        await put(api.user, path_of(api, "user"), {"weekly_report": True})
        assert (await api.user.get("/auth/me")).status_code == 200


class TestUi:
    async def test_whoever_has_chosen_nothing_has_the_defaults(self, api: Api) -> None:
        for base in BASES:
            path = path_of(api, "user", "ui-preferences", base)
            assert await body_of(api.user, path) == {"preferences": {"jobs_table_columns": COLUMNS}}

    async def test_what_is_chosen_is_kept_and_unknown_columns_are_dropped(self, api: Api) -> None:
        path = path_of(api, "user", "ui-preferences")
        body = {"jobs_table_columns": {"pic_team": False, "unknown": True, "target_url": True, "x": {"y": 1}}}
        expected = {"preferences": {"jobs_table_columns": {**COLUMNS, "pic_team": False, "target_url": True}}}
        assert await put(api.user, path, body) == expected
        assert await body_of(api.user, path) == expected
        assert await body_of(api.admin, path) == expected

    async def test_a_column_that_is_not_given_gets_its_default(self, api: Api) -> None:
        path = path_of(api, "user", "ui-preferences")
        await put(api.user, path, {"jobs_table_columns": {"pic_team": False}})
        answer = await put(api.user, path, {"jobs_table_columns": {"end_date": False}})
        assert answer["preferences"]["jobs_table_columns"] == {**COLUMNS, "end_date": False}

    async def test_what_changes_nothing_is_no_event(self, api: Api) -> None:
        path = path_of(api, "user", "ui-preferences")
        body = {"jobs_table_columns": {"pic_team": False}}
        await put(api.user, path, body)
        before = await rows_of(api.gateway.database, events)
        await put(api.user, path, body)
        assert await rows_of(api.gateway.database, events) == before

    async def test_what_is_no_choice_of_columns_is_a_400(self, api: Api) -> None:
        before = await rows_of(api.gateway.database, events)
        answers = [
            error_of(await api.user.put(path_of(api, "user", "ui-preferences"), json=body))
            for body in (
                {},
                {"jobs_table_columns": None},
                {"jobs_table_columns": ["nope"]},
                {"jobs_table_columns": "pic_team"},
                {"jobs_table_columns": {"pic_team": "yes"}},
                {"jobs_table_columns": {"pic_team": None}},
                {"jobs_table_columns": {}, "theme": "dark"},
            )
        ]
        assert answers == [
            (400, "Missing required fields"),
            (400, "Missing required fields"),
            (400, "Invalid payload"),
            (400, "Invalid payload"),
            (400, "Invalid jobs_table_columns"),
            (400, "Invalid jobs_table_columns"),
            (400, "Invalid payload"),
        ]
        assert await rows_of(api.gateway.database, events) == before
