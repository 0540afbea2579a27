"""Sessions: going on with one, in both contracts, ending one, and what ends all of them."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from services.gateway.auth import known_users
from services.gateway.store.tables import refresh_tokens, users
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import PASSWORD, Api, Json, body_of, client_of, job_body

BAD_TOKEN = {"error": "Unauthorized", "message": "The token is invalid or has expired"}


def refused(answer: httpx.Response, body: Json = BAD_TOKEN) -> None:
    assert (answer.status_code, answer.json()) == (401, body)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def log_in(api: Api, username: str = "user") -> Json:
    """A new session."""
    login = {"username": username, "password": PASSWORD}
    answer = await api.anonymous.post("/auth/login", json=login)
    assert answer.status_code == 200, answer.text
    session: Json = answer.json()
    return session


async def refresh(api: Api, token: str) -> httpx.Response:
    return await api.anonymous.post("/auth/refresh", json={"refresh_token": token})


async def refresh_v1(api: Api, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return await api.anonymous.post(f"{api.app.state.origin}/api/auth/refresh", headers=headers)


async def change_user(api: Api, **columns: Any) -> None:
    """Change `user` behind every cache."""
    async with api.gateway.database.write() as connection:
        await connection.execute(update(users).where(users.c.username == "user").values(columns))


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
        assert (answer.status_code, answer.json()["error"]) == (403, "Insufficient permissions")


class TestRefresh:
    async def test_it_answers_the_next_pair(self, api: Api) -> None:
        session = await log_in(api)
        api.clock.advance(seconds=1)
        answer = await refresh(api, session["refresh_token"])
        assert answer.status_code == 200
        pair = answer.json()
        assert (pair.pop("token_type"), pair.pop("expires_in")) == ("bearer", 86_400)
        assert set(pair) == {"access_token", "refresh_token"}
        assert not set(pair.values()) & {session["access_token"], session["refresh_token"]}
        assert answer.headers["Cache-Control"] == "no-store"
        async with client_of(api.app, pair["access_token"]) as client:
            assert (await body_of(client, "/auth/me"))["username"] == "user"

    async def test_it_takes_the_token_from_the_header_too(self, api: Api) -> None:
        session = await log_in(api)
        headers = {"Authorization": f"Bearer {session['refresh_token']}"}
        answer = await api.anonymous.post("/auth/refresh", headers=headers)
        assert (answer.status_code, answer.json()["token_type"]) == (200, "bearer")

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


class TestRefreshInV1:
    async def test_it_answers_an_access_token_and_the_refresh_token_stays_good(self, api: Api) -> None:
        token = (await log_in(api))["refresh_token"]
        for _ in range(3):
            api.clock.advance(minutes=10)
            answer = await refresh_v1(api, token)
            assert (answer.status_code, set(answer.json())) == (200, {"access_token"})
            assert answer.headers["Cache-Control"] == "no-store"
            async with client_of(api.app, answer.json()["access_token"]) as client:
                assert (await body_of(client, "/auth/me"))["username"] == "user"
        assert (await refresh(api, token)).status_code == 200

    async def test_the_header_must_hold_a_refresh_token(self, api: Api) -> None:
        session = await log_in(api)
        url = f"{api.app.state.origin}/api/auth/refresh"
        body = {
            "error": "Unauthorized",
            "message": "Send the refresh token as `Authorization: Bearer <token>`",
        }
        refused(await api.anonymous.post(url, json={"refresh_token": session["refresh_token"]}), body)
        refused(await refresh_v1(api, session["access_token"]))
        refused(await refresh_v1(api, "x.y.z"))

    async def test_one_that_v2_has_exchanged_is_good_for_ten_seconds_more(self, api: Api) -> None:
        token = (await log_in(api))["refresh_token"]
        descendant = (await refresh(api, token)).json()["refresh_token"]
        api.clock.advance(seconds=10)
        assert (await refresh_v1(api, token)).status_code == 200
        api.clock.advance(seconds=1)
        refused(await refresh_v1(api, token))
        # Whoever brings it back has copied it, or was copied from.
        refused(await refresh_v1(api, descendant))

    async def test_it_ends_with_the_token_the_user_and_their_token_version(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(known_users, "LIFETIME", 0.0)
        token = (await log_in(api))["refresh_token"]
        await change_user(api, is_active=False)
        refused(await refresh_v1(api, token))
        await change_user(api, is_active=True, token_version=2)
        refused(await refresh_v1(api, token))
        await change_user(api, token_version=1)
        assert (await refresh_v1(api, token)).status_code == 200
        api.clock.advance(days=30)
        refused(await refresh_v1(api, token))


class TestLogout:
    async def test_without_a_token_nothing_is_revoked(self, api: Api) -> None:
        token = (await log_in(api))["refresh_token"]
        for body in (None, {}, {"refresh_token": None}):
            answer = await api.user.post("/auth/logout", json=body)
            assert (answer.status_code, answer.json()) == (
                200,
                {"message": "Logout successful", "session_ended": False},
            )
        assert (await refresh(api, token)).status_code == 200

    async def test_every_role_can_and_nobody_unknown(self, api: Api) -> None:
        for client in (api.admin, api.user, api.viewer):
            assert (await client.post("/auth/logout")).status_code == 200
        answer = await api.anonymous.post("/auth/logout")
        assert (answer.status_code, answer.json()["error"]) == (401, "Unauthorized")

    async def test_with_a_token_its_whole_session_ends_and_no_other(self, api: Api) -> None:
        session, elsewhere = await log_in(api), await log_in(api)
        descendant = (await refresh(api, session["refresh_token"])).json()["refresh_token"]
        answers = [
            await api.user.post("/auth/logout", json={"refresh_token": session["refresh_token"]})
            for _ in range(2)
        ]
        assert [answer.json()["session_ended"] for answer in answers] == [True, False]
        for token in (session["refresh_token"], descendant):
            refused(await refresh(api, token))
            refused(await refresh_v1(api, token))
        assert (await refresh(api, elsewhere["refresh_token"])).status_code == 200

    async def test_a_refresh_at_the_same_moment_does_not_outlive_it(self, api: Api) -> None:
        for _ in range(5):
            token = {"refresh_token": (await log_in(api))["refresh_token"]}
            ended, refreshed = await asyncio.gather(
                api.user.post("/auth/logout", json=token), api.anonymous.post("/auth/refresh", json=token)
            )
            assert ended.json()["session_ended"] is True
            if refreshed.status_code == 200:
                refused(await refresh(api, refreshed.json()["refresh_token"]))

    async def test_nobody_ends_the_session_of_somebody_else(self, api: Api) -> None:
        token = (await log_in(api))["refresh_token"]
        for client in (api.other, api.admin):
            answer = await client.post("/auth/logout", json={"refresh_token": token})
            assert (answer.status_code, answer.json()["session_ended"]) == (200, False)
        assert (await refresh(api, token)).status_code == 200

    async def test_what_is_no_refresh_token_ends_nothing(self, api: Api) -> None:
        session = await log_in(api)
        for token in (session["access_token"], "x.y.z"):
            answer = await api.user.post("/auth/logout", json={"refresh_token": token})
            assert (answer.status_code, answer.json()["session_ended"]) == (200, False)
        answer = await api.user.post("/auth/logout", json={"refresh_token": 5})
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid refresh_token")
