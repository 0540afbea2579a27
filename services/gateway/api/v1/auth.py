"""Sessions as v1 has them: the refresh token stands in the header, and the caller under `user`."""

from fastapi import APIRouter

from services.gateway.api.dependencies import ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import PUBLIC, AnyRole, BearerToken
from services.gateway.api.v2.auth import UNCACHED
from services.gateway.api.v2.models.auth import USER_EXAMPLE, UserView, example
from services.gateway.api.v2.models.common import View
from services.gateway.commands.sessions import renew_access
from shared.errors import Unauthenticated

router = APIRouter(prefix="/auth", tags=["Auth"])


class AccessTokenView(View):
    """A new access token. The refresh token goes on being good."""

    model_config = example(
        {"access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXAiOiJhY2Nlc3MifQ.c2ln"}
    )

    access_token: str


class CallerView(View):
    """The caller."""

    model_config = example({"user": USER_EXAMPLE})

    user: UserView


@router.post("/refresh", dependencies=[PUBLIC, UNCACHED], responses=error_responses(401))
async def refresh(gateway: ThisGateway, token: BearerToken) -> AccessTokenView:
    """A new access token for the refresh token in the header, which stays good."""
    if token is None:
        raise Unauthenticated("Send the refresh token as `Authorization: Bearer <token>`")
    return AccessTokenView(access_token=await renew_access(gateway, token.credentials))


@router.get("/me", responses=error_responses(401))
async def me(caller: AnyRole) -> CallerView:
    """The caller."""
    return CallerView(user=UserView.model_validate(caller.user))
