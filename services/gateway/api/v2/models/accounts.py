"""Accounts and their members, as they are written and shown."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field
from pydantic.config import JsonDict

from services.gateway.api.v2.fields import TaxonomyName
from services.gateway.api.v2.models.common import Input, View

_ACCOUNT_EXAMPLE: JsonDict = {
    "id": "b0a1c2d3-e4f5-4a6b-8c7d-9e0f1a2b3c4d",
    "name": "Research",
    "is_default": False,
    "member_count": 3,
    "created_at": "2026-11-21T10:30:00Z",
    "updated_at": "2026-11-21T10:30:00Z",
}
_MEMBER_EXAMPLE: JsonDict = {
    "user_id": "5a4b3c2d-1e0f-4a9b-8c7d-6e5f4a3b2c1d",
    "username": "carol",
    "role": "owner",
    "since": "2026-11-21T10:30:00Z",
}


class AccountWrite(Input):
    """An account's name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Research"}]})

    name: TaxonomyName = Field(description="Unique among all accounts.")


class MemberWrite(Input):
    """Somebody's part in an account."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "member"}]})

    role: Literal["owner", "member"] = Field(description="Owners say who belongs to the account.")


class AccountView(View):
    """An account."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ACCOUNT_EXAMPLE]})

    id: UUID
    name: str
    is_default: bool = Field(description="Everybody belongs to the default account.")
    member_count: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class AccountsAnswer(View):
    """Accounts, by name."""

    count: int
    accounts: list[AccountView]


class AccountAnswer(View):
    """One account."""

    account: AccountView


class AccountChangedAnswer(AccountAnswer):
    """One account, and what happened to it."""

    message: str


class MemberView(View):
    """Somebody who belongs to an account."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MEMBER_EXAMPLE]})

    user_id: UUID
    username: str
    role: Literal["owner", "member"]
    since: AwareDatetime


class MembersAnswer(View):
    """Who belongs to an account, by user name."""

    account_id: UUID
    count: int
    members: list[MemberView]


class MemberChangedAnswer(View):
    """A member, and what happened."""

    message: str
    member: MemberView


class MemberReference(View):
    """Whose part it was."""

    account_id: UUID
    user_id: UUID


class MemberRemovedAnswer(View):
    """Who belongs to the account no longer."""

    message: str = Field(default="Member removed", examples=["Member removed"])
    removed_member: MemberReference
