"""Who becomes a user, and who does not."""

from typing import Any
from uuid import uuid4

import pytest

from services.gateway.domain.actor import SYSTEM, Actor, Role
from services.gateway.domain.user import InvalidUser, RegisterUser, UserState, decide, evolve
from shared.errors import Conflict, Forbidden
from shared.events import JobCreated, UserRegistered
from tests.fixtures.builders import SOME_TIME, make_job, make_user
from tests.fixtures.decider import Decider

USERS = Decider(UserState(), decide, evolve)
given = USERS.given
USER_ID = uuid4()


def register(**overrides: Any) -> RegisterUser:
    values = {
        "user_id": USER_ID,
        "username": "grace",
        "email": "grace@example.com",
        "role": Role.USER,
        "actor": SYSTEM,
        "now": SOME_TIME,
        "username_taken": False,
        "email_taken": False,
    }
    return RegisterUser(**{**values, **overrides})


@pytest.mark.parametrize("actor", [SYSTEM, Actor(uuid4(), Role.ADMIN)], ids=["system", "admin"])
@pytest.mark.parametrize("role", list(Role))
def test_administrators_and_the_system_register_users_of_every_role(actor: Actor, role: Role) -> None:
    user = make_user(id=USER_ID, username="grace", email="grace@example.com", role=role.value)
    given().when(register(actor=actor, role=role)).then(UserRegistered(user=user))


@pytest.mark.parametrize("role", [Role.USER, Role.VIEWER])
def test_nobody_else_does(role: Role) -> None:
    given().when(register(actor=Actor(uuid4(), role))).then_raises(
        Forbidden, message="Only administrators can register users"
    )


@pytest.mark.parametrize(
    "username", ["", "ab", "x" * 81, "with blank", "a@b.c", "grace\n", "größe", "semi;colon", "dash-ed"]
)
def test_a_name_is_of_3_to_80_letters_digits_and_underscores(username: str) -> None:
    given().when(register(username=username)).then_raises(InvalidUser, title="Invalid username")


@pytest.mark.parametrize("username", ["abc", "x" * 80, "A_1"])
def test_names_up_to_the_limits_are_taken(username: str) -> None:
    assert given().when(register(username=username)).events()


def test_a_long_address_is_refused() -> None:
    given().when(register(email="x" * 109 + "@example.com")).then_raises(InvalidUser, title="Invalid email")


def test_a_taken_name_is_a_conflict() -> None:
    given().when(register(username_taken=True, email_taken=True)).then_raises(
        Conflict, title="Username already exists", message='The username "grace" is taken'
    )


def test_a_taken_address_is_a_conflict() -> None:
    given().when(register(email_taken=True)).then_raises(
        Conflict, title="Email already exists", message='The email "grace@example.com" is taken'
    )


def test_the_state_is_what_the_event_says() -> None:
    user = make_user(version=3)
    assert USERS.fold(UserRegistered(user=user)) == UserState(user, 3)


def test_events_of_jobs_leave_users_alone() -> None:
    assert USERS.fold(JobCreated(job=make_job())) == UserState()
