"""Commands on accounts and on who belongs to them."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.domain.account import (
    DEFAULT_ACCOUNT_NAME,
    AccountCommand,
    AccountNotFound,
    AccountState,
    CreateAccount,
    DuplicateAccountName,
    MemberRole,
    RemoveMember,
    RenameAccount,
    SetMember,
)
from services.gateway.domain.actor import SYSTEM, Actor
from services.gateway.gateway import Gateway
from services.gateway.store.aggregates import ACCOUNTS
from services.gateway.store.event_store import Context, load
from services.gateway.store.tables import accounts, users
from shared.domain.directory import Account
from shared.domain.job import DEFAULT_ACCOUNT_ID

Prepare: TypeAlias = Callable[[AsyncConnection, AccountState], Awaitable[AccountCommand]]


async def create_account(
    gateway: Gateway, name: str, actor: Actor, account_id: UUID | None = None
) -> Account:
    """Create an account without members; raises `DuplicateAccountName`."""
    new_id, now = account_id or uuid4(), gateway.clock()

    async def prepare(connection: AsyncConnection, _state: AccountState) -> AccountCommand:
        taken = await _is_name_taken(connection, name, new_id)
        return CreateAccount(account_id=new_id, name=name, now=now, name_taken=taken)

    return await _execute(gateway, new_id, prepare, actor)


async def rename_account(gateway: Gateway, account_id: UUID, name: str, actor: Actor) -> Account:
    """Give an account another name; raises `AccountNotFound` and `DuplicateAccountName`."""
    now = gateway.clock()

    async def prepare(connection: AsyncConnection, _state: AccountState) -> AccountCommand:
        taken = await _is_name_taken(connection, name, account_id)
        return RenameAccount(account_id=account_id, name=name, now=now, name_taken=taken)

    return await _execute(gateway, account_id, prepare, actor)


async def set_member(
    gateway: Gateway, account_id: UUID, user_id: UUID, role: MemberRole, actor: Actor
) -> Account:
    """Make somebody a member of an account, or change their part in it.

    Raises `AccountNotFound`, `UserNotFound`, `Forbidden` and `InvalidAccount`.
    """
    now = gateway.clock()

    async def prepare(connection: AsyncConnection, _state: AccountState) -> AccountCommand:
        somebody = select(users.c.id).where(users.c.id == user_id)
        return SetMember(
            account_id=account_id,
            user_id=user_id,
            role=role,
            actor=actor,
            now=now,
            user_exists=(await connection.execute(somebody)).first() is not None,
        )

    return await _execute(gateway, account_id, prepare, actor)


async def remove_member(gateway: Gateway, account_id: UUID, user_id: UUID, actor: Actor) -> Account:
    """Take somebody out of an account; raises `AccountNotFound`, `MemberNotFound`, `Forbidden` and `InvalidAccount`."""
    now = gateway.clock()

    async def prepare(_connection: AsyncConnection, _state: AccountState) -> AccountCommand:
        return RemoveMember(account_id=account_id, user_id=user_id, actor=actor, now=now)

    return await _execute(gateway, account_id, prepare, actor)


async def ensure_default_account(gateway: Gateway) -> None:
    """Make the account to which everybody belongs, unless it is there."""
    async with gateway.database.read() as connection:
        _, version = await load(connection, ACCOUNTS, DEFAULT_ACCOUNT_ID)
    if version:
        return
    try:
        await create_account(gateway, DEFAULT_ACCOUNT_NAME, SYSTEM, DEFAULT_ACCOUNT_ID)
    except DuplicateAccountName:
        # Another gateway, started at the same moment, was faster.
        return


async def _execute(gateway: Gateway, account_id: UUID, prepare: Prepare, actor: Actor) -> Account:
    context = Context(actor=actor.name, at=gateway.clock(), correlation_id=str(uuid4()))
    state = await gateway.event_store.execute(ACCOUNTS, account_id, prepare, context)
    if state.account is None:
        raise AccountNotFound(account_id)
    return state.account


async def _is_name_taken(connection: AsyncConnection, name: str, by_other_than: UUID) -> bool:
    other = select(accounts.c.id).where(accounts.c.name == name, accounts.c.id != by_other_than)
    return (await connection.execute(other)).first() is not None
