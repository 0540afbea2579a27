"""Each route says who may call it, and means it."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from services.gateway.api.permissions import Allowed, Permission, Public
from services.gateway.app import build_app
from services.gateway.domain.actor import Role
from services.gateway.settings import GatewaySettings
from tests.fixtures.gateway import PASSWORD, Api, Json, job_body

BASE = "/api/v2"
CALLERS = ("admin", "user", "other", "viewer", "anonymous")
EVERYBODY = frozenset({"public"})
LOGGED_IN = frozenset(Role)
EDITORS = frozenset({Role.ADMIN, Role.USER})
# What each of `CALLERS` gets for a job of `user`. Reading is free for all who are logged in.
MATRIX = {
    "POST /auth/login": (EVERYBODY, (200, 200, 200, 200, 200)),
    "POST /auth/refresh": (EVERYBODY, (401, 401, 401, 401, 401)),  # asked with an access token, or with none
    "GET /auth/me": (LOGGED_IN, (200, 200, 200, 200, 401)),
    "GET /health": (EVERYBODY, (200, 200, 200, 200, 200)),
    "GET /notifications": (LOGGED_IN, (200, 200, 200, 200, 401)),
    "GET /jobs": (LOGGED_IN, (200, 200, 200, 200, 401)),
    "POST /jobs": (EDITORS, (201, 201, 201, 403, 401)),
    "GET /jobs/{job_id}": (LOGGED_IN, (200, 200, 200, 200, 401)),
    "PUT /jobs/{job_id}": (EDITORS, (200, 200, 403, 403, 401)),
    "DELETE /jobs/{job_id}": (EDITORS, (200, 200, 403, 403, 401)),
    "POST /jobs/{job_id}/execute": (EDITORS, (200, 200, 403, 403, 401)),
    "GET /jobs/{job_id}/executions": (LOGGED_IN, (200, 200, 200, 200, 401)),
    "GET /jobs/{job_id}/executions/{execution_id}": (LOGGED_IN, (200, 200, 200, 200, 401)),
    "GET /jobs/{job_id}/history": (LOGGED_IN, (200, 200, 200, 200, 401)),
}
# Pages without anybody's data; everything else is in the matrix.
PAGES = {f"{BASE}/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}


def routes() -> list[RouteContext]:
    """All that the application answers, whatever the environment says."""
    return list(iter_route_contexts(build_app(GatewaySettings()).routes))


def name_of(route: RouteContext) -> str:
    return f"{'|'.join(sorted(route.methods or ()))} {(route.path or '').removeprefix(BASE)}"


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
    assert declared == {name: [allowed] for name, (allowed, _) in MATRIX.items()}


def test_there_is_nothing_else_but_the_pages() -> None:
    others = {route.path for route in routes() if not isinstance(route.original_route, APIRoute)}
    assert others == PAGES


async def request(api: Api, caller: str, name: str, job: Json, execution: Json) -> tuple[int, Json]:
    """What the caller is answered, to a request that is whole."""
    method, _, path = name.partition(" ")
    bodies: dict[str, Any] = {
        "POST /auth/login": {"username": "user", "password": PASSWORD},
        "POST /jobs": job_body(),
        "PUT /jobs/{job_id}": {"metadata": {"by": caller}},
    }
    answer = await getattr(api, caller).request(
        method, path.format(job_id=job["id"], execution_id=execution["id"]), json=bodies.get(name)
    )
    return answer.status_code, answer.json()


async def test_every_caller_gets_what_the_matrix_says(api: Api) -> None:
    seen = {}
    for name, (allowed, _) in MATRIX.items():
        answers = []
        for caller in CALLERS:
            job = await api.create_job()
            answers.append(await request(api, caller, name, job, await api.insert_execution(job)))
        seen[name] = (allowed, tuple(status for status, _ in answers))
        titles = {401: "Unauthorized", 403: "Insufficient permissions"}
        refusals = [(status, body["error"]) for status, body in answers if status in titles]
        assert refusals == [(status, titles[status]) for status, _ in refusals]
    assert seen == MATRIX


async def test_who_may_not_call_a_route_does_not_learn_what_is_there(api: Api) -> None:
    there = await api.create_job()
    execution = await api.insert_execution(there)
    nowhere = {**there, "id": uuid4()}
    for name, (_, expected) in MATRIX.items():
        for caller, status in zip(CALLERS, expected, strict=True):
            hidden = status == 401 or (caller == "viewer" and status == 403)
            if "{job_id}" in name and hidden:
                answers = [await request(api, caller, name, job, execution) for job in (there, nowhere)]
                assert answers[0] == answers[1], f"{caller}: {name}"


async def test_who_may_call_a_route_is_told_that_nothing_is_there(api: Api) -> None:
    nowhere: Json = {"id": uuid4()}
    for name in MATRIX:
        if "{job_id}" in name:
            status, body = await request(api, "admin", name, nowhere, nowhere)
            assert (status, body["error"]) == (404, "Job not found"), name
