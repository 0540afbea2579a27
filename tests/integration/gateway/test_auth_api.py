"""Logging in, registering others, and who the caller is."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from sqlalchemy import update

from services.gateway.store.tables import credentials, events, users
from shared.events import User
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import PASSWORD, Api, Json, body_of, client_of, z

WRONG = {"error": "Invalid credentials", "message": "Invalid email/username or password"}
BAD_TOKEN = {"error": "Unauthorized", "message": "The token is invalid or has expired"}
MAX_BODY = 2**20


def as_shown(user: User) -> Json:
    return {
        "id": str(user.id),
        "username": user.username,
        "email": user.email,
        "role": user.role,
        "is_active": user.is_active,
        "created_at": z(user.created_at),
        "updated_at": z(user.updated_at),
    }


def refused(answer: httpx.Response, body: Json = BAD_TOKEN) -> None:
    assert (answer.status_code, answer.json()) == (401, body)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def log_in(api: Api, **login: Any) -> Json:
    """The answer to the right password of `user`."""
    answer = await api.anonymous.post(
        "/auth/login", json={"password": PASSWORD, **(login or {"username": "user"})}
    )
    assert answer.status_code == 200, answer.text
    session: Json = answer.json()
    return session


async def change_user(api: Api, **columns: Any) -> None:
    """Change `user` behind every cache."""
    async with api.gateway.database.write() as connection:
        await connection.execute(update(users).where(users.c.username == "user").values(columns))


class TestLogin:
    async def test_it_answers_a_session_and_the_user(self, api: Api) -> None:
        session = await log_in(api)
        tokens = {session.pop("access_token"), session.pop("refresh_token")}
        assert session == {
            "message": "Login successful",
            "token_type": "bearer",
            "expires_in": 86_400,
            "user": as_shown(api.people["user"]),
        }
        assert len(tokens) == 2

    async def test_no_cache_keeps_it(self, api: Api) -> None:
        login = {"username": "user", "password": PASSWORD}
        for path in ("/auth/login", f"{api.app.state.origin}/api/auth/login"):
            answer = await api.anonymous.post(path, json=login)
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")

    async def test_name_and_address_mean_the_same_person(self, api: Api) -> None:
        logins = [{"username": "user"}, {"email": "user@example.com"}, {"username": "User@Example.COM"}]
        found = [(await log_in(api, **login))["user"]["id"] for login in logins]
        assert set(found) == {str(api.people["user"].id)}

    async def test_whoever_cannot_log_in_is_not_told_why(self, api: Api) -> None:
        await change_user(api, is_active=False)
        for login in (
            {"username": "admin", "password": "wrong horse"},
            {"username": "nobody", "password": PASSWORD},
            {"email": "nobody@example.com", "password": PASSWORD},
            {"username": "user", "password": PASSWORD},
            {"username": "ADMIN", "password": PASSWORD},
        ):
            refused(await api.anonymous.post("/auth/login", json=login), WRONG)

    async def test_what_does_not_validate_is_named(self, api: Api) -> None:
        answers = {}
        for name, login in {
            "empty": {},
            "nobody": {"password": PASSWORD},
            "password": {"username": "user", "password": "x" * 129},
            "unknown": {"username": "user", "password": PASSWORD, "role": "admin"},
            "number": {"username": 5, "password": PASSWORD},
            "lines": {"username": "us\0er", "password": PASSWORD},
        }.items():
            answer = await api.anonymous.post("/auth/login", json=login)
            answers[name] = (answer.status_code, answer.json()["error"], answer.json().get("details"))
        assert answers == {
            "empty": (400, "Missing required fields", {"password": "is required"}),
            "nobody": (400, "Missing required fields", None),
            "password": (
                400,
                "Invalid password",
                {"password": "String should have at most 128 characters"},
            ),
            "unknown": (400, "Invalid payload", {"role": "is not a known field"}),
            "number": (400, "Invalid username", {"username": "Input should be a valid string"}),
            "lines": (
                400,
                "Invalid username",
                {"username": "must not contain line breaks or control characters"},
            ),
        }


class TestLoginForm:
    async def test_it_answers_what_oauth2_clients_read(self, api: Api) -> None:
        for username in ("user", "user@example.com"):
            form = {"grant_type": "password", "username": username, "password": PASSWORD, "scope": "all"}
            answer = await api.anonymous.post("/auth/login/form", data=form)
            session = answer.json()
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
            async with client_of(api.app, session.pop("access_token")) as client:
                assert (await body_of(client, "/auth/me"))["username"] == "user"
            assert session.pop("refresh_token")
            assert session == {
                "token_type": "bearer",
                "expires_in": 86_400,
                "user": as_shown(api.people["user"]),
            }

    async def test_wrong_credentials_are_answered_as_those_in_json(self, api: Api) -> None:
        form = {"username": "user", "password": "wrong horse"}
        refused(await api.anonymous.post("/auth/login/form", data=form), WRONG)

    async def test_what_does_not_validate_is_named(self, api: Api) -> None:
        answers = [
            await api.anonymous.post("/auth/login/form", data=form)
            for form in (
                {"username": "user"},
                {},
                {"username": "user", "password": PASSWORD, "grant_type": "implicit"},
                {"username": "us\0er", "password": PASSWORD},
            )
        ]
        answers.append(await api.anonymous.post("/auth/login/form", json={"username": "user"}))
        assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
            (400, "Missing required fields"),
            (400, "Missing required fields"),
            (400, "Invalid grant_type"),
            (400, "Invalid username"),
            (400, "Missing required fields"),
        ]

    async def test_the_authorize_button_of_the_page_finds_it(self, api: Api) -> None:
        description = await body_of(api.anonymous, "/openapi.json")
        scheme = description["components"]["securitySchemes"]["OAuth2PasswordBearer"]
        url = scheme["flows"]["password"]["tokenUrl"]
        form = {"grant_type": "password", "username": "user", "password": PASSWORD}
        answer = await api.anonymous.post(f"{api.app.state.origin}{url}", data=form, auth=("", ""))
        assert (answer.status_code, answer.json()["token_type"]) == (200, "bearer")
        offered = description["paths"]["/api/v2/auth/me"]["get"]["security"]
        assert {"OAuth2PasswordBearer": []} in offered


class TestBody:
    async def test_what_is_no_object_is_refused_in_the_errors_form(self, api: Api) -> None:
        found = {}
        for content in (
            b"",
            b"{",
            b"[]",
            b"null",
            b'"x"',
            b"\xff",
            b'{"username": "\\ud800", "password": "x"}',
        ):
            headers = {"Content-Type": "application/json"}
            answer = await api.anonymous.post("/auth/login", content=content, headers=headers)
            found[content] = (answer.status_code, answer.json()["error"])
            assert answer.json()["message"], content
        assert {status for status, _ in found.values()} == {400}
        assert (found[b"{"][1], found[b"[]"][1]) == ("Invalid JSON", "Invalid payload")

    async def test_a_large_one_is_refused_whatever_it_says_of_its_length(self, api: Api) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield b'{"username": "user", "password": "'
            for _ in range(MAX_BODY // 2**16):
                yield b"x" * 2**16
            yield b'"}'

        announced = await api.anonymous.post("/auth/login", content=b" " * (MAX_BODY + 1))
        headers = {"Content-Type": "application/json"}
        streamed = await api.anonymous.post("/auth/login", content=chunks(), headers=headers)
        assert [(answer.status_code, answer.json()["error"]) for answer in (announced, streamed)] == [
            (413, "Request too large")
        ] * 2


class TestMe:
    async def test_it_is_the_caller_at_the_top_and_under_user(self, api: Api) -> None:
        for client, name in ((api.admin, "admin"), (api.user, "user"), (api.viewer, "viewer")):
            shown = as_shown(api.people[name])
            assert await body_of(client, "/auth/me") == {**shown, "user": shown}

    async def test_without_a_token_the_caller_is_told_how_to_send_one(self, api: Api) -> None:
        body = {
            "error": "Unauthorized",
            "message": "Send an access token in the header `Authorization: Bearer <token>`",
        }
        refused(await api.anonymous.get("/auth/me"), body)
        for header in ("Basic dXNlcjpwYXNz", "Bearer", "Token abc"):
            refused(await api.anonymous.get("/auth/me", headers={"Authorization": header}), body)

    async def test_it_is_refused_once_the_token_has_expired(self, api: Api) -> None:
        api.clock.advance(seconds=86_399)
        assert (await api.user.get("/auth/me")).status_code == 200
        api.clock.advance(seconds=1)
        refused(await api.user.get("/auth/me"))

    async def test_a_refresh_token_or_a_forged_one_is_refused(self, api: Api) -> None:
        session = await log_in(api)
        for token in (session["refresh_token"], session["access_token"][:-2], "x.y.z"):
            async with client_of(api.app, token) as client:
                refused(await client.get("/auth/me"))


class TestMeInV1:
    async def test_it_is_the_caller_under_user(self, api: Api) -> None:
        me = await body_of(api.viewer, f"{api.app.state.origin}/api/auth/me")
        assert me == {"user": as_shown(api.people["viewer"])}
        refused_v1 = await api.anonymous.get(f"{api.app.state.origin}/api/auth/me")
        assert (refused_v1.status_code, refused_v1.json()["error"]) == (401, "Unauthorized")


class TestVerify:
    async def test_it_says_whose_token_it_is(self, api: Api) -> None:
        for base in ("/api", "/api/v2"):
            for client, name in ((api.admin, "admin"), (api.viewer, "viewer")):
                shown = as_shown(api.people[name])
                assert await body_of(client, f"{api.app.state.origin}{base}/auth/verify") == {
                    "valid": True,
                    "message": "Token is valid",
                    "user_id": shown["id"],
                    "username": name,
                    "role": name,
                    "user": shown,
                }

    async def test_a_bad_token_is_a_401(self, api: Api) -> None:
        async with client_of(api.app, "x.y.z") as client:
            refused(await client.get("/auth/verify"))


def registration(**fields: Any) -> Json:
    return {"username": "grace", "email": "grace@example.com", "password": PASSWORD, **fields}


class TestRegister:
    async def test_the_new_user_can_log_in(self, api: Api) -> None:
        for base, name in (("/api/v2", "grace"), ("/api", "alan")):
            body = registration(username=name, email=f"{name.title()}@Example.com", role="user")
            answer = await api.admin.post(f"{api.app.state.origin}{base}/auth/register", json=body)
            assert answer.status_code == 201, answer.text
            session = await log_in(api, username=name)
            assert answer.json() == {"message": "User registered successfully", "user": session["user"]}
            user = session["user"]
            assert (user["email"], user["role"], user["is_active"]) == (f"{name}@example.com", "user", True)

    async def test_without_a_role_they_may_only_look(self, api: Api) -> None:
        answer = await api.admin.post("/auth/register", json=registration())
        assert answer.json()["user"]["role"] == "viewer"

    async def test_one_who_is_not_active_cannot_log_in_yet(self, api: Api) -> None:
        answer = await api.admin.post("/auth/register", json=registration(is_active=False))
        assert (answer.status_code, answer.json()["user"]["is_active"]) == (201, False)
        login = {"username": "grace", "password": PASSWORD}
        refused(await api.anonymous.post("/auth/login", json=login), WRONG)

    async def test_only_administrators_can(self, api: Api) -> None:
        for client, status in ((api.user, 403), (api.viewer, 403), (api.anonymous, 401)):
            assert (await client.post("/auth/register", json=registration())).status_code == status

    async def test_what_no_user_may_have_is_a_400_and_changes_nothing(self, api: Api) -> None:
        before = await rows_of(api.gateway.database, events)
        answers = {}
        for name, body in {
            "nothing": {},
            "no password": {"username": "grace", "email": "grace@example.com"},
            "short name": registration(username="gr"),
            "odd name": registration(username="gra-ce"),
            "number": registration(username=5),
            "address": registration(email="nowhere"),
            "long address": registration(email="x" * 60 + "@" + "y" * 60 + ".example.com"),
            "short password": registration(password="12345"),
            "long password": registration(password="x" * 129),
            "role": registration(role="superadmin"),
            "no role": registration(role=None),
            "activity": registration(is_active="yes"),
            "unknown": registration(token_version=7),
        }.items():
            answer = await api.admin.post("/auth/register", json=body)
            answers[name] = (answer.status_code, answer.json()["error"])
        assert answers == {
            "nothing": (400, "Missing required fields"),
            "no password": (400, "Missing required fields"),
            "short name": (400, "Invalid username"),
            "odd name": (400, "Invalid username"),
            "number": (400, "Invalid username"),
            "address": (400, "Invalid email"),
            "long address": (400, "Invalid email"),
            "short password": (400, "Password must be at least 6 characters long"),
            "long password": (400, "Invalid password"),
            "role": (400, "Invalid role"),
            "no role": (400, "Invalid role"),
            "activity": (400, "Invalid is_active"),
            "unknown": (400, "Invalid payload"),
        }
        role = await api.admin.post("/auth/register", json=registration(role="root"))
        assert role.json()["message"] == "Role must be one of: admin, user, viewer"
        assert await rows_of(api.gateway.database, events) == before
        assert len(await rows_of(api.gateway.database, credentials)) == len(api.people)

    async def test_a_taken_name_or_address_is_a_conflict(self, api: Api) -> None:
        answers = [
            await api.admin.post("/auth/register", json=body)
            for body in (
                registration(username="user"),
                registration(email="USER@example.com"),
                registration(username="user", email="user@example.com"),
            )
        ]
        assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
            (409, "Username already exists"),
            (409, "Email already exists"),
            (409, "Username already exists"),
        ]

    async def test_of_many_at_once_with_one_name_one_is_made(self, api: Api) -> None:
        answers = await asyncio.gather(
            *(
                api.admin.post("/auth/register", json=registration(email=f"grace{number}@example.com"))
                for number in range(5)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
