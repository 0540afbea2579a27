"""Who becomes a user, who changes and deletes one, and who does not."""

from datetime import timedelta
from functools import reduce
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from services.gateway.domain.actor import SYSTEM, Actor, Role
from services.gateway.domain.user import (
    ChooseNotifications,
    ChooseUi,
    DeleteUser,
    InvalidUser,
    LastAdministrator,
    RegisterUser,
    UpdateUser,
    UserCommand,
    UserNotFound,
    UserState,
    decide,
    evolve,
)
from shared.domain.directory import NotificationPreferences, UiPreferences
from shared.errors import Conflict, Forbidden, JetcronError
from shared.events import JobCreated, User, UserDeleted, UserRegistered, UserUpdated
from tests.fixtures.builders import SOME_TIME, make_job, make_user
from tests.fixtures.decider import Decider

USERS = Decider(UserState(), decide, evolve)
given = USERS.given
USER_ID = uuid4()
LATER = SOME_TIME + timedelta(minutes=1)
ADMIN = Actor(uuid4(), Role.ADMIN)
OTHERS = [Actor(uuid4(), Role.USER), Actor(uuid4(), Role.VIEWER)]
GRACE = make_user(id=USER_ID, username="grace", email="grace@example.com")
GRACE_HERSELF = Actor(USER_ID, Role.USER)


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


def test_what_is_no_role_is_refused_in_the_contracts_words() -> None:
    for role in ("superadmin", "", "ADMIN", None, 5, ["admin"]):
        given().when(register(role=role)).then_raises(
            InvalidUser, title="Invalid role", message="Role must be one of: admin, user, viewer"
        )


def test_nobody_is_registered_twice_under_one_id() -> None:
    given(UserRegistered(user=GRACE)).when(register()).then_raises(
        Conflict, message=f"User {USER_ID} exists already"
    )


def test_a_deleted_user_is_none_and_the_versions_count_on() -> None:
    events = UserRegistered(user=GRACE), UserDeleted(before=GRACE, version=2)
    assert USERS.fold(*events) == UserState(None, 2)


def change(new_password: bool = False, **overrides: Any) -> UpdateUser:
    values = {
        "user_id": USER_ID,
        "changes": {},
        "new_password": new_password,
        "actor": ADMIN,
        "now": LATER,
        "email_taken": False,
        "another_admin": True,
    }
    return UpdateUser(**{**values, **overrides})


def after(before: User, **fields: Any) -> UserUpdated:
    """One version later."""
    whole = {"version": before.version + 1, "updated_at": LATER, **fields}
    return UserUpdated(user=before.model_copy(update=whole), before=before)


class TestUpdate:
    there = given(UserRegistered(user=GRACE))

    @pytest.mark.parametrize("actor", [ADMIN, SYSTEM, GRACE_HERSELF], ids=["admin", "system", "self"])
    def test_a_new_address_leaves_the_sessions_alone(self, actor: Actor) -> None:
        changes = {"email": "new@example.com"}
        self.there.when(change(changes=changes, actor=actor)).then(after(GRACE, email="new@example.com"))

    @pytest.mark.parametrize("actor", [ADMIN, GRACE_HERSELF], ids=["admin", "self"])
    def test_a_new_password_ends_them_even_if_nothing_else_changes(self, actor: Actor) -> None:
        self.there.when(change(new_password=True, actor=actor)).then(after(GRACE, token_version=2))

    @pytest.mark.parametrize("changes", [{"role": "admin"}, {"is_active": False}], ids=str)
    def test_a_new_role_or_activity_ends_them_too(self, changes: dict[str, Any]) -> None:
        self.there.when(change(changes=changes)).then(after(GRACE, token_version=2, **changes))

    def test_all_at_once_ends_them_once(self) -> None:
        changes = {"email": "new@example.com", "role": "viewer", "is_active": False}
        self.there.when(change(changes=changes, new_password=True)).then(
            after(GRACE, token_version=2, **changes)
        )

    def test_what_is_so_already_changes_nothing(self) -> None:
        changes = {"email": GRACE.email, "role": "user", "is_active": True}
        self.there.when(change(changes=changes)).then()

    def test_without_a_field_there_is_nothing_to_update(self) -> None:
        self.there.when(change()).then_raises(InvalidUser, title="No valid fields to update")

    @pytest.mark.parametrize("actor", OTHERS, ids=lambda actor: actor.role.value)
    def test_nobody_changes_others_or_learns_whether_they_exist(self, actor: Actor) -> None:
        refusal = "Forbidden. You can only update your own profile."
        for state in (given(), self.there):
            state.when(change(actor=actor, new_password=True)).then_raises(Forbidden, title=refusal)

    @pytest.mark.parametrize(
        ("changes", "title"),
        [
            ({"role": "user"}, "Only admins can change user roles"),
            ({"role": "nonsense"}, "Only admins can change user roles"),
            ({"is_active": True}, "Only admins can change user active status"),
        ],
    )
    def test_nobody_raises_themselves(self, changes: dict[str, Any], title: str) -> None:
        self.there.when(change(changes=changes, actor=GRACE_HERSELF)).then_raises(Forbidden, title=title)

    def test_who_is_not_there_cannot_change(self) -> None:
        gone = UserRegistered(user=GRACE), UserDeleted(before=GRACE, version=2)
        for state in (given(), given(*gone)):
            state.when(change(new_password=True)).then_raises(UserNotFound, title="User not found")

    def test_a_taken_or_long_address_is_refused(self) -> None:
        taken = change(changes={"email": "new@example.com"}, email_taken=True)
        self.there.when(taken).then_raises(
            Conflict, title="Email already exists", message='The email "new@example.com" is taken'
        )
        long = change(changes={"email": "x" * 109 + "@example.com"})
        self.there.when(long).then_raises(InvalidUser, title="Invalid email")

    def test_what_is_no_role_is_refused(self) -> None:
        self.there.when(change(changes={"role": None})).then_raises(InvalidUser, title="Invalid role")


LAST = make_user(role="admin")


class TestLastAdministrator:
    @pytest.mark.parametrize("changes", [{"role": "user"}, {"role": "viewer"}, {"is_active": False}], ids=str)
    def test_they_stay_what_they_are(self, changes: dict[str, Any]) -> None:
        command = change(user_id=LAST.id, changes=changes, another_admin=False)
        given(UserRegistered(user=LAST)).when(command).then_raises(LastAdministrator)
        with_another = change(user_id=LAST.id, changes=changes, another_admin=True)
        given(UserRegistered(user=LAST)).when(with_another).then(after(LAST, token_version=2, **changes))

    def test_they_are_not_deleted(self) -> None:
        command = DeleteUser(user_id=LAST.id, actor=SYSTEM, now=LATER, another_admin=False)
        given(UserRegistered(user=LAST)).when(command).then_raises(LastAdministrator)

    def test_everything_else_of_them_can_change(self) -> None:
        command = change(
            user_id=LAST.id, changes={"email": "new@example.com"}, new_password=True, another_admin=False
        )
        given(UserRegistered(user=LAST)).when(command).then(
            after(LAST, email="new@example.com", token_version=2)
        )

    def test_one_who_is_not_active_is_none(self) -> None:
        idle = make_user(role="admin", is_active=False)
        command = DeleteUser(user_id=idle.id, actor=SYSTEM, now=LATER, another_admin=False)
        given(UserRegistered(user=idle)).when(command).then(UserDeleted(before=idle, version=2))


class TestDelete:
    def delete(self, actor: Actor = ADMIN) -> DeleteUser:
        return DeleteUser(user_id=USER_ID, actor=actor, now=LATER, another_admin=True)

    def test_administrators_delete_others(self) -> None:
        given(UserRegistered(user=GRACE)).when(self.delete()).then(UserDeleted(before=GRACE, version=2))

    def test_nobody_else_does_and_nobody_themselves(self) -> None:
        for actor in (*OTHERS, GRACE_HERSELF):
            given(UserRegistered(user=GRACE)).when(self.delete(actor)).then_raises(
                Forbidden, message="Only administrators can delete users"
            )
        given(UserRegistered(user=GRACE)).when(self.delete(Actor(USER_ID, Role.ADMIN))).then_raises(
            InvalidUser, title="Cannot delete your own account"
        )

    def test_who_is_not_there_cannot_be_deleted(self) -> None:
        given().when(self.delete()).then_raises(UserNotFound)


class TestPreferences:
    there = given(UserRegistered(user=GRACE))

    def choose(self, actor: Actor = GRACE_HERSELF, **choices: bool) -> ChooseNotifications:
        return ChooseNotifications(user_id=USER_ID, choices=choices, actor=actor, now=LATER)

    def choose_ui(self, actor: Actor = GRACE_HERSELF, **columns: bool) -> ChooseUi:
        return ChooseUi(user_id=USER_ID, preferences=UiPreferences(**columns), actor=actor, now=LATER)

    def test_what_is_not_chosen_stays_as_it_is(self) -> None:
        first = after(GRACE, notification_preferences=NotificationPreferences(daily_digest=True))
        self.there.when(self.choose(daily_digest=True)).then(first)
        both = NotificationPreferences(daily_digest=True, weekly_report=True)
        given(UserRegistered(user=GRACE), first).when(self.choose(weekly_report=True)).then(
            after(first.user, notification_preferences=both)
        )

    def test_what_changes_nothing_is_no_event(self) -> None:
        self.there.when(self.choose()).then()
        chosen = after(GRACE, notification_preferences=NotificationPreferences(daily_digest=True))
        given(UserRegistered(user=GRACE), chosen).when(self.choose(daily_digest=True)).then()

    def test_columns_are_replaced(self) -> None:
        first = after(GRACE, ui_preferences=UiPreferences(target_url=True))
        self.there.when(self.choose_ui(target_url=True)).then(first)
        given(UserRegistered(user=GRACE), first).when(self.choose_ui(pic_team=False)).then(
            after(first.user, ui_preferences=UiPreferences(pic_team=False))
        )
        given(UserRegistered(user=GRACE), first).when(self.choose_ui(target_url=True)).then()

    def test_administrators_choose_for_others_and_nobody_else_does(self) -> None:
        self.there.when(self.choose_ui(ADMIN, pic_team=False)).then(
            after(GRACE, ui_preferences=UiPreferences(pic_team=False))
        )
        refusal = "Forbidden: Cannot update other users preferences"
        for actor in OTHERS:
            for command in (self.choose(actor, daily_digest=True), self.choose_ui(actor)):
                for state in (given(), self.there):
                    state.when(command).then_raises(Forbidden, title=refusal)

    def test_who_is_not_there_has_none(self) -> None:
        for command in (self.choose(ADMIN), self.choose_ui(ADMIN)):
            given().when(command).then_raises(UserNotFound)


_flags = st.booleans()
_actors = st.sampled_from([ADMIN, SYSTEM, GRACE_HERSELF, *OTHERS])
_commands: st.SearchStrategy[UserCommand] = st.one_of(
    st.builds(register, actor=_actors, role=st.sampled_from([*Role, "root"]), email_taken=_flags),
    st.builds(
        change,
        new_password=_flags,
        actor=_actors,
        another_admin=_flags,
        changes=st.fixed_dictionaries(
            {},
            optional={
                "email": st.just("new@example.com"),
                "role": st.sampled_from([role.value for role in Role]),
                "is_active": _flags,
            },
        ),
    ),
    st.builds(DeleteUser, user_id=st.just(USER_ID), actor=_actors, now=st.just(LATER), another_admin=_flags),
    st.builds(
        ChooseNotifications,
        user_id=st.just(USER_ID),
        actor=_actors,
        now=st.just(LATER),
        choices=st.dictionaries(st.sampled_from(list(NotificationPreferences.model_fields)), _flags),
    ),
)


@for_all(st.lists(_commands, max_size=12))
def test_whatever_is_decided_folds_to_valid_users_whose_versions_count_up(
    commands: list[UserCommand],
) -> None:
    state = UserState()
    for command in commands:
        before = state
        try:
            state = reduce(evolve, decide(command, state), state)
        except JetcronError:
            continue
        assert state.version - before.version in (0, 1)
        if state.user is not None:
            assert User.model_validate(state.user.model_dump()) == state.user
            assert state.user.version == state.version
        if before.user is not None and state.user is not None:
            standing = [(user.role, user.is_active) for user in (before.user, state.user)]
            ended = state.user.token_version - before.user.token_version
            assert ended in (0, 1)
            assert ended == 1 or standing[0] == standing[1]
