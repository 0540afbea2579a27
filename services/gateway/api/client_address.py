"""Where a request came from: the other end of the connection, or whom a trusted proxy names (see `app.run`)."""

from typing import Annotated, TypeAlias

from fastapi import Depends, Request


async def _host(request: Request) -> str | None:
    return request.client.host if request.client is not None else None


ClientHost: TypeAlias = Annotated[str | None, Depends(_host)]
