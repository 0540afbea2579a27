"""The description of the API is the API."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from services.gateway.api.permissions import Allowed
from services.gateway.app import build_app
from services.gateway.domain.actor import Role
from services.gateway.settings import GatewaySettings
from tests.fixtures.gateway import Api, Json, body_of

ERROR_SCHEMA = {"$ref": "#/components/schemas/ErrorBody"}
KNOWN_ERRORS = {"400", "401", "403", "404", "409", "412", "413", "429", "503", "default"}
NEVER_FAILS = {"GET /api/v2/health", "GET /api/health"}


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """Not started: what it can do is written down before."""
    return build_app(GatewaySettings())


@pytest.fixture(scope="module")
def description(app: FastAPI) -> Json:
    return app.openapi()


def operations(description: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def routes(app: FastAPI) -> dict[str, Any]:
    return {
        f"{method} {route.path}": route
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute)
        for method in route.methods or ()
    }


def roles_of(route: Any) -> frozenset[Role]:
    """Who may call the route; empty: everybody."""
    dependants = [route.dependant]
    for dependant in dependants:
        if isinstance(dependant.call, Allowed):
            return dependant.call.roles
        dependants += dependant.dependencies
    return frozenset()


def expected_errors(name: str, route: Any) -> set[str]:
    """The statuses that follow from what a route is and takes."""
    path = name.partition(" ")[2]
    roles = roles_of(route)
    statuses = {"default"} if name in NEVER_FAILS else {"default", "503"}
    if roles or "/auth/" in path:
        statuses.add("401")
    if roles and roles != frozenset(Role):
        statuses.add("403")
    if "{" in path:
        statuses.add("404")
    if route.body_field is not None:
        statuses |= {"400", "413"}
    if any(parameter["in"] == "query" for parameter in route_parameters(route)):
        statuses.add("400")
    return statuses


def route_parameters(route: Any) -> Iterator[Json]:
    dependants = [route.dependant]
    for dependant in dependants:
        yield from ({"in": "query", "name": field.alias} for field in dependant.query_params)
        dependants += dependant.dependencies


def test_it_lists_exactly_the_routes(app: FastAPI, description: Json) -> None:
    assert {name for name, _ in operations(description)} == set(routes(app))


def test_every_route_is_summarised_explained_and_tagged(description: Json) -> None:
    silent = [
        name
        for name, operation in operations(description)
        if not (operation.get("summary") and operation.get("description") and operation.get("tags"))
    ]
    assert silent == []


def test_every_parameter_and_every_field_of_a_body_is_explained_or_speaks_for_itself(
    description: Json,
) -> None:
    silent = [
        (name, parameter["name"])
        for name, operation in operations(description)
        for parameter in operation.get("parameters", [])
        if "description" not in parameter and "description" not in parameter["schema"]
    ]
    assert silent == []


def test_every_error_that_a_route_may_answer_is_documented_with_the_errors_schema(
    app: FastAPI, description: Json
) -> None:
    documented = {}
    for name, operation in operations(description):
        errors = {status: answer for status, answer in operation["responses"].items() if status[0] != "2"}
        documented[name] = set(errors)
        assert errors.keys() <= KNOWN_ERRORS, name
        assert {str(answer["content"]["application/json"]["schema"]) for answer in errors.values()} <= {
            str(ERROR_SCHEMA)
        }, name
    missing = {name: expected_errors(name, route) - documented[name] for name, route in routes(app).items()}
    assert {name: statuses for name, statuses in missing.items() if statuses} == {}


def contents(operation: Json) -> Iterator[tuple[str, Json]]:
    """The request's body and the good answers, as far as they have content."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"request {media_type}", content
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            for media_type, content in answer.get("content", {}).items():
                yield f"{status} {media_type}", content


def has_example(description: Json, part: Any) -> bool:
    """Whether it shows what it looks like, itself or through what it is made of."""
    if isinstance(part, list):
        return any(has_example(description, one) for one in part)
    if not isinstance(part, dict):
        return False
    if "example" in part or "examples" in part:
        return True
    if "$ref" in part:
        return has_example(description, description["components"]["schemas"][part["$ref"].rpartition("/")[2]])
    inner = [part.get(name) for name in ("schema", "items", "anyOf", "oneOf", "allOf")]
    return has_example(description, [*inner, *part.get("properties", {}).values()])


def test_every_body_and_every_answer_has_an_example(description: Json) -> None:
    without = [
        f"{name}: {what}"
        for name, operation in operations(description)
        for what, content in contents(operation)
        if not has_example(description, content)
    ]
    assert without == []


def test_the_errors_schema_is_the_documented_one(description: Json) -> None:
    schema = description["components"]["schemas"]["ErrorBody"]
    assert (set(schema["properties"]), schema["required"]) == (
        {"error", "message", "details"},
        ["error", "message"],
    )


def test_nothing_speaks_of_422(description: Json) -> None:
    assert "HTTPValidationError" not in description["components"]["schemas"]
    assert not [name for name, operation in operations(description) if "422" in operation["responses"]]


def test_it_says_which_routes_need_a_token(app: FastAPI, description: Json) -> None:
    protected = {
        name
        for name, operation in operations(description)
        if (ways := operation.get("security")) and {} not in ways
    }
    expected = {name for name, route in routes(app).items() if roles_of(route)}
    assert protected == {*expected, "POST /api/auth/refresh"}
    assert description["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


async def test_it_is_served_where_the_pages_look_for_it(api: Api) -> None:
    assert await body_of(api.anonymous, "/openapi.json") == api.app.openapi()
    for page in ("/docs", "/redoc"):
        answer = await api.anonymous.get(f"{api.app.state.origin}{page}")
        assert (answer.status_code, "/api/v2/openapi.json" in answer.text) == (200, True)
