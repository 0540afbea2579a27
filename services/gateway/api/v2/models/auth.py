"""Logging in, and users."""

from typing import Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from services.gateway.api.v2.fields import OneLine
from services.gateway.api.v2.models.common import Input, View
from services.gateway.auth.passwords import MAX_LENGTH as MAX_PASSWORD_LENGTH
from services.gateway.domain.user import MAX_EMAIL_LENGTH


class LoginRequest(Input):
    """Who logs in: by user name or by e-mail address."""

    username: OneLine | None = Field(default=None, max_length=MAX_EMAIL_LENGTH, description="Or `email`.")
    email: OneLine | None = Field(default=None, max_length=MAX_EMAIL_LENGTH, description="Or `username`.")
    password: str = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH, description="The password.")

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.login:
            raise ValueError("username or email is required")
        return self

    @property
    def login(self) -> str:
        """The name or the address."""
        return self.username or self.email or ""


class RefreshRequest(Input):
    """A refresh token may also be sent as `Authorization: Bearer <token>`, without a body."""

    refresh_token: OneLine = Field(
        min_length=1, max_length=4096, description="What the login or the last refresh answered."
    )


class UserView(View):
    """A user as others may see one."""

    id: UUID
    username: str
    email: str
    role: Literal["admin", "user", "viewer"]
    is_active: bool
    created_at: AwareDatetime
    updated_at: AwareDatetime


class MeView(UserView):
    """The caller, at the top level and once more under `user`."""

    user: UserView


class TokensView(View):
    """A pair of tokens."""

    access_token: str = Field(description="To be sent as `Authorization: Bearer <token>`.")
    refresh_token: str = Field(description="Good for one refresh, which answers the next one.")


class LoginView(View):
    """A new session."""

    message: str = "Login successful"
    access_token: str
    refresh_token: str
    user: UserView
