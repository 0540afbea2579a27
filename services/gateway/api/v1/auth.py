"""Sessions as v1 has them: the refresh token stands in the header, and the caller under `user`."""

from fastapi import APIRouter

from services.gateway.api.v2.models.auth import UserView
from services.gateway.api.v2.models.common import View

router = APIRouter(prefix="/auth", tags=["v1: Auth"])


class AccessTokenView(View):
    """A new access token. The refresh token goes on being good."""

    access_token: str


class CallerView(View):
    """The caller."""

    user: UserView
