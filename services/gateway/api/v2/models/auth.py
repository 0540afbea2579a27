"""Logging in, and users as they are shown."""

from typing import Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.gateway.api.errors import MISSING_FIELDS
from services.gateway.api.v2.fields import OneLine
from services.gateway.api.v2.models.common import Input, View
from services.gateway.auth.passwords import MAX_LENGTH as MAX_PASSWORD_LENGTH
from services.gateway.domain.actor import RoleName
from services.gateway.domain.user import MAX_EMAIL_LENGTH

MAX_TOKEN_LENGTH = 4096

USER_EXAMPLE: dict[str, Any] = {
    "id": "550e8400-e29b-41d4-a716-446655440000",
    "username": "grace",
    "email": "grace@example.com",
    "role": "user",
    "is_active": True,
    "created_at": "2026-11-21T10:30:00Z",
    "updated_at": "2026-11-21T10:30:00Z",
}
_TOKENS_EXAMPLE: dict[str, Any] = {
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXAiOiJhY2Nlc3MifQ.c2ln",
    "refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0eXAiOiJyZWZyZXNoIn0.c2ln",
    "token_type": "bearer",
    "expires_in": 3600,
}


def example(body: dict[str, Any]) -> ConfigDict:
    """A model's configuration that shows one body in the description of the API."""
    return ConfigDict(json_schema_extra={"examples": [body]})


class LoginRequest(Input):
    """Who logs in: by user name or by e-mail address."""

    model_config = example({"username": "grace", "password": "correct horse"})

    username: OneLine | None = Field(
        default=None, max_length=MAX_EMAIL_LENGTH, description="A user name or an e-mail address."
    )
    email: OneLine | None = Field(default=None, max_length=MAX_EMAIL_LENGTH, description="Or `username`.")
    password: str = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH, description="The password.")

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.login:
            raise PydanticCustomError("nobody", "username or email is required", {"title": MISSING_FIELDS})
        return self

    @property
    def login(self) -> str:
        """The name or the address."""
        return self.username or self.email or ""


class LoginForm(BaseModel):
    """The form of OAuth2's password grant (RFC 6749, section 4.3.2); what it does not know is passed over, as it says."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        **example({"grant_type": "password", "username": "grace", "password": "correct horse"}),
    )

    grant_type: Literal["password"] | None = None
    username: OneLine = Field(
        min_length=1, max_length=MAX_EMAIL_LENGTH, description="A user name or an e-mail address."
    )
    password: str = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH, description="The password.")


class RefreshRequest(Input):
    """A refresh token may also be sent as `Authorization: Bearer <token>`, without a body."""

    model_config = example({"refresh_token": _TOKENS_EXAMPLE["refresh_token"]})

    refresh_token: OneLine = Field(
        min_length=1,
        max_length=MAX_TOKEN_LENGTH,
        description="What the login or the last refresh answered.",
    )


class LogoutRequest(Input):
    """Which session ends."""

    model_config = example({"refresh_token": _TOKENS_EXAMPLE["refresh_token"]})

    refresh_token: OneLine | None = Field(
        default=None, max_length=MAX_TOKEN_LENGTH, description="One of the session's refresh tokens."
    )


class UserView(View):
    """A user as others may see one."""

    model_config = example(USER_EXAMPLE)

    id: UUID
    username: str
    email: str
    role: RoleName
    is_active: bool
    created_at: AwareDatetime
    updated_at: AwareDatetime


class MeView(UserView):
    """The caller, at the top level and once more under `user`."""

    model_config = example({**USER_EXAMPLE, "user": USER_EXAMPLE})

    user: UserView


class TokensView(View):
    """A pair of tokens."""

    model_config = example(_TOKENS_EXAMPLE)

    access_token: str = Field(description="To be sent as `Authorization: Bearer <token>`.")
    refresh_token: str = Field(description="Good for one refresh, which answers the next one.")
    token_type: Literal["bearer"] = Field(default="bearer", description="How the token is sent.")
    expires_in: int = Field(description="Seconds until the access token expires.")


class SessionView(TokensView):
    """A new session, as OAuth2 clients read it."""

    model_config = example({**_TOKENS_EXAMPLE, "user": USER_EXAMPLE})

    user: UserView


class LoginView(SessionView):
    """A new session."""

    model_config = example({"message": "Login successful", **_TOKENS_EXAMPLE, "user": USER_EXAMPLE})

    message: str = "Login successful"


class LogoutAnswer(View):
    """The client should throw its tokens away: an access token is good until it expires."""

    model_config = example({"message": "Logout successful", "session_ended": True})

    message: str = "Logout successful"
    session_ended: bool = Field(
        description="Whether the refresh tokens of a session of the caller's were revoked."
    )


class VerifyView(View):
    """Whose token it is."""

    model_config = example(
        {
            "valid": True,
            "message": "Token is valid",
            "user_id": USER_EXAMPLE["id"],
            "username": USER_EXAMPLE["username"],
            "role": USER_EXAMPLE["role"],
            "user": USER_EXAMPLE,
        }
    )

    valid: Literal[True] = True
    message: str = "Token is valid"
    user_id: UUID
    username: str
    role: RoleName
    user: UserView
