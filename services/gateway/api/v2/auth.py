"""Logging in, and who one is."""

from typing import Annotated

from fastapi import APIRouter, Body

from services.gateway.api.dependencies import ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import PUBLIC, AnyRole, BearerToken
from services.gateway.api.v2.models.auth import (
    LoginRequest,
    LoginView,
    MeView,
    RefreshRequest,
    TokensView,
    UserView,
)
from services.gateway.commands.sessions import log_in, refresh_session
from shared.errors import Unauthenticated

router = APIRouter(prefix="/auth", tags=["Auth"])
v2_router = APIRouter(prefix="/auth", tags=["Auth"])


@router.post("/login", dependencies=[PUBLIC], responses=error_responses(400, 401, 413))
async def login(gateway: ThisGateway, body: LoginRequest) -> LoginView:
    """Log in with a user name or an e-mail address, and the password."""
    session = await log_in(gateway, body.login, body.password)
    return LoginView.model_validate(session)


@v2_router.post("/refresh", dependencies=[PUBLIC], responses=error_responses(400, 401, 413))
async def refresh(
    gateway: ThisGateway, token: BearerToken, body: Annotated[RefreshRequest | None, Body()] = None
) -> TokensView:
    """Go on with a session: answers a new access token and the next refresh token.

    Each refresh token is good once. One that comes back later than ten seconds after its use ends the session.
    """
    given = body.refresh_token if body is not None else token.credentials if token is not None else None
    if given is None:
        raise Unauthenticated(
            "Send the refresh token as refresh_token, or as `Authorization: Bearer <token>`"
        )
    return TokensView.model_validate(await refresh_session(gateway, given))


@v2_router.get("/me", responses=error_responses(401))
async def me(caller: AnyRole) -> MeView:
    """The caller."""
    user = UserView.model_validate(caller.user)
    return MeView(**user.model_dump(), user=user)
