"""Users: who sees, changes and deletes whom, and what ends whose sessions."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from services.gateway.auth.tokens import TokenKind
from services.gateway.commands.users import register_user, update_user
from services.gateway.domain.actor import SYSTEM, Role
from services.gateway.store.read_models import rebuild
from services.gateway.store.tables import credentials, events, refresh_tokens, users
from shared.events import User
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import PASSWORD, Api, Json, body_of, client_of

OTHERS_PROFILE_SEEN = "Forbidden. You can only view your own profile."
OTHERS_PROFILE_CHANGED = "Forbidden. You can only update your own profile."
NOWHERE = ("does-not-exist", str(uuid4()), "0" * 32)


def path_of(api: Api, name: str) -> str:
    return f"/auth/users/{api.people[name].id}"


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """The status, and the `error` of a body that has a message too."""
    assert answer.json()["message"]
    return answer.status_code, answer.json()["error"]


async def shown(api: Api, name: str) -> Json:
    user: Json = (await body_of(api.admin, path_of(api, name)))["user"]
    return user


async def log_in(api: Api, name: str, password: str = PASSWORD) -> httpx.Response:
    return await api.anonymous.post("/auth/login", json={"username": name, "password": password})


class TestRead:
    async def test_administrators_list_everybody(self, api: Api) -> None:
        for base in ("/api", "/api/v2"):
            body = await body_of(api.admin, f"{api.app.state.origin}{base}/auth/users")
            assert set(body) == {"count", "users"}
            assert body["count"] == 4
            assert [user["username"] for user in body["users"]] == ["admin", "other", "user", "viewer"]
            assert set(body["users"][0]) == {
                *("id", "username", "email", "role", "is_active", "created_at", "updated_at"),
            }

    async def test_nobody_else_does(self, api: Api) -> None:
        for client, status in ((api.user, 403), (api.viewer, 403), (api.anonymous, 401)):
            assert (await client.get("/auth/users")).status_code == status

    async def test_everybody_sees_themselves_and_administrators_see_all(self, api: Api) -> None:
        for name in ("user", "viewer"):
            own = await body_of(getattr(api, name), path_of(api, name))
            assert set(own) == {"user"}
            assert (own["user"]["username"], own["user"]["role"]) == (name, name)
            assert (
                await body_of(api.admin, path_of(api, name).upper().replace("/AUTH/USERS", "/auth/users"))
                == own
            )

    async def test_nobody_else_sees_them_or_learns_who_exists(self, api: Api) -> None:
        for path in (path_of(api, "admin"), *(f"/auth/users/{nobody}" for nobody in NOWHERE)):
            assert error_of(await api.user.get(path)) == (403, OTHERS_PROFILE_SEEN)
            assert (await api.anonymous.get(path)).status_code == 401

    async def test_who_does_not_exist_is_a_404_for_administrators(self, api: Api) -> None:
        for nobody in NOWHERE:
            assert error_of(await api.admin.get(f"/auth/users/{nobody}")) == (404, "User not found")


class TestUpdate:
    async def test_everybody_changes_their_own_address_and_password(self, api: Api) -> None:
        fields = {"email": "New.Viewer@Example.com", "password": "battery staple"}
        api.clock.advance(seconds=5)
        answer = await api.viewer.put(path_of(api, "viewer"), json=fields)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert set(body) == {"message", "updated_fields", "user"}
        assert (body["message"], body["updated_fields"]) == (
            "User updated successfully",
            ["email", "password"],
        )
        assert body["user"] == await shown(api, "viewer")
        assert body["user"]["email"] == "new.viewer@example.com"
        assert body["user"]["updated_at"] == "2026-11-21T12:00:05Z"
        assert [(await log_in(api, "viewer", word)).status_code for word in (PASSWORD, "battery staple")] == [
            401,
            200,
        ]
        by_address = {"email": "new.viewer@example.com", "password": "battery staple"}
        assert (await api.anonymous.post("/auth/login", json=by_address)).status_code == 200

    async def test_administrators_change_everything_of_everybody(self, api: Api) -> None:
        fields = {
            "email": "somebody@example.com",
            "password": "battery staple",
            "role": "viewer",
            "is_active": False,
        }
        answer = await api.admin.put(f"{api.app.state.origin}/api{path_of(api, 'user')}", json=fields)
        assert (answer.status_code, answer.json()["updated_fields"]) == (200, list(fields))
        user = await shown(api, "user")
        assert (user["email"], user["role"], user["is_active"]) == ("somebody@example.com", "viewer", False)
        assert (await log_in(api, "user", "battery staple")).status_code == 401
        assert (await api.admin.put(path_of(api, "user"), json={"is_active": True})).status_code == 200
        assert (await log_in(api, "user", "battery staple")).status_code == 200

    async def test_nobody_else_changes_anything(self, api: Api) -> None:
        for path in (path_of(api, "admin"), *(f"/auth/users/{nobody}" for nobody in NOWHERE)):
            for body in ({"email": "x@example.com"}, {}, {"email": 5}):
                assert error_of(await api.user.put(path, json=body)) == (403, OTHERS_PROFILE_CHANGED)
        assert (await api.anonymous.put(path_of(api, "user"), json={})).status_code == 401

    async def test_only_administrators_change_roles_and_activity(self, api: Api) -> None:
        for body, error in (
            ({"role": "admin"}, "Only admins can change user roles"),
            ({"role": "superadmin"}, "Only admins can change user roles"),
            ({"is_active": False}, "Only admins can change user active status"),
            ({"email": "x@example.com", "is_active": True}, "Only admins can change user active status"),
        ):
            assert error_of(await api.user.put(path_of(api, "user"), json=body)) == (403, error)
        assert (await shown(api, "user"))["email"] == "user@example.com"

    async def test_who_does_not_exist_is_a_404(self, api: Api) -> None:
        for nobody in NOWHERE:
            for body in ({"email": "x@example.com"}, {}):
                answer = await api.admin.put(f"/auth/users/{nobody}", json=body)
                assert error_of(answer) == (404, "User not found")

    async def test_what_no_user_may_have_is_refused_and_changes_nothing(self, api: Api) -> None:
        before = await rows_of(api.gateway.database, events)
        hashes = await rows_of(api.gateway.database, credentials)
        answers = {}
        for name, body in {
            "address": {"email": "nowhere"},
            "taken": {"email": "VIEWER@example.com"},
            "short": {"password": "12345"},
            "long": {"password": "x" * 129},
            "number": {"password": 123456},
            "role": {"role": "superadmin"},
            "no role": {"role": None},
            "activity": {"is_active": "no"},
            "one of two": {"password": "battery staple", "role": "root"},
            "beside an unknown one": {"email": "x@example.com", "colour": "blue"},
        }.items():
            answers[name] = error_of(await api.admin.put(path_of(api, "user"), json=body))
        assert answers == {
            "address": (400, "Invalid email"),
            "taken": (409, "Email already exists"),
            "short": (400, "Password must be at least 6 characters long"),
            "long": (400, "Invalid password"),
            "number": (400, "Invalid password"),
            "role": (400, "Invalid role"),
            "no role": (400, "Invalid role"),
            "activity": (400, "Invalid is_active"),
            "one of two": (400, "Invalid role"),
            "beside an unknown one": (400, "Invalid payload"),
        }
        role = await api.admin.put(path_of(api, "user"), json={"role": "root"})
        assert role.json()["message"] == "Role must be one of: admin, user, viewer"
        assert await rows_of(api.gateway.database, events) == before
        assert await rows_of(api.gateway.database, credentials) == hashes

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"username": "ignored"},
            {"colour": "blue", "x": 1},
            {"email": ""},
            {"email": None, "password": ""},
        ],
    )
    async def test_no_field_that_can_change_is_a_400(self, api: Api, body: Json) -> None:
        for client in (api.user, api.admin):
            answer = await client.put(path_of(api, "user"), json=body)
            assert error_of(answer) == (400, "No valid fields to update")

    async def test_what_a_get_shows_may_be_sent_back(self, api: Api) -> None:
        before = await rows_of(api.gateway.database, events)
        whole = {**(await shown(api, "user")), "password": ""}
        answer = await api.admin.put(path_of(api, "user"), json=whole)
        assert (answer.status_code, answer.json()["updated_fields"]) == (200, ["email", "role", "is_active"])
        assert await rows_of(api.gateway.database, events) == before

    async def test_a_body_that_is_no_object_is_a_400(self, api: Api) -> None:
        path, headers = path_of(api, "user"), {"Content-Type": "application/json"}
        answers = [
            await api.user.put(path, content=b"[]", headers=headers),
            await api.user.put(path, content="x"),
        ]
        assert [error_of(answer) for answer in answers] == [
            (400, "Invalid payload"),
            (400, "Content-Type must be application/json"),
        ]


class TestEndedSessions:
    @pytest.mark.parametrize(
        "change", [{"password": "battery staple"}, {"role": "viewer"}, {"is_active": False}], ids=str
    )
    async def test_a_new_password_role_or_activity_ends_all_of_them_at_once(
        self, api: Api, change: Json
    ) -> None:
        session = (await log_in(api, "user")).json()
        async with client_of(api.app, session["access_token"]) as client:
            assert (await client.get("/auth/me")).status_code == 200
            assert (await api.admin.put(path_of(api, "user"), json=change)).status_code == 200
            for old in (client, api.user):
                assert (await old.get("/auth/me")).status_code == 401
        token = session["refresh_token"]
        assert (await api.anonymous.post("/auth/refresh", json={"refresh_token": token})).status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        v1 = await api.anonymous.post(f"{api.app.state.origin}/api/auth/refresh", headers=headers)
        assert v1.status_code == 401

    async def test_a_new_address_ends_none_and_is_seen_at_once(self, api: Api) -> None:
        assert (await api.user.get("/auth/me")).status_code == 200
        await api.user.put(path_of(api, "user"), json={"email": "new@example.com"})
        assert (await body_of(api.user, "/auth/me"))["email"] == "new@example.com"

    async def test_somebody_elses_go_on(self, api: Api) -> None:
        await api.admin.put(path_of(api, "user"), json={"password": "battery staple"})
        assert [(await client.get("/auth/me")).status_code for client in (api.admin, api.other)] == [200, 200]


class TestDelete:
    async def test_who_is_deleted_is_gone_and_the_name_is_free(self, api: Api) -> None:
        session = (await log_in(api, "viewer")).json()
        answer = await api.admin.delete(path_of(api, "viewer"))
        viewer = api.people["viewer"]
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "message": "User deleted successfully",
                "deleted_user": {"id": str(viewer.id), "username": "viewer"},
            },
        )
        assert (await api.viewer.get("/auth/me")).status_code == 401
        assert (await log_in(api, "viewer")).status_code == 401
        token = {"refresh_token": session["refresh_token"]}
        assert (await api.anonymous.post("/auth/refresh", json=token)).status_code == 401
        for table in (credentials, refresh_tokens):
            assert viewer.id not in {row["user_id"] for row in await rows_of(api.gateway.database, table)}
        for request in (api.admin.get, api.admin.delete):
            assert error_of(await request(path_of(api, "viewer"))) == (404, "User not found")
        again = {"username": "viewer", "email": "viewer@example.com", "password": PASSWORD}
        assert (await api.admin.post("/auth/register", json=again)).status_code == 201
        assert (await log_in(api, "viewer")).status_code == 200
        assert (await api.viewer.get("/auth/me")).status_code == 401

    async def test_their_jobs_stay(self, api: Api) -> None:
        job = await api.create_job()
        assert (await api.admin.delete(path_of(api, "user"))).status_code == 200
        kept = (await body_of(api.admin, f"/jobs/{job['id']}"))["job"]
        assert kept["created_by"] == str(api.people["user"].id)

    async def test_only_administrators_can(self, api: Api) -> None:
        for client, status in ((api.user, 403), (api.viewer, 403), (api.anonymous, 401)):
            for name in ("viewer", "user"):
                assert (await client.delete(path_of(api, name))).status_code == status

    async def test_nobody_deletes_themselves(self, api: Api) -> None:
        answer = await api.admin.delete(path_of(api, "admin"))
        assert error_of(answer) == (400, "Cannot delete your own account")
        assert (await api.admin.get("/auth/me")).status_code == 200

    async def test_who_does_not_exist_is_a_404(self, api: Api) -> None:
        for nobody in NOWHERE:
            assert error_of(await api.admin.delete(f"/auth/users/{nobody}")) == (404, "User not found")


class TestLastAdministrator:
    async def test_they_can_be_neither_demoted_nor_disabled(self, api: Api) -> None:
        for change in ({"role": "user"}, {"role": "viewer"}, {"is_active": False}):
            answer = await api.admin.put(path_of(api, "admin"), json=change)
            assert error_of(answer) == (400, "Last administrator")
        assert (await api.admin.get("/auth/me")).status_code == 200

    async def test_one_who_is_not_active_does_not_count(self, api: Api) -> None:
        await api.admin.put(path_of(api, "other"), json={"role": "admin", "is_active": False})
        answer = await api.admin.put(path_of(api, "admin"), json={"role": "user"})
        assert error_of(answer) == (400, "Last administrator")

    async def test_with_another_one_they_can(self, api: Api) -> None:
        await api.admin.put(path_of(api, "other"), json={"role": "admin"})
        answer = await api.admin.put(path_of(api, "admin"), json={"role": "user"})
        assert (answer.status_code, answer.json()["user"]["role"]) == (200, "user")

    @pytest.mark.parametrize("what", ["demote", "disable", "delete"])
    async def test_of_two_who_turn_on_each_other_at_once_one_loses(self, api: Api, what: str) -> None:
        changes: dict[str, Json] = {"demote": {"role": "user"}, "disable": {"is_active": False}, "delete": {}}
        last = api.people["admin"].id
        for _ in range(5):
            pair = [await administrator(api) for _ in range(2)]
            await update_user(api.gateway, last, {"is_active": False}, SYSTEM)
            answers = await asyncio.gather(
                *(
                    turn_on(api, actor, f"/auth/users/{target.id}", changes[what])
                    for actor, target in (pair, reversed(pair))
                )
            )
            # 401: the winner was done before the other one was let in.
            assert sorted(answer.status_code for answer in answers) in ([200, 400], [200, 401])
            rows = await rows_of(api.gateway.database, users)
            [last] = [row["id"] for row in rows if row["role"] == "admin" and row["is_active"]]
            assert last in {user.id for user in pair}


async def administrator(api: Api) -> User:
    """One more."""
    name = f"admin_{uuid4().hex[:8]}"
    return await register_user(
        api.gateway,
        username=name,
        email=f"{name}@example.com",
        password=PASSWORD,
        role=Role.ADMIN,
        actor=SYSTEM,
    )


async def turn_on(api: Api, actor: User, path: str, change: Json) -> httpx.Response:
    """Change the user there, or delete them."""
    async with client_of(api.app, api.gateway.tokens.issue(TokenKind.ACCESS, actor).text) as client:
        return await (client.put(path, json=change) if change else client.delete(path))


async def test_what_the_commands_left_is_what_a_rebuild_makes(api: Api) -> None:
    preferences = {"daily_digest": True}
    await api.user.put(f"{path_of(api, 'user')}/preferences", json=preferences)
    columns = {"jobs_table_columns": {"target_url": True}}
    await api.other.put(f"{path_of(api, 'other')}/ui-preferences", json=columns)
    await api.admin.put(path_of(api, "user"), json={"role": "viewer", "password": "battery staple"})
    await api.admin.delete(path_of(api, "viewer"))
    again = {"username": "viewer", "email": "viewer@example.com", "password": PASSWORD}
    assert (await api.admin.post("/auth/register", json=again)).status_code == 201
    before = await rows_of(api.gateway.database, users)
    await rebuild(api.gateway.database)
    assert await rows_of(api.gateway.database, users) == before
