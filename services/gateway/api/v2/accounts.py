"""Whose jobs they are, where several parties share an installation."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Path, status

from services.gateway.api.dependencies import ThisGateway, parse_id
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import Admin, AnyRole, Editor
from services.gateway.api.v2.models.accounts import (
    AccountAnswer,
    AccountChangedAnswer,
    AccountsAnswer,
    AccountView,
    AccountWrite,
    MemberChangedAnswer,
    MemberReference,
    MemberRemovedAnswer,
    MembersAnswer,
    MemberView,
    MemberWrite,
)
from services.gateway.commands import accounts as commands
from services.gateway.queries import accounts as queries

v2_router = APIRouter(prefix="/accounts", tags=["Accounts"])


def _account_id(account_id: Annotated[str, Path(description="The account's id.")]) -> UUID:
    return parse_id(account_id, "Account")


def _user_id(user_id: Annotated[str, Path(description="The user's id.")]) -> UUID:
    return parse_id(user_id, "User")


AccountId: TypeAlias = Annotated[UUID, Depends(_account_id)]
UserId: TypeAlias = Annotated[UUID, Depends(_user_id)]


@v2_router.get("", responses=error_responses(401))
async def list_accounts(gateway: ThisGateway, caller: AnyRole) -> AccountsAnswer:
    """The caller's accounts and the default one, by name; administrators see all."""
    rows = await queries.list_accounts(gateway.database, caller.actor)
    return AccountsAnswer(count=len(rows), accounts=[AccountView.model_validate(row) for row in rows])


@v2_router.post("", status_code=status.HTTP_201_CREATED, responses=error_responses(400, 401, 403, 409, 413))
async def create_account(gateway: ThisGateway, caller: Admin, body: AccountWrite) -> AccountChangedAnswer:
    """Create an account; it has no members yet."""
    account = await commands.create_account(gateway, body.name, caller.actor)
    row = await queries.get_account(gateway.database, account.id, caller.actor)
    return AccountChangedAnswer(message="Account created", account=AccountView.model_validate(row))


@v2_router.get("/{account_id}", responses=error_responses(401, 404))
async def get_account(gateway: ThisGateway, caller: AnyRole, account_id: AccountId) -> AccountAnswer:
    """One account."""
    row = await queries.get_account(gateway.database, account_id, caller.actor)
    return AccountAnswer(account=AccountView.model_validate(row))


@v2_router.put("/{account_id}", responses=error_responses(400, 401, 403, 404, 409, 413))
async def rename_account(
    gateway: ThisGateway, caller: Admin, account_id: AccountId, body: AccountWrite
) -> AccountChangedAnswer:
    """Give an account another name."""
    await commands.rename_account(gateway, account_id, body.name, caller.actor)
    row = await queries.get_account(gateway.database, account_id, caller.actor)
    return AccountChangedAnswer(message="Account updated", account=AccountView.model_validate(row))


@v2_router.get("/{account_id}/members", responses=error_responses(401, 404))
async def list_members(gateway: ThisGateway, caller: AnyRole, account_id: AccountId) -> MembersAnswer:
    """Who belongs to an account, by user name; everybody belongs to the default one."""
    rows = await queries.list_members(gateway.database, account_id, caller.actor)
    members = [MemberView.model_validate(row) for row in rows]
    return MembersAnswer(account_id=account_id, count=len(members), members=members)


@v2_router.put("/{account_id}/members/{user_id}", responses=error_responses(400, 401, 403, 404, 409, 413))
async def set_member(
    gateway: ThisGateway, caller: Editor, account_id: AccountId, user_id: UserId, body: MemberWrite
) -> MemberChangedAnswer:
    """Make somebody a member of an account, or change their part; for administrators and its owners."""
    await commands.set_member(gateway, account_id, user_id, body.role, caller.actor)
    row = await queries.get_member(gateway.database, account_id, user_id)
    return MemberChangedAnswer(message="Member updated", member=MemberView.model_validate(row))


@v2_router.delete("/{account_id}/members/{user_id}", responses=error_responses(400, 401, 403, 404, 409))
async def remove_member(
    gateway: ThisGateway, caller: Editor, account_id: AccountId, user_id: UserId
) -> MemberRemovedAnswer:
    """Take somebody out of an account; for administrators and its owners."""
    await commands.remove_member(gateway, account_id, user_id, caller.actor)
    return MemberRemovedAnswer(removed_member=MemberReference(account_id=account_id, user_id=user_id))
