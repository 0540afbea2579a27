"""Logging in and out, and who one is."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Form, Response, status

from services.gateway.api.client_address import ClientHost
from services.gateway.api.dependencies import ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import PUBLIC, Admin, AnyRole, BearerToken
from services.gateway.api.v2.models.auth import (
    LoginForm,
    LoginRequest,
    LoginView,
    LogoutAnswer,
    LogoutRequest,
    MeView,
    RefreshRequest,
    SessionView,
    TokensView,
    UserView,
    VerifyView,
)
from services.gateway.api.v2.models.users import UserCreate, UserRegisteredAnswer
from services.gateway.commands.sessions import end_session, log_in, refresh_session
from services.gateway.commands.users import register_user
from shared.errors import Unauthenticated

router = APIRouter(prefix="/auth", tags=["Auth"])
v2_router = APIRouter(prefix="/auth", tags=["Auth"])


async def _keep_out_of_caches(response: Response) -> None:
    """RFC 6749, section 5.1: no cache keeps an answer with a token."""
    response.headers["Cache-Control"] = "no-store"


UNCACHED = Depends(_keep_out_of_caches)


@router.post("/login", dependencies=[PUBLIC, UNCACHED], responses=error_responses(400, 401, 413, 429))
async def login(gateway: ThisGateway, host: ClientHost, body: LoginRequest) -> LoginView:
    """Log in with a user name or an e-mail address, and the password.

    Too many failures, for one login or from one address, have to wait: 429.
    """
    return LoginView.model_validate(await log_in(gateway, body.login, body.password, host))


@router.post("/login/form", dependencies=[PUBLIC, UNCACHED], responses=error_responses(400, 401, 413, 429))
async def login_form(
    gateway: ThisGateway, host: ClientHost, form: Annotated[LoginForm, Form()]
) -> SessionView:
    """Log in with a form, as OAuth2 clients do; `username` may be an e-mail address."""
    return SessionView.model_validate(await log_in(gateway, form.username, form.password, host))


@v2_router.post(
    "/refresh",
    dependencies=[PUBLIC, UNCACHED],
    responses=error_responses(400, 401, 413),
    openapi_extra={"security": [{}]},  # the header is one of two ways
)
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


@router.post(
    "/register",
    status_code=status.HTTP_201_CREATED,
    responses=error_responses(400, 401, 403, 409, 413),
)
async def register(gateway: ThisGateway, caller: Admin, body: UserCreate) -> UserRegisteredAnswer:
    """Make a new user; for administrators."""
    user = await register_user(
        gateway,
        username=body.username,
        email=body.email,
        password=body.password,
        role=body.role,
        is_active=body.is_active,
        actor=caller.actor,
    )
    return UserRegisteredAnswer(user=UserView.model_validate(user))


@v2_router.get("/me", responses=error_responses(401))
async def me(caller: AnyRole) -> MeView:
    """The caller."""
    user = UserView.model_validate(caller.user)
    return MeView(**user.model_dump(), user=user)


@router.get("/verify", responses=error_responses(401))
async def verify(caller: AnyRole) -> VerifyView:
    """Whether the access token is good, and whose it is."""
    user = caller.user
    return VerifyView(
        user_id=user.id, username=user.username, role=user.role, user=UserView.model_validate(user)
    )


@router.post("/logout", responses=error_responses(400, 401, 413))
async def logout(
    gateway: ThisGateway, caller: AnyRole, body: Annotated[LogoutRequest | None, Body()] = None
) -> LogoutAnswer:
    """Log out: with a refresh token of the session, none of the session's refresh tokens is good any more."""
    token = body.refresh_token if body is not None else None
    return LogoutAnswer(session_ended=token is not None and await end_session(gateway, token, caller.user.id))
