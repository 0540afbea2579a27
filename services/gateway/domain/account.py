"""The rules of accounts: whose jobs they are. Pure: the time and all facts come with the command."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, assert_never
from uuid import UUID

from services.gateway.domain.actor import INSUFFICIENT, Actor, Role
from services.gateway.domain.user import UserNotFound
from shared.domain.directory import Account, Member
from shared.domain.job import DEFAULT_ACCOUNT_ID
from shared.errors import Conflict, Forbidden, NotFound, RuleViolation
from shared.events import AccountCreated, AccountEvent, AccountUpdated, DomainEvent

DEFAULT_ACCOUNT_NAME = "Default"

MemberRole: TypeAlias = Literal["owner", "member"]


@dataclass(frozen=True, slots=True)
class AccountState:
    """`account` is None before the first event."""

    account: Account | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAccount:
    """Create the account; `name_taken` is a fact read in the same transaction."""

    account_id: UUID
    name: str
    now: datetime
    name_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameAccount:
    """Give the account another name."""

    account_id: UUID
    name: str
    now: datetime
    name_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMember:
    """Make somebody a member, or change their part; `user_exists` is a fact read in the same transaction."""

    account_id: UUID
    user_id: UUID
    role: MemberRole
    actor: Actor
    now: datetime
    user_exists: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMember:
    """Somebody is a member no longer."""

    account_id: UUID
    user_id: UUID
    actor: Actor
    now: datetime


AccountCommand: TypeAlias = CreateAccount | RenameAccount | SetMember | RemoveMember


class AccountNotFound(NotFound):
    """No account has this id, or the caller may not know of it."""

    title = "Account not found"

    def __init__(self, account_id: object) -> None:
        super().__init__(f"No account found with ID: {account_id}")


class MemberNotFound(NotFound):
    """The account has no such member."""

    title = "Member not found"

    def __init__(self, user_id: object) -> None:
        super().__init__(f"No member found with ID: {user_id}")


class InvalidAccount(RuleViolation):
    """Something that no account, or not this one, may become."""

    title = "Invalid account"


class DuplicateAccountName(Conflict):
    """Another account has the name."""

    title = "Duplicate account name"

    def __init__(self, name: str) -> None:
        super().__init__(f'An account named "{name}" already exists.')


def may_see(actor: Actor, account: Account) -> bool:
    """Whether somebody may know of an account: administrators of all, others of theirs and the default one."""
    return (
        actor.role is Role.ADMIN or account.id == DEFAULT_ACCOUNT_ID or _part(account, actor.id) is not None
    )


def decide(command: AccountCommand, state: AccountState) -> list[DomainEvent]:
    """What follows from a command; no events when it changes nothing. Raises the domain's errors."""
    match command:
        case CreateAccount():
            return _create(command, state)
        case RenameAccount():
            return _rename(command, state)
        case SetMember():
            return _set_member(command, state)
        case RemoveMember():
            return _remove_member(command, state)
        case _:
            assert_never(command)


def evolve(state: AccountState, event: DomainEvent) -> AccountState:
    """The state after an event; account events carry it whole."""
    if isinstance(event, AccountEvent):
        return AccountState(event.account, event.account.version)
    return state


def _create(command: CreateAccount, state: AccountState) -> list[DomainEvent]:
    if state.account is not None or command.name_taken:
        raise DuplicateAccountName(command.name)
    account = Account(
        id=command.account_id,
        name=command.name,
        version=state.version + 1,
        created_at=command.now,
        updated_at=command.now,
    )
    return [AccountCreated(account=account)]


def _rename(command: RenameAccount, state: AccountState) -> list[DomainEvent]:
    before = _existing(state, command.account_id)
    if command.name != before.name and command.name_taken:
        raise DuplicateAccountName(command.name)
    return _changed(before, command.now, name=command.name)


def _set_member(command: SetMember, state: AccountState) -> list[DomainEvent]:
    before = _editable(state, command.account_id, command.actor)
    if not command.user_exists:
        raise UserNotFound(command.user_id)
    part = _part(before, command.user_id)
    since = part.since if part is not None else command.now
    member = Member(user_id=command.user_id, role=command.role, since=since)
    if part is None:
        return _changed(before, command.now, members=(*before.members, member))
    members = tuple(member if one.user_id == command.user_id else one for one in before.members)
    return _changed(before, command.now, members=members)


def _remove_member(command: RemoveMember, state: AccountState) -> list[DomainEvent]:
    before = _editable(state, command.account_id, command.actor)
    if _part(before, command.user_id) is None:
        raise MemberNotFound(command.user_id)
    members = tuple(one for one in before.members if one.user_id != command.user_id)
    return _changed(before, command.now, members=members)


def _editable(state: AccountState, account_id: UUID, actor: Actor) -> Account:
    """The account, if the actor may say who belongs to it."""
    account = _existing(state, account_id)
    if not may_see(actor, account):
        raise AccountNotFound(account_id)
    part = _part(account, actor.id)
    if actor.role is not Role.ADMIN and (part is None or part.role != "owner"):
        raise Forbidden(
            "Only administrators and owners can change the members of an account", title=INSUFFICIENT
        )
    if account.id == DEFAULT_ACCOUNT_ID:
        raise InvalidAccount("Everybody belongs to the default account; its members cannot be changed.")
    return account


def _existing(state: AccountState, account_id: UUID) -> Account:
    if state.account is None:
        raise AccountNotFound(account_id)
    return state.account


def _part(account: Account, user_id: UUID | None) -> Member | None:
    return next((member for member in account.members if member.user_id == user_id), None)


def _changed(before: Account, now: datetime, **changes: object) -> list[DomainEvent]:
    changed = before.model_copy(update=changes)
    if changed == before:
        return []
    account = changed.model_copy(update={"version": before.version + 1, "updated_at": now})
    return [AccountUpdated(account=account, before=before)]
