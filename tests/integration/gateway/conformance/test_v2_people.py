"""v2, "Authentication Endpoints" and "Auth & User Management": what is documented is answered."""

from typing import Any

import jwt

from tests.fixtures.gateway import PASSWORD, Api, Json
from tests.integration.gateway.conformance.documented import (
    NOBODY,
    USER,
    V2,
    Case,
    differences,
    refused,
)
from tests.integration.gateway.conformance.shapes import Each, Shape, flag, some_id, text, whole

NEW_USER = {
    "username": "new_user",
    "email": "new@example.com",
    "password": "secure_password",
    "role": "user",
}
TOKENS: dict[str, Shape] = {"access_token": text, "refresh_token": text}
LOGIN: Shape = {"message": text, **TOKENS, "user": USER}
CHOICES = {
    "email_on_job_success": True,
    "email_on_job_failure": True,
    "email_on_job_disabled": False,
    "browser_notifications": False,
    "daily_digest": False,
    "weekly_report": False,
}
PREFERENCES: Shape = {"message": text, "preferences": dict.fromkeys(CHOICES, flag)}
COLUMNS = {"pic_team": True, "end_date": True, "cron_expression": False, "target_url": False}
UI: Shape = {"preferences": {"jobs_table_columns": dict.fromkeys(COLUMNS, flag)}}
WRONG = ("Invalid credentials", "Invalid email/username or password")


def logs_in(status: int = 200, /, **body: str) -> Case:
    sent = {"json": {"password": PASSWORD, **body}}
    if status == 200:
        says = {"message": "Login successful"}
        return Case(asked="POST /auth/login", by="anonymous", status=200, sent=sent, shape=LOGIN, says=says)
    return refused("POST /auth/login", status, *(WRONG if status == 401 else ()), by="anonymous", sent=sent)


def logs_in_by_form(status: int = 200, /, **body: str) -> Case:
    sent = {"data": {"username": "user", "password": PASSWORD, **body}}
    if status == 200:
        return Case(asked="POST /auth/login/form", by="anonymous", status=200, sent=sent, shape=TOKENS)
    return refused("POST /auth/login/form", status, *WRONG, by="anonymous", sent=sent)


async def test_logging_in(api: Api) -> None:
    cases = [
        logs_in(username="user"),
        logs_in(username="user@example.com"),
        logs_in(email="user@example.com"),
        logs_in_by_form(),
        logs_in(401, username="user", password="not this"),
        logs_in(401, email="nobody@example.com"),
        logs_in_by_form(401, password="not this"),
        logs_in(400),
        logs_in(400, username="user", password=""),
        refused("POST /auth/login", 400, by="anonymous", sent={"json": {"username": "user"}}),
        refused("POST /auth/login", 400, by="anonymous", sent={"json": {}}),
    ]
    assert await differences(api, V2, cases) == []


async def test_who_is_not_active_does_not_log_in(api: Api) -> None:
    disabled = Case(asked="PUT /auth/users/{id}", status=200, sent={"json": {"is_active": False}})
    cases = [disabled, logs_in(401, username="user"), logs_in_by_form(401)]
    assert await differences(api, V2, cases, id=api.people["user"].id) == []


async def test_a_token_has_the_documented_claims(api: Api) -> None:
    answer = await api.anonymous.post("/auth/login", json={"username": "user", "password": PASSWORD})
    for name in TOKENS:
        claims = jwt.decode(answer.json()[name], options={"verify_signature": False})
        documented = {"sub": str(api.people["user"].id), "role": "user", "email": "user@example.com"}
        assert {name: claims[name] for name in documented} == documented


async def test_sessions(api: Api) -> None:
    answer = await api.anonymous.post("/auth/login", json={"username": "user", "password": PASSWORD})
    refreshes = {"json": {"refresh_token": answer.json()["refresh_token"]}}
    cases = [
        Case(asked="POST /auth/refresh", by="anonymous", status=200, sent=refreshes, shape=TOKENS),
        refused("POST /auth/refresh", 401, by="anonymous", sent={"json": {"refresh_token": "forged"}}),
        Case(asked="GET /auth/me", by="viewer", status=200, shape=USER, says={"username": "viewer"}),
        Case(asked="GET /auth/verify", by="viewer", status=200, shape={"valid": flag}),
        Case(asked="POST /auth/logout", by="viewer", status=200, says={"message": "Logout successful"}),
        *(refused(f"GET /auth/{page}", 401, by="anonymous") for page in ("me", "verify", "users")),
        refused("GET /auth/me", 401, sent={"headers": {"Authorization": "Bearer forged"}}),
    ]
    assert await differences(api, V2, cases) == []
    api.clock.advance(days=31)
    expired = [refused("GET /auth/me", 401), refused("POST /auth/refresh", 401, sent=refreshes)]
    assert await differences(api, V2, expired) == []


def registers(status: int = 201, error: str | None = None, /, **fields: Any) -> Case:
    sent: Json = {"json": {name: value for name, value in (NEW_USER | fields).items() if value is not None}}
    if status == 201:
        shape: Shape = {"message": text, "user": USER}
        says = {"message": "User registered successfully"}
        return Case(asked="POST /auth/register", status=201, sent=sent, shape=shape, says=says)
    return refused("POST /auth/register", status, error, sent=sent)


async def test_registering(api: Api) -> None:
    cases = [
        registers(),
        registers(409, "Email already exists", username="another_user"),
        registers(409, email="another@example.com"),
        *(registers(400, **{name: None}) for name in ("username", "email", "password")),
        *(registers(400, username=name) for name in ("ab", "x" * 81, "with space", "hy-phen")),
        *(registers(400, email=address) for address in ("nowhere", "x" * 110 + "@example.com")),
        registers(400, password="short"),
        registers(400, "Invalid role", role="owner"),
        refused("POST /auth/register", 403, by="user", sent={"json": NEW_USER}),
        refused("POST /auth/register", 401, by="anonymous", sent={"json": NEW_USER}),
        registers(username="abc", email="abc@example.com", password="sixsix", role=None),
    ]
    assert await differences(api, V2, cases) == []
    users = (await api.admin.get("/auth/users")).json()["users"]
    assert {user["username"]: user["role"] for user in users if user["username"] in ("new_user", "abc")} == {
        "new_user": "user",
        "abc": "viewer",
    }


async def test_users(api: Api) -> None:
    me, path = api.people["user"].id, "/auth/users/{id}"
    not_mine = "Forbidden. You can only view your own profile."
    no_role = ("Invalid role", "Role must be one of: admin, user, viewer")
    updated: Shape = {"message": text, "updated_fields": Each(text), "user": USER}
    deleted: Shape = {"message": text, "deleted_user": {"id": some_id, "username": text}}

    def changes(status: int, *words: str, by: str = "user", **fields: Any) -> Case:
        if status != 200:
            return refused(f"PUT {path}", status, *words, by=by, sent={"json": fields})
        says = {"message": "User updated successfully", "updated_fields": list(fields)}
        return Case(asked=f"PUT {path}", by=by, status=200, sent={"json": fields}, shape=updated, says=says)

    cases = [
        Case(asked="GET /auth/users", status=200, shape={"count": whole, "users": Each(USER)}),
        refused("GET /auth/users", 403, by="user"),
        Case(asked=f"GET {path}", status=200, shape={"user": USER}),
        Case(asked=f"GET {path}", by="user", status=200, shape={"user": USER}),
        refused(f"GET {path}", 403, not_mine, by="viewer"),
        changes(200, email="newer@example.com"),
        changes(409, "Email already exists", email="viewer@example.com"),
        changes(400, password="short"),
        changes(400, "No valid fields to update"),
        changes(403, role="admin"),
        changes(403, is_active=False),
        changes(403, by="other", email="x@example.com"),
        changes(400, *no_role, by="admin", role="owner"),
        changes(200, by="admin", role="viewer", is_active=True),
        refused(f"GET /auth/users/{NOBODY}", 404),
        refused(f"PUT /auth/users/{NOBODY}", 404, sent={"json": {"email": "x@example.com"}}),
        refused(f"DELETE /auth/users/{NOBODY}", 404),
        refused(f"DELETE /auth/users/{api.people['admin'].id}", 400, "Cannot delete your own account"),
        refused(f"DELETE {path}", 403, by="other"),
        Case(
            asked=f"DELETE {path}",
            status=200,
            shape=deleted,
            says={
                "message": "User deleted successfully",
                "deleted_user": {"id": str(me), "username": "user"},
            },
        ),
        refused(f"GET {path}", 404),
    ]
    assert await differences(api, V2, cases, id=me) == []


async def test_preferences(api: Api) -> None:
    path, ui = "/auth/users/{id}/preferences", "/auth/users/{id}/ui-preferences"
    seen = {"message": "Notification preferences retrieved successfully"}
    chosen = {"message": "Notification preferences updated successfully"}
    digest = {"json": {"daily_digest": True}}
    columns = {"json": {"jobs_table_columns": {"cron_expression": True, "no such column": True}}}
    cases = [
        Case(asked=f"GET {path}", by="viewer", status=200, shape=PREFERENCES, says=seen),
        Case(asked=f"GET {path}", status=200, shape=PREFERENCES, says=seen),
        Case(asked=f"PUT {path}", by="viewer", status=200, sent=digest, shape=PREFERENCES, says=chosen),
        refused(f"GET {path}", 403, by="user"),
        refused(f"PUT {path}", 403, by="user", sent=digest),
        Case(asked=f"GET {ui}", by="viewer", status=200, shape=UI),
        Case(asked=f"PUT {ui}", by="viewer", status=200, sent=columns, shape=UI),
        refused(f"PUT {ui}", 400, by="viewer", sent={"json": {}}),
        refused(f"PUT {ui}", 400, by="viewer", sent={"json": {"jobs_table_columns": []}}),
        refused(f"GET {ui}", 403, by="user"),
        refused(f"PUT {ui}", 403, by="user", sent=columns),
        *(refused(f"GET /auth/users/{NOBODY}/{kind}", 404) for kind in ("preferences", "ui-preferences")),
    ]
    viewer = api.people["viewer"].id
    first = (await api.viewer.get(f"/auth/users/{viewer}/preferences")).json()["preferences"]
    assert {name: first[name] for name in CHOICES} == CHOICES
    assert await differences(api, V2, cases, id=viewer) == []
    changed = (await api.viewer.get(f"/auth/users/{viewer}/preferences")).json()["preferences"]
    assert {name: changed[name] for name in CHOICES} == {**CHOICES, "daily_digest": True}
    kept = (await api.viewer.get(f"/auth/users/{viewer}/ui-preferences")).json()["preferences"]
    assert kept["jobs_table_columns"].keys() >= COLUMNS.keys()
    assert (kept["jobs_table_columns"]["cron_expression"], len(kept["jobs_table_columns"])) == (True, 5)
