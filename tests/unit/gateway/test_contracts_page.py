"""`docs/contracts.md` lists every route of both contracts, each with a test that exists."""

import re
from pathlib import Path

from fastapi.routing import APIRoute, iter_route_contexts

from services.gateway.app import build_app
from services.gateway.settings import GatewaySettings

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "contracts.md"
_ROW = re.compile(r"^\| `([A-Z]+ /\S+)` \|[^|]*\| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+(?:::\w+)?)`")


def rows() -> dict[str, str]:
    """Endpoint → the cell that names its tests."""
    found = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert len(found) == len(dict(found)), "an endpoint is listed twice"
    return dict(found)


def exists(file: str, name: str) -> bool:
    """Whether the file has the test (in its class, if it is in one)."""
    path = ROOT / file
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return all(
        re.search(rf"^\s*(?:async def|def|class) {part}\b", text, re.MULTILINE) for part in name.split("::")
    )


def test_it_lists_exactly_the_routes() -> None:
    routes = {
        f"{method} {route.path}"
        for route in iter_route_contexts(build_app(GatewaySettings()).routes)
        if isinstance(route.original_route, APIRoute)
        for method in route.methods or ()
    }
    assert set(rows()) == routes


def test_each_endpoint_names_a_test_that_exists() -> None:
    missing = {
        endpoint: cell
        for endpoint, cell in rows().items()
        if not (named := _TEST.findall(cell)) or not all(exists(file, name) for file, name in named)
    }
    assert missing == {}
