"""What the application says of itself: its OpenAPI document, and which methods a path takes."""

import re
from collections import defaultdict
from functools import cached_property
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

V1_PREFIX, V2_PREFIX = "/api/", "/api/v2/"


class DescribedApp(FastAPI):
    """An application whose older contract has chapters of its own."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            for path, operations in document["paths"].items():
                if path.startswith(V1_PREFIX) and not path.startswith(V2_PREFIX):
                    for operation in operations.values():
                        operation["tags"] = [f"v1: {tag}" for tag in operation["tags"]]
        return self.openapi_schema or {}


class AllowedMethods:
    """Which methods each path takes: the framework names only those of the first route that has the path."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], frozenset[str]]]:
        """Made when first asked for: it makes the framework build every route, most of which wait for their first call."""
        methods: defaultdict[str, set[str]] = defaultdict(set)
        for route in iter_route_contexts(self._app.routes):
            methods[route.path or ""].update(route.methods or ())
        # Those without a parameter first: `/jobs/{job_id}` matches what `/jobs/cron-preview` means as well.
        return [
            (compile_path(path)[0], frozenset(methods[path]))
            for path in sorted(methods, key=lambda path: path.count("{"))
        ]

    def of(self, path: str) -> str:
        """The value of an `Allow` header (RFC 9110, section 10.2.1)."""
        taken = (methods for pattern, methods in self._patterns if pattern.match(path))
        return ", ".join(sorted(next(taken, ())))
