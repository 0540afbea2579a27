"""Who may call a route. Each route declares it, and a test walks all routes and fails on one that does not."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, OAuth2PasswordBearer

from services.gateway.api.dependencies import gateway_of
from services.gateway.auth.tokens import InvalidToken, TokenKind
from services.gateway.domain.actor import INSUFFICIENT, Actor, Role
from shared.errors import Forbidden, Unauthenticated
from shared.events import User

bearer = HTTPBearer(
    auto_error=False, bearerFormat="JWT", description="The access token that a login answers."
)
# The same token, as the "Authorize" button of the API's page gets one: with a user name and a password.
password_flow = OAuth2PasswordBearer(
    tokenUrl="/api/v2/auth/login/form",
    auto_error=False,
    description="Logs in and sends the access token from then on.",
)
BearerToken: TypeAlias = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


@dataclass(frozen=True, slots=True)
class Caller:
    """The user who sent the request."""

    user: User

    @property
    def actor(self) -> Actor:
        """The caller as the rules see them."""
        return Actor(self.user.id, Role(self.user.role))


class Permission:
    """What a route declares."""


class Allowed(Permission):
    """Only logged-in users with one of these roles."""

    def __init__(self, *roles: Role) -> None:
        self.roles = frozenset(roles)

    async def __call__(
        self, request: Request, token: BearerToken, _same: Annotated[str | None, Depends(password_flow)]
    ) -> Caller:
        """The caller; raises `Unauthenticated` or `Forbidden`."""
        if token is None:
            raise Unauthenticated("Send an access token in the header `Authorization: Bearer <token>`")
        gateway = gateway_of(request)
        claims = gateway.tokens.read(TokenKind.ACCESS, token.credentials)
        user = await gateway.known_users.get(claims.sub, claims.ver)
        if user is None:
            raise InvalidToken
        # The role counts as it is now, not as it was when the token was signed.
        if Role(user.role) not in self.roles:
            raise Forbidden("Your role does not allow this", title=INSUFFICIENT)
        return Caller(user)


class Public(Permission):
    """Everybody, logged in or not."""

    async def __call__(self) -> None:
        """Nothing to check."""


PUBLIC = Depends(Public())
AnyRole: TypeAlias = Annotated[Caller, Depends(Allowed(*Role))]
Editor: TypeAlias = Annotated[Caller, Depends(Allowed(Role.ADMIN, Role.USER))]
Admin: TypeAlias = Annotated[Caller, Depends(Allowed(Role.ADMIN))]
