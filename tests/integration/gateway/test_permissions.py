"""Each route says who may call it, and means it."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any
from uuid import uuid4

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from services.gateway.api.permissions import Allowed, Permission, Public
from services.gateway.app import build_app
from services.gateway.domain.actor import Role
from services.gateway.settings import GatewaySettings
from tests.fixtures.gateway import PASSWORD, Api, Json, job_body

V2, V1, ROOT = "/api/v2", "/api", ""
CALLERS = ("admin", "user", "other", "viewer", "anonymous")
EVERYBODY = frozenset({"public"})
LOGGED_IN = frozenset(Role)
EDITORS = frozenset({Role.ADMIN, Role.USER})
ADMINS = frozenset({Role.ADMIN})
ALL, ANY = (200, 200, 200, 200, 200), (200, 200, 200, 200, 401)
OWN = (200, 200, 403, 403, 401)
ADMIN_ONLY = (200, 403, 403, 403, 401)
ADMIN_CREATES = (201, 403, 403, 403, 401)
MEMBERS = (200, 200, 404, 404, 401)
# What each of `CALLERS` gets, where things are `user`'s. Reading is free for all who are logged in.
MATRIX = {
    "POST /auth/login": (EVERYBODY, ALL),
    "POST /auth/login/form": (EVERYBODY, ALL),
    "POST /auth/refresh": (EVERYBODY, (401, 401, 401, 401, 401)),  # asked with an access token, or with none
    "POST /auth/register": (ADMINS, ADMIN_CREATES),
    "POST /auth/logout": (LOGGED_IN, ANY),
    "GET /auth/me": (LOGGED_IN, ANY),
    "GET /auth/verify": (LOGGED_IN, ANY),
    "GET /auth/users": (ADMINS, ADMIN_ONLY),
    "GET /auth/users/{user_id}": (LOGGED_IN, OWN),
    "PUT /auth/users/{user_id}": (LOGGED_IN, OWN),
    "DELETE /auth/users/{user_id}": (ADMINS, ADMIN_ONLY),
    "GET /auth/users/{user_id}/preferences": (LOGGED_IN, OWN),
    "PUT /auth/users/{user_id}/preferences": (LOGGED_IN, OWN),
    "GET /auth/users/{user_id}/ui-preferences": (LOGGED_IN, OWN),
    "PUT /auth/users/{user_id}/ui-preferences": (LOGGED_IN, OWN),
    "GET /health": (EVERYBODY, ALL),
    "GET /notifications": (LOGGED_IN, ANY),
    "GET /notifications/unread-count": (LOGGED_IN, ANY),
    "PUT /notifications/read-all": (LOGGED_IN, ANY),
    "PUT /notifications/{notification_id}/read": (LOGGED_IN, (403, 200, 403, 403, 401)),
    "DELETE /notifications/delete-read": (LOGGED_IN, ANY),
    "DELETE /notifications/{notification_id}": (LOGGED_IN, (403, 200, 403, 403, 401)),
    "GET /jobs": (LOGGED_IN, ANY),
    "POST /jobs": (EDITORS, (201, 201, 201, 403, 401)),
    "POST /jobs/bulk-upload": (EDITORS, (200, 200, 200, 403, 401)),
    "POST /jobs/validate-cron": (LOGGED_IN, ANY),
    "POST /jobs/cron-preview": (LOGGED_IN, ANY),
    "POST /jobs/test-run": (EDITORS, (503, 503, 503, 403, 401)),  # there is no bus here
    "GET /jobs/{job_id}": (LOGGED_IN, ANY),
    "PUT /jobs/{job_id}": (EDITORS, OWN),
    "DELETE /jobs/{job_id}": (EDITORS, OWN),
    "POST /jobs/{job_id}/pause": (EDITORS, OWN),
    "POST /jobs/{job_id}/resume": (EDITORS, OWN),
    "POST /jobs/{job_id}/backfill": (EDITORS, OWN),
    "DELETE /jobs/{job_id}/backfill/{backfill_id}": (EDITORS, OWN),
    "POST /jobs/{job_id}/execute": (EDITORS, OWN),
    "POST /jobs/{job_id}/restore": (EDITORS, OWN),
    "GET /jobs/{job_id}/history": (LOGGED_IN, ANY),
    "GET /jobs/{job_id}/ledger": (LOGGED_IN, ANY),
    "GET /jobs/{job_id}/executions": (LOGGED_IN, ANY),
    "GET /jobs/{job_id}/executions/stats": (LOGGED_IN, ANY),
    "GET /jobs/{job_id}/executions/{execution_id}": (LOGGED_IN, ANY),
    "GET /executions": (LOGGED_IN, ANY),
    "GET /executions/statistics": (LOGGED_IN, ANY),
    "GET /executions/{execution_id}": (LOGGED_IN, ANY),
    "POST /schedules/preview": (LOGGED_IN, ANY),
    "GET /calendar": (LOGGED_IN, ANY),
    "GET /calendars": (LOGGED_IN, ANY),
    "POST /calendars": (ADMINS, ADMIN_CREATES),
    "GET /calendars/{calendar_id}": (LOGGED_IN, ANY),
    "PUT /calendars/{calendar_id}": (ADMINS, ADMIN_ONLY),
    "DELETE /calendars/{calendar_id}": (ADMINS, ADMIN_ONLY),
    "GET /calendars/{calendar_id}/history": (LOGGED_IN, ANY),
    "GET /scheduler/status": (LOGGED_IN, ANY),
    "GET /job-categories": (LOGGED_IN, ANY),
    "POST /job-categories": (ADMINS, ADMIN_CREATES),
    "PUT /job-categories/{category_id}": (ADMINS, ADMIN_ONLY),
    "DELETE /job-categories/{category_id}": (ADMINS, ADMIN_ONLY),
    "GET /pic-teams": (LOGGED_IN, ANY),
    "POST /pic-teams": (ADMINS, ADMIN_CREATES),
    "PUT /pic-teams/{team_id}": (ADMINS, ADMIN_ONLY),
    "DELETE /pic-teams/{team_id}": (ADMINS, ADMIN_ONLY),
    "GET /settings/slack": (ADMINS, ADMIN_ONLY),
    "PUT /settings/slack": (ADMINS, ADMIN_ONLY),
    "GET /accounts": (LOGGED_IN, ANY),
    "POST /accounts": (ADMINS, ADMIN_CREATES),
    "GET /accounts/{account_id}": (LOGGED_IN, MEMBERS),
    "PUT /accounts/{account_id}": (ADMINS, ADMIN_ONLY),
    "GET /accounts/{account_id}/members": (LOGGED_IN, MEMBERS),
    "PUT /accounts/{account_id}/members/{user_id}": (EDITORS, (200, 200, 404, 403, 401)),
    "DELETE /accounts/{account_id}/members/{user_id}": (EDITORS, (200, 200, 404, 403, 401)),
}
OUTSIDE = {"GET /metrics": (ADMINS, ADMIN_ONLY)}
"""Of neither contract."""
_ONLY_V2_HAS = re.compile(r"/(accounts|calendars?|schedules|scheduler|pause|resume|backfill|ledger)(/|$)")
ROUTES = [
    *((V2, name) for name in MATRIX),
    *((V1, name) for name in MATRIX if not _ONLY_V2_HAS.search(name)),
    *((ROOT, name) for name in OUTSIDE),
]
EXPECTED = MATRIX | OUTSIDE
BODIES: dict[str, Json] = {
    "POST /auth/login": {"username": "user", "password": PASSWORD},
    "PUT /auth/users/{user_id}": {"email": "new@example.com"},
    "PUT /auth/users/{user_id}/preferences": {"daily_digest": True},
    "PUT /auth/users/{user_id}/ui-preferences": {"jobs_table_columns": {"pic_team": False}},
    "PUT /jobs/{job_id}": {"metadata": {"changed": True}},
    "POST /jobs/{job_id}/backfill": {"from": "2026-11-20", "to": "2026-11-20"},
    "POST /schedules/preview": {"cron_expression": "0 2 * * *"},
    "POST /jobs/validate-cron": {"cron_expression": "0 2 * * *"},
    "POST /jobs/cron-preview": {"cron_expression": "0 2 * * *"},
    "POST /jobs/test-run": {"target_url": "https://example.com/hook"},
    "PUT /settings/slack": {"channel": "#jobs"},
    "PUT /accounts/{account_id}/members/{user_id}": {"role": "owner"},
}
NAMED = (
    *("POST /job-categories", "PUT /job-categories", "PUT /pic-teams"),
    *("POST /accounts", "PUT /accounts", "POST /calendars", "PUT /calendars"),
)
"""What takes a name, and else nothing."""
# Pages without anybody's data; everything else is in the matrix.
PAGES = {f"{V2}/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}


def routes() -> list[RouteContext]:
    """All that the application answers, whatever the environment says."""
    return list(iter_route_contexts(build_app(GatewaySettings()).routes))


def name_of(route: RouteContext) -> tuple[str, str]:
    path = route.path or ""
    base = next(base for base in (V2, V1, ROOT) if path.startswith(f"{base}/"))
    return base, f"{'|'.join(sorted(route.methods or ()))} {path.removeprefix(base)}"


def permissions_of(dependant: Dependant) -> Iterator[Permission]:
    """What a route declares, however deep."""
    call: object = dependant.call
    if isinstance(call, Permission):
        yield call
    for dependency in dependant.dependencies:
        yield from permissions_of(dependency)


def allowed_by(permission: Permission) -> frozenset[str]:
    if isinstance(permission, Allowed):
        return frozenset(permission.roles)
    assert isinstance(permission, Public), f"a permission that this test does not know: {permission}"
    return EVERYBODY


def test_each_route_declares_one_permission_and_it_is_the_one_in_the_matrix() -> None:
    declared = {
        name_of(route): [allowed_by(permission) for permission in permissions_of(route.dependant)]
        for route in routes()
        if isinstance(route.original_route, APIRoute)
    }
    assert declared == {(base, name): [EXPECTED[name][0]] for base, name in ROUTES}


def test_there_is_nothing_else_but_the_pages() -> None:
    others = {route.path for route in routes() if not isinstance(route.original_route, APIRoute)}
    assert others == PAGES


@dataclass(frozen=True, slots=True)
class Things:
    """One of everything that a path can name, `user`'s where it is somebody's."""

    job_id: str
    execution_id: str
    notification_id: str
    category_id: str
    team_id: str
    account_id: str
    calendar_id: str
    backfill_id: str
    user_id: str


async def make_things(api: Api) -> Things:
    job = await api.create_job()
    owner = str(api.people["user"].id)
    account = (await api.admin.post("/accounts", json={"name": unique()})).json()["account"]["id"]
    assert (await api.admin.put(f"/accounts/{account}/members/{owner}", json={"role": "owner"})).is_success
    category = await api.admin.post("/job-categories", json={"name": unique()})
    calendar = await api.admin.post("/calendars", json={"name": unique()})
    everything = {**BODIES["POST /jobs/{job_id}/backfill"], "only_missed": False}
    backfill = await api.user.post(f"/jobs/{job['id']}/backfill", json=everything)
    return Things(
        job_id=job["id"],
        execution_id=str((await api.insert_execution(job))["id"]),
        notification_id=str((await api.insert_notification("user"))["id"]),
        category_id=category.json()["category"]["id"],
        team_id=(await api.create_team(unique()))["id"],
        account_id=account,
        calendar_id=calendar.json()["calendar"]["id"],
        backfill_id=backfill.json()["backfill_id"],
        user_id=owner,
    )


def unique() -> str:
    return f"thing {uuid4().hex[:12]}"


async def request(api: Api, caller: str, base: str, name: str, things: Any) -> tuple[int, Json]:
    """What the caller is answered, to a request that is whole."""
    method, _, path = name.partition(" ")
    url = f"{api.app.state.origin}{base}{path.format(**asdict(things))}"
    answer = await getattr(api, caller).request(method, url, **content_of(name))
    is_json = answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json() if is_json else {}


def content_of(name: str) -> dict[str, Any]:
    """What is sent along."""
    match name:
        case "POST /auth/login/form":
            return {"data": {"username": "user", "password": PASSWORD}}
        case "POST /auth/register":
            login = f"u_{uuid4().hex[:12]}"
            return {"json": {"username": login, "email": f"{login}@example.com", "password": PASSWORD}}
        case "POST /jobs":
            return {"json": job_body()}
        case "POST /jobs/bulk-upload":
            line = f"{unique()},0 2 * * *,ops,2026-12-31,https://example.com/hook"
            return {"files": {"file": ("jobs.csv", f"name,cron,pic_team,end_date,target_url\n{line}\n")}}
        case "POST /pic-teams":
            return {"json": {"name": unique(), "slack_handle": "@team"}}
        case _ if name in BODIES:
            return {"json": BODIES[name]}
        case _ if name.startswith(NAMED):
            return {"json": {"name": unique()}}
        case _:
            return {}


async def prepared(api: Api, name: str, lasting: Things) -> Things:
    """Things that the request can be about: new ones, where it takes something away or brings it back."""
    if not name.startswith("DELETE") and not name.endswith("/restore"):
        return lasting
    things = await make_things(api)
    if name.endswith("/restore"):
        assert (await api.user.delete(f"/jobs/{things.job_id}")).is_success
    if name == "DELETE /auth/users/{user_id}":
        registered = await api.admin.post("/auth/register", **content_of("POST /auth/register"))
        return replace(things, user_id=registered.json()["user"]["id"])
    return things


@pytest.mark.timeout(400)
@pytest.mark.parametrize("base", [V2, V1, ROOT])
async def test_every_caller_gets_what_the_matrix_says(api: Api, base: str) -> None:
    seen = {}
    lasting = await make_things(api)
    for name in [name for a_base, name in ROUTES if a_base == base]:
        answers = [
            await request(api, caller, base, name, await prepared(api, name, lasting)) for caller in CALLERS
        ]
        seen[name] = tuple(status for status, _ in answers)
        assert all(body.keys() >= {"error", "message"} for status, body in answers if status >= 400), name
    assert seen == {name: EXPECTED[name][1] for name in seen}


@pytest.mark.timeout(400)
async def test_who_may_not_call_a_route_does_not_learn_what_is_there(api: Api) -> None:
    there = await make_things(api)
    nowhere = Things(*(str(uuid4()) for _ in fields(Things)))
    for base, name in ROUTES:
        allowed, expected = EXPECTED[name]
        for caller, status in zip(CALLERS, expected, strict=True):
            role_forbids = caller != "anonymous" and Role(api.people[caller].role) not in allowed
            if "{" in name and (status == 401 or role_forbids):
                answers = [await request(api, caller, base, name, things) for things in (there, nowhere)]
                assert answers[0] == answers[1], f"{caller}: {base} {name}"


@pytest.mark.parametrize("base", [V2, V1])
async def test_who_may_call_a_route_is_told_that_nothing_is_there(api: Api, base: str) -> None:
    nowhere = Things(*(str(uuid4()) for _ in fields(Things)))
    not_found = {
        name: (await request(api, "admin", base, name, nowhere))[0]
        for a_base, name in ROUTES
        if a_base == base and "{" in name
    }
    assert set(not_found.values()) == {404}, not_found
