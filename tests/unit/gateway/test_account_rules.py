"""What may happen to an account, and who may say who belongs to it."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.gateway.domain.account import (
    AccountNotFound,
    AccountState,
    CreateAccount,
    DuplicateAccountName,
    InvalidAccount,
    MemberNotFound,
    RemoveMember,
    RenameAccount,
    SetMember,
    decide,
    evolve,
    may_see,
)
from services.gateway.domain.actor import SYSTEM, Actor, Role
from services.gateway.domain.user import UserNotFound
from shared.domain.directory import Account, Member
from shared.domain.job import DEFAULT_ACCOUNT_ID
from shared.errors import Forbidden
from shared.events import AccountCreated, AccountUpdated
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.decider import Decider

ACCOUNTS = Decider(AccountState(), decide, evolve)
given = ACCOUNTS.given
LATER = SOME_TIME + timedelta(hours=1)
ADMIN = Actor(uuid4(), Role.ADMIN)
OWNER = Actor(uuid4(), Role.VIEWER)
MEMBER = Actor(uuid4(), Role.USER)
STRANGER = Actor(uuid4(), Role.USER)


def member(actor: Actor, role: Any = "member", since: Any = SOME_TIME) -> Member:
    assert actor.id is not None
    return Member(user_id=actor.id, role=role, since=since)


def account(**overrides: Any) -> Account:
    values = {
        "id": uuid4(),
        "name": "Research",
        "version": 1,
        "created_at": SOME_TIME,
        "updated_at": SOME_TIME,
    }
    return Account(**{**values, **overrides})


EMPTY = account()
SHARED = account(members=(member(OWNER, "owner"), member(MEMBER)))
DEFAULT = account(id=DEFAULT_ACCOUNT_ID, name="Default")


def after(before: Account, **changes: Any) -> AccountUpdated:
    changed = before.model_copy(update={"version": before.version + 1, "updated_at": LATER, **changes})
    return AccountUpdated(account=changed, before=before)


def create(of: Account = EMPTY, *, name_taken: bool = False) -> CreateAccount:
    return CreateAccount(account_id=of.id, name=of.name, now=SOME_TIME, name_taken=name_taken)


def rename(of: Account, name: str, *, name_taken: bool = False) -> RenameAccount:
    return RenameAccount(account_id=of.id, name=name, now=LATER, name_taken=name_taken)


def put(of: Account, who: UUID | None, actor: Actor = ADMIN, **overrides: Any) -> SetMember:
    values = {
        "account_id": of.id,
        "user_id": who,
        "role": "member",
        "actor": actor,
        "now": LATER,
        "user_exists": True,
    }
    return SetMember(**{**values, **overrides})


def remove(of: Account, who: Actor, actor: Actor = ADMIN) -> RemoveMember:
    assert who.id is not None
    return RemoveMember(account_id=of.id, user_id=who.id, actor=actor, now=LATER)


def test_a_new_one_has_no_members() -> None:
    given().when(create()).then(AccountCreated(account=EMPTY))


def test_a_name_is_given_once() -> None:
    given().when(create(name_taken=True)).then_raises(
        DuplicateAccountName,
        title="Duplicate account name",
        message='An account named "Research" already exists.',
    )
    given(AccountCreated(account=EMPTY)).when(rename(EMPTY, "Other", name_taken=True)).then_raises(
        DuplicateAccountName
    )


def test_it_can_be_renamed() -> None:
    given(AccountCreated(account=EMPTY)).when(rename(EMPTY, "Science")).then(after(EMPTY, name="Science"))
    given(AccountCreated(account=EMPTY)).when(rename(EMPTY, "Research")).then()


@pytest.mark.parametrize("actor", [ADMIN, OWNER, SYSTEM], ids=["admin", "owner", "system"])
def test_administrators_and_owners_say_who_belongs_to_it(actor: Actor) -> None:
    new = member(STRANGER, since=LATER)
    given(AccountCreated(account=SHARED)).when(put(SHARED, STRANGER.id, actor)).then(
        after(SHARED, members=(*SHARED.members, new))
    )
    given(AccountCreated(account=SHARED)).when(remove(SHARED, MEMBER, actor)).then(
        after(SHARED, members=SHARED.members[:1])
    )


def test_another_part_keeps_the_day_and_the_place() -> None:
    given(AccountCreated(account=SHARED)).when(put(SHARED, OWNER.id)).then(
        after(SHARED, members=(member(OWNER), SHARED.members[1]))
    )


def test_the_same_part_leaves_no_event() -> None:
    given(AccountCreated(account=SHARED)).when(put(SHARED, MEMBER.id)).then()


def test_members_may_not_say_who_belongs_to_it() -> None:
    for command in (put(SHARED, STRANGER.id, MEMBER), remove(SHARED, MEMBER, MEMBER)):
        given(AccountCreated(account=SHARED)).when(command).then_raises(
            Forbidden, title="Insufficient permissions"
        )


def test_strangers_do_not_learn_that_it_exists() -> None:
    for command in (put(SHARED, STRANGER.id, STRANGER), remove(SHARED, MEMBER, STRANGER)):
        given(AccountCreated(account=SHARED)).when(command).then_raises(
            AccountNotFound, title="Account not found", message=f"No account found with ID: {SHARED.id}"
        )


def test_only_who_exists_can_be_a_member() -> None:
    nobody = uuid4()
    given(AccountCreated(account=SHARED)).when(put(SHARED, nobody, user_exists=False)).then_raises(
        UserNotFound
    )


def test_only_a_member_can_be_removed() -> None:
    given(AccountCreated(account=SHARED)).when(remove(SHARED, STRANGER)).then_raises(
        MemberNotFound, title="Member not found", message=f"No member found with ID: {STRANGER.id}"
    )


def test_the_default_one_has_everybody_always() -> None:
    for command in (put(DEFAULT, MEMBER.id), remove(DEFAULT, MEMBER)):
        given(AccountCreated(account=DEFAULT)).when(command).then_raises(
            InvalidAccount, title="Invalid account"
        )
    given(AccountCreated(account=DEFAULT)).when(put(DEFAULT, MEMBER.id, MEMBER)).then_raises(Forbidden)


def test_what_is_not_there_cannot_change() -> None:
    for command in (rename(EMPTY, "x"), put(EMPTY, MEMBER.id), remove(EMPTY, MEMBER)):
        given().when(command).then_raises(AccountNotFound)


@pytest.mark.parametrize(
    ("actor", "which"),
    [
        (ADMIN, [EMPTY, SHARED, DEFAULT]),
        (OWNER, [SHARED, DEFAULT]),
        (MEMBER, [SHARED, DEFAULT]),
        (STRANGER, [DEFAULT]),
    ],
)
def test_everybody_sees_theirs_and_the_default_one(actor: Actor, which: list[Account]) -> None:
    assert [one for one in (EMPTY, SHARED, DEFAULT) if may_see(actor, one)] == which
