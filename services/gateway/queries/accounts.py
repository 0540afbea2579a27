"""Reading accounts and who belongs to them. Users who are gone belong to none."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Select

from services.gateway.domain.account import AccountNotFound, MemberNotFound
from services.gateway.domain.actor import Actor, Role
from services.gateway.store.database import Database
from services.gateway.store.tables import account_members, accounts, users
from shared.domain.job import DEFAULT_ACCOUNT_ID


async def list_accounts(database: Database, actor: Actor) -> Sequence[Row[Any]]:
    """The accounts that the actor may know of, by name: the row, `is_default` and `member_count`."""
    async with database.read() as connection:
        rows: Sequence[Row[Any]] = (await connection.execute(_accounts(actor))).all()
    return sorted(rows, key=lambda row: (row.name.casefold(), row.id))


async def get_account(database: Database, account_id: UUID, actor: Actor) -> Row[Any]:
    """One account; raises `AccountNotFound`, also where the actor may not know of it."""
    async with database.read() as connection:
        return await _account(connection, account_id, actor)


async def list_members(database: Database, account_id: UUID, actor: Actor) -> Sequence[Row[Any]]:
    """Who belongs to an account, by user name: `user_id`, `username`, `role` and `since`; raises `AccountNotFound`."""
    async with database.read() as connection:
        account = await _account(connection, account_id, actor)
        found = _everybody() if account.is_default else _members(account_id)
        rows: Sequence[Row[Any]] = (await connection.execute(found.order_by(users.c.username))).all()
    return rows


async def get_member(database: Database, account_id: UUID, user_id: UUID) -> Row[Any]:
    """Somebody's part in an account other than the default one; raises `MemberNotFound`."""
    async with database.read() as connection:
        rows = await connection.execute(_members(account_id).where(users.c.id == user_id))
    row: Row[Any] | None = rows.first()
    if row is None:
        raise MemberNotFound(user_id)
    return row


async def _account(connection: AsyncConnection, account_id: UUID, actor: Actor) -> Row[Any]:
    rows = await connection.execute(_accounts(actor).where(accounts.c.id == account_id))
    row: Row[Any] | None = rows.first()
    if row is None:
        raise AccountNotFound(account_id)
    return row


def _accounts(actor: Actor) -> Select[Any]:
    is_default = accounts.c.id == DEFAULT_ACCOUNT_ID
    found = select(
        accounts,
        is_default.label("is_default"),
        case((is_default, _count_everybody()), else_=_count_members()).label("member_count"),
    )
    if actor.role is Role.ADMIN:
        return found
    theirs = select(account_members.c.account_id).where(account_members.c.user_id == actor.id)
    return found.where(or_(is_default, accounts.c.id.in_(theirs)))


def _count_everybody() -> ColumnElement[int]:
    return select(func.count()).select_from(users).scalar_subquery()


def _count_members() -> ColumnElement[int]:
    present = users.join(account_members, account_members.c.user_id == users.c.id)
    of_account = account_members.c.account_id == accounts.c.id
    return select(func.count()).select_from(present).where(of_account).correlate(accounts).scalar_subquery()


def _members(account_id: UUID) -> Select[Any]:
    return (
        select(users.c.id.label("user_id"), users.c.username, account_members.c.role, account_members.c.since)
        .join(account_members, account_members.c.user_id == users.c.id)
        .where(account_members.c.account_id == account_id)
    )


def _everybody() -> Select[Any]:
    return select(
        users.c.id.label("user_id"),
        users.c.username,
        literal("member").label("role"),
        users.c.created_at.label("since"),
    )
