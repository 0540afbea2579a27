"""Logging in, going on with a session, and who the caller is."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from services.gateway.auth import known_users
from services.gateway.store.tables import refresh_tokens, users
from shared.events import User
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import PASSWORD, Api, Json, body_of, client_of, job_body, z

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


async def refresh(api: Api, token: str) -> httpx.Response:
    return await api.anonymous.post("/auth/refresh", json={"refresh_token": token})


async def change_user(api: Api, **columns: Any) -> None:
    """Change `user` behind every cache."""
    async with api.gateway.database.write() as connection:
        await connection.execute(update(users).where(users.c.username == "user").values(columns))


class TestLogin:
    async def test_it_answers_a_session_and_the_user(self, api: Api) -> None:
        session = await log_in(api)
        tokens = {session.pop("access_token"), session.pop("refresh_token")}
        assert session == {"message": "Login successful", "user": as_shown(api.people["user"])}
        assert len(tokens) == 2

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
            name: (400, "Invalid request", details)
            for name, details in {
                "empty": {"password": "is required"},
                "nobody": None,
                "password": {"password": "String should have at most 128 characters"},
                "unknown": {"role": "is not a known field"},
                "number": {"username": "Input should be a valid string"},
                "lines": {"username": "must not contain line breaks or control characters"},
            }.items()
        }


class TestBody:
    async def test_what_is_no_object_is_refused_in_the_errors_form(self, api: Api) -> None:
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
            assert (answer.status_code, answer.json()["error"]) == (400, "Invalid request"), content
            assert answer.json()["message"], content

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


class TestRevocation:
    @pytest.fixture(autouse=True)
    def nothing_is_remembered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(known_users, "LIFETIME", 0.0)

    async def test_a_higher_token_version_ends_all_sessions(self, api: Api) -> None:
        session = await log_in(api)
        await change_user(api, token_version=2)
        refused(await api.user.get("/auth/me"))
        refused(await refresh(api, session["refresh_token"]))
        again = await log_in(api)
        assert (await refresh(api, again["refresh_token"])).status_code == 200

    async def test_a_disabled_user_is_out(self, api: Api) -> None:
        session = await log_in(api)
        await change_user(api, is_active=False)
        refused(await api.user.get("/auth/me"))
        refused(await refresh(api, session["refresh_token"]))

    async def test_a_new_role_counts_for_the_tokens_of_before(self, api: Api) -> None:
        await change_user(api, role="viewer")
        answer = await api.user.post("/jobs", json=job_body())
        assert (answer.status_code, answer.json()["error"]) == (403, "Forbidden")


class TestRefresh:
    async def test_it_answers_the_next_pair(self, api: Api) -> None:
        session = await log_in(api)
        api.clock.advance(seconds=1)
        answer = await refresh(api, session["refresh_token"])
        assert answer.status_code == 200
        pair = answer.json()
        assert set(pair) == {"access_token", "refresh_token"}
        assert not set(pair.values()) & {session["access_token"], session["refresh_token"]}
        async with client_of(api.app, pair["access_token"]) as client:
            assert (await body_of(client, "/auth/me"))["username"] == "user"

    async def test_it_takes_the_token_from_the_header_too(self, api: Api) -> None:
        session = await log_in(api)
        headers = {"Authorization": f"Bearer {session['refresh_token']}"}
        answer = await api.anonymous.post("/auth/refresh", headers=headers)
        assert (answer.status_code, set(answer.json())) == (200, {"access_token", "refresh_token"})

    async def test_without_a_token_the_caller_is_told_how_to_send_one(self, api: Api) -> None:
        body = {
            "error": "Unauthorized",
            "message": "Send the refresh token as refresh_token, or as `Authorization: Bearer <token>`",
        }
        refused(await api.anonymous.post("/auth/refresh"), body)

    async def test_an_access_token_is_refused(self, api: Api) -> None:
        session = await log_in(api)
        refused(await refresh(api, session["access_token"]))
        refused(await api.user.post("/auth/refresh"))

    async def test_a_used_token_is_taken_again_while_its_answer_may_have_been_lost(self, api: Api) -> None:
        session = await log_in(api)
        first = (await refresh(api, session["refresh_token"])).json()
        api.clock.advance(seconds=10)
        second = await refresh(api, session["refresh_token"])
        assert second.status_code == 200
        assert (await refresh(api, first["refresh_token"])).status_code == 200

    async def test_a_used_token_that_comes_back_later_ends_the_session_and_no_other(self, api: Api) -> None:
        session, elsewhere = await log_in(api), await log_in(api)
        descendant = (await refresh(api, session["refresh_token"])).json()
        api.clock.advance(seconds=11)
        refused(await refresh(api, session["refresh_token"]))
        refused(await refresh(api, descendant["refresh_token"]))
        assert (await refresh(api, elsewhere["refresh_token"])).status_code == 200

    async def test_an_expired_one_is_refused_and_forgotten_at_the_next_login(self, api: Api) -> None:
        session = await log_in(api)
        api.clock.advance(days=30)
        refused(await refresh(api, session["refresh_token"]))
        api.clock.advance(seconds=1)
        await log_in(api)
        assert len(await rows_of(api.gateway.database, refresh_tokens)) == 1

    async def test_no_token_is_kept_that_could_be_used(self, api: Api) -> None:
        session = await log_in(api)
        [row] = await rows_of(api.gateway.database, refresh_tokens)
        claims = str(session["refresh_token"]).split(".")
        assert not any(part in str(row) for part in claims)
