"""Errors as v2 shows them: `{"error", "message", "details"?}`. One place maps a family of errors to its status."""

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from services.gateway.api.description import AllowedMethods
from shared.errors import (
    Conflict,
    Forbidden,
    JetcronError,
    NotFound,
    PreconditionFailed,
    RuleViolation,
    TooManyRequests,
    Transient,
    Unauthenticated,
)

RETRY_AFTER_SECONDS = 5
INVALID_REQUEST = RuleViolation.title
MISSING_FIELDS = "Missing required fields"
NOT_JSON = "Content-Type must be application/json"
TOO_LARGE = "Request too large"

_STATUS: tuple[tuple[type[JetcronError], HTTPStatus], ...] = (
    (RuleViolation, HTTPStatus.BAD_REQUEST),
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (PreconditionFailed, HTTPStatus.PRECONDITION_FAILED),
    (TooManyRequests, HTTPStatus.TOO_MANY_REQUESTS),
    (Transient, HTTPStatus.SERVICE_UNAVAILABLE),
)
_EXTRA_HEADERS: dict[HTTPStatus, dict[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": str(RETRY_AFTER_SECONDS)},
}
# The framework's own errors, and what they say, in our words.
_TITLES = {400: INVALID_REQUEST, 404: NotFound.title, 405: "Method not allowed", 413: TOO_LARGE}
_MESSAGES = {
    "Not Found": "There is nothing at this path",
    "Method Not Allowed": "This path does not take this method",
}
_CHOICE = re.compile(r"\([a-z]+\)")
"""Which of several models an input was taken for (`models.common.choice`): nothing that stands in the request."""
_FIELD_NAMES = {"cron_expression": "cron expression", "pic_team": "PIC team", "timezone": "time zone"}
_MEANING = {
    400: "The request does not validate, or contradicts a rule; nothing was changed.",
    401: "The token is missing, invalid, expired or revoked.",
    403: "The caller's role, or not owning the job, forbids it.",
    404: "There is no such thing.",
    409: "Somebody else's change came first.",
    412: "`If-Match` does not name the present version; nothing was changed.",
    413: "The body is too large.",
    429: "Too often; try again after `Retry-After` seconds.",
    503: "The database does not answer; try again after `Retry-After` seconds.",
}


class ErrorBody(BaseModel):
    """What every error looks like."""

    error: str = Field(description="What kind of error it is, in a few words that do not change.")
    message: str = Field(description="What went wrong, for people.")
    details: dict[str, str] | None = Field(default=None, description="What is wrong with which field.")


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of a route, for its OpenAPI page; `default` stands for those that any route may give."""
    documented: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody, "description": _MEANING[status]} for status in (*statuses, 503)
    }
    documented["default"] = {"model": ErrorBody, "description": "Any other error."}
    return documented


def error_response(
    status: int,
    error: str,
    message: str,
    details: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error in its form."""
    body: dict[str, Any] = {"error": error, "message": message}
    if details:
        body["details"] = dict(details)
    # Escaped: a field's name may hold what is no valid UTF-8.
    content = json.dumps(body, separators=(",", ":")).encode()
    return Response(content, status_code=status, media_type="application/json", headers=dict(headers or {}))


def unexpected_error_response(error: Exception, *, expose_details: bool) -> Response:
    """What nobody foresaw: the caller learns nothing of it unless this is a developer's machine."""
    message = f"{type(error).__name__}: {error}" if expose_details else "An unexpected error occurred"
    return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error", message)


def install_error_handlers(app: FastAPI) -> None:
    """Make the application answer every foreseen error in its form."""
    app.state.allowed_methods = AllowedMethods(app)
    app.add_exception_handler(JetcronError, _on_jetcron_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_jetcron_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, JetcronError):
        raise error
    for family, status in _STATUS:
        if isinstance(error, family):
            headers = dict(_EXTRA_HEADERS.get(status, {}))
            if isinstance(error, TooManyRequests):
                headers["Retry-After"] = str(error.retry_after)
            return error_response(status, error.title, error.message, error.details, headers)
    raise error


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = request.app.state.allowed_methods.of(request.url.path)
    title = _TITLES.get(error.status_code, HTTPStatus(error.status_code).phrase)
    message = _MESSAGES.get(str(error.detail), str(error.detail))
    return error_response(error.status_code, title, message, headers=headers)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    if not _is_json(request) and any(
        problem["type"] == "model_attributes_type" for problem in error.errors()
    ):
        return error_response(HTTPStatus.BAD_REQUEST, NOT_JSON, "Send JSON as Content-Type: application/json")
    problems = [(_field(problem), _reason(problem)) for problem in error.errors()]
    message = "; ".join(f"{field}: {reason}" if field else reason for field, reason in problems)
    details = {field: reason for field, reason in problems if field}
    return error_response(HTTPStatus.BAD_REQUEST, _title(error.errors()), message, details)


def _is_json(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _title(problems: Sequence[Mapping[str, Any]]) -> str:
    """The short name of what is wrong: of the first field, where it is one of a body."""
    missing = [
        problem["loc"][1] for problem in problems if problem["type"] == "missing" and len(problem["loc"]) > 1
    ]
    if missing == ["pic_team"]:
        return f"Invalid {_FIELD_NAMES['pic_team']}"
    if missing:
        return MISSING_FIELDS
    problem = problems[0]
    place = problem["loc"]
    match problem["type"]:
        case "json_invalid":
            return "Invalid JSON"
        case "model_attributes_type" | "model_type" if len(place) == 1:
            return "Invalid payload"
        case "extra_forbidden":
            return "Invalid payload"
    if title := problem.get("ctx", {}).get("title"):
        return str(title)
    if place[0] == "body" and len(place) > 1:
        return f"Invalid {_FIELD_NAMES.get(place[1], place[1])}"
    return INVALID_REQUEST


def _field(problem: Mapping[str, Any]) -> str:
    # The first part says where it stood (body, query); in malformed JSON the second one is a number of characters.
    place = problem["loc"]
    if _is_offset(place):
        return ""
    is_named_by_caller = problem["type"] == "extra_forbidden"
    *within, last = [str(part) for part in place[1:]] or [""]
    parts = [part for part in within if not _CHOICE.fullmatch(part)]
    return ".".join([*parts, last] if is_named_by_caller or not _CHOICE.fullmatch(last) else parts)


def _is_offset(place: tuple[Any, ...]) -> bool:
    return len(place) == 2 and isinstance(place[1], int)


def _reason(problem: Mapping[str, Any]) -> str:
    """Pydantic's message in our words where its own speak of Python."""
    match problem["type"]:
        case "missing" if problem["loc"] == ("body",):
            return "The request needs a JSON body"
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "is not a known field"
        case "json_invalid":
            return f"The body is not valid JSON: {problem['ctx']['error']}"
        case "model_attributes_type" if problem["loc"] == ("body",):
            return "JSON body must be an object."
        case "model_attributes_type":
            return "must be an object"
        case _:
            return str(problem["msg"]).removeprefix("Value error, ")
