"""What lies around the routes: bodies have a limit, and an unforeseen failure has an answer."""

from http import HTTPStatus

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.api.errors import TOO_LARGE, error_response, unexpected_error_response

MAX_BODY_BYTES = 2**20

logger = structlog.get_logger()

_TOO_LARGE_MESSAGE = f"The body must have at most {MAX_BODY_BYTES} bytes"


class ErrorBoundary:
    """Logs what nobody foresaw and answers 500. Inside CORS, so that a browser may read that answer too."""

    def __init__(self, app: ASGIApp, expose_details: bool) -> None:
        self._app = app
        self._expose_details = expose_details

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def note_begin(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note_begin)
        except Exception as error:  # the last place that can turn what nobody foresaw into an answer
            logger.exception("request failed", action="request", method=scope["method"], path=scope["path"])
            if has_begun:
                raise
            answer = unexpected_error_response(error, expose_details=self._expose_details)
            await answer(scope, receive, send)


class BodyLimit:
    """Refuses large bodies: by what they say of themselves, and by what arrives."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            # The connection stays: closed on somebody who still sends, it would be reset before they read the answer.
            answer = error_response(status, TOO_LARGE, _TOO_LARGE_MESSAGE)
            await answer(scope, receive, send)
            return
        arrived = 0

        async def count() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > MAX_BODY_BYTES:
                # The framework passes this one on from where it reads bodies; of any other it would make a 400.
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE_MESSAGE)
            return message

        await self._app(scope, count, send)
