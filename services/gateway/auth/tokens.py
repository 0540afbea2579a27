"""Access and refresh tokens: HS256 JWTs (RFC 8725) that are refused unless every claim is there and right."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID, uuid4

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.gateway.settings import GatewaySettings
from shared.clock import Clock
from shared.errors import Unauthenticated
from shared.events import User

ALGORITHM = "HS256"
ISSUER = "jetcron"
AUDIENCE = "jetcron-api"
CLOCK_SKEW = timedelta(seconds=10)
"""How far the clocks of two gateways may be apart before one refuses what the other has just issued."""

# Times are compared with our own clock below; jwt checks the signature, issuer and audience.
_OPTIONS: jwt.types.Options = {
    "require": ["exp", "iat", "sub", "jti", "iss", "aud", "typ", "ver", "role"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class TokenKind(StrEnum):
    """What a token is for; one is never taken for the other."""

    ACCESS = "access"
    REFRESH = "refresh"


class InvalidToken(Unauthenticated):
    """Forged, expired, revoked, or for something else: the caller is not told which."""

    def __init__(self) -> None:
        super().__init__("The token is invalid or has expired")


class Claims(BaseModel):
    """What a token says."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    sub: Annotated[UUID, Field(strict=False)]
    jti: str
    typ: Annotated[TokenKind, Field(strict=False)]
    ver: int
    """The user's token version: a higher one in SQL revokes all tokens of before."""
    iat: int
    exp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A signed token and what is remembered of it."""

    text: str
    jti_hash: str
    issued_at: datetime
    expires_at: datetime


class Tokens:
    """Signs and reads tokens."""

    def __init__(self, settings: GatewaySettings, clock: Clock) -> None:
        self._key = settings.signing_key.get_secret_value()
        self._lifetimes = {
            TokenKind.ACCESS: settings.access_token_lifetime,
            TokenKind.REFRESH: settings.refresh_token_lifetime,
        }
        self._clock = clock

    def issue(self, kind: TokenKind, user: User) -> IssuedToken:
        """Sign a token for the user as they are now."""
        issued_at = self._clock().replace(microsecond=0)
        expires_at = issued_at + self._lifetimes[kind]
        jti = str(uuid4())
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user.id),
            "jti": jti,
            "iat": int(issued_at.timestamp()),
            "exp": int(expires_at.timestamp()),
            "typ": kind.value,
            "ver": user.token_version,
            "role": user.role,
            "email": user.email,
        }
        text = jwt.encode(payload, self._key, algorithm=ALGORITHM)
        return IssuedToken(text=text, jti_hash=fingerprint(jti), issued_at=issued_at, expires_at=expires_at)

    def read(self, kind: TokenKind, text: str) -> Claims:
        """The claims of a token that is signed, whole, of this kind and in time; raises `InvalidToken`."""
        try:
            payload = jwt.decode(
                text, self._key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=_OPTIONS
            )
            claims = Claims.model_validate(payload)
        except (jwt.InvalidTokenError, ValidationError) as error:
            raise InvalidToken from error
        now = self._clock()
        in_time = claims.iat <= (now + CLOCK_SKEW).timestamp() and now.timestamp() < claims.exp
        if claims.typ is not kind or not in_time:
            raise InvalidToken
        return claims


def fingerprint(jti: str) -> str:
    """What is kept of a refresh token: enough to know it again, too little to make it."""
    return hashlib.sha256(jti.encode()).hexdigest()
