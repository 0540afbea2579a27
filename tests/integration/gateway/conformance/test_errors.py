"""Both contracts: every error has one shape, none is a 422, and pages of other origins may ask as documented."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.gateway import Api, Json, client_of, running_app
from tests.integration.gateway.conformance.documented import ERROR, V1, V2, differences, refused
from tests.integration.gateway.conformance.shapes import faults

ORIGIN = "http://localhost:3000"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "Authorization, Content-Type",
}
# What is sent in place of a JSON object, and what each is called.
NO_OBJECTS: list[tuple[Json, str]] = [
    ({"json": []}, "Invalid payload"),
    ({"json": "text"}, "Invalid payload"),
    ({"json": 5}, "Invalid payload"),
    ({"content": b"{", "headers": {"Content-Type": "application/json"}}, "Invalid JSON"),
    ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, "Content-Type must be application/json"),
    ({"data": {"name": "x"}}, "Content-Type must be application/json"),
]


def json_operations(api: Api) -> Iterator[tuple[str, str]]:
    """Method and path of everything that takes a JSON body, with ids that nothing has."""
    for path, operations in api.app.openapi()["paths"].items():
        for method, operation in operations.items():
            if "application/json" in operation.get("requestBody", {}).get("content", {}):
                yield (
                    method.upper(),
                    "/".join(str(uuid4()) if "{" in part else part for part in path.split("/")),
                )


async def test_a_body_that_is_no_json_object_is_told_apart_everywhere(api: Api) -> None:
    wrong = []
    operations = list(json_operations(api))
    assert len(operations) > 30
    for method, path in operations:
        for sent, error in NO_OBJECTS:
            answer = await api.admin.request(method, f"{api.app.state.origin}{path}", **sent)
            if (answer.status_code, answer.json().get("error")) != (400, error) or faults(
                ERROR, answer.json()
            ):
                wrong.append(f"{method} {path} {sent}: {answer.status_code} {answer.text}")
    assert wrong == []


@pytest.mark.parametrize("base", [V2, V1])
async def test_what_is_not_there_or_not_taken_is_an_error_of_the_same_shape(api: Api, base: str) -> None:
    cases = [
        refused("GET /nothing-here", 404),
        refused("GET /jobs/no-id", 404, "Job not found"),
        refused("GET /executions/no-id", 404, "Execution not found"),
        refused("PATCH /jobs", 405),
        refused("PUT /health", 405),
        *(refused(f"GET /executions?{query}", 400) for query in ("page=zero", "limit=-1", "job_id=5")),
        refused("GET /notifications?per_page=many", 400),
        refused("GET /auth/me", 401, sent={"headers": {"Authorization": "Basic dTpw"}}),
    ]
    assert await differences(api, base, cases) == []


async def preflight(api: Api, origins: str) -> dict[str, Any]:
    settings = api.gateway.settings.model_copy(update={"cors_origins": origins})
    async with running_app(settings, api.clock) as app, client_of(app) as client:
        answer = await client.options("/jobs", headers=PREFLIGHT)
        # Ask for real, too: a browser looks at that answer's headers as well.
        simple = await client.get("/health", headers={"Origin": ORIGIN, "Cookie": "session=1"})
    assert (answer.status_code, simple.status_code) == (200, 200)
    names = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")
    assert [simple.headers.get(name) for name in names] == [answer.headers.get(name) for name in names]
    return dict(answer.headers)


async def test_a_preflight_is_answered_as_documented(api: Api) -> None:
    headers = await preflight(api, f"https://app.example.com,{ORIGIN}")
    assert headers["access-control-allow-origin"] == ORIGIN
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["access-control-max-age"] == "3600"
    methods = {method.strip() for method in headers["access-control-allow-methods"].split(",")}
    assert methods == {"GET", "POST", "PUT", "DELETE", "OPTIONS"}
    allowed = {name.strip().lower() for name in headers["access-control-allow-headers"].split(",")}
    assert allowed >= {"content-type", "authorization"}


async def test_every_origin_may_ask_by_default_but_without_credentials(api: Api) -> None:
    headers = await preflight(api, "*")
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers
