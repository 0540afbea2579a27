"""The rules of users. Passwords are none of their business: they stand elsewhere, and a change shows as a token version."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from services.gateway.domain.actor import Actor, Role
from shared.domain.directory import NotificationPreferences, UiPreferences
from shared.errors import Conflict, Forbidden, NotFound, RuleViolation
from shared.events import DomainEvent, User, UserDeleted, UserEvent, UserRegistered, UserUpdated

USERNAME = re.compile(r"[A-Za-z0-9_]{3,80}")
MAX_EMAIL_LENGTH = 120

# Literal `error` strings of the HTTP contract.
OTHERS_PROFILE_SEEN = "Forbidden. You can only view your own profile."
OTHERS_PROFILE_CHANGED = "Forbidden. You can only update your own profile."
OTHERS_PREFERENCES_SEEN = "Forbidden: Cannot access other users preferences"
OTHERS_PREFERENCES_CHANGED = "Forbidden: Cannot update other users preferences"
_FOR_ADMINS_ONLY = {
    "role": "Only admins can change user roles",
    "is_active": "Only admins can change user active status",
}


@dataclass(frozen=True, slots=True)
class UserState:
    """`user` is None before the first event and after a deletion; `version` counts on."""

    user: User | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterUser:
    """Create a user; the two `taken` facts are read in the same transaction."""

    user_id: UUID
    username: str
    email: str
    role: object
    """The name of a role, or whatever somebody sent for one."""
    is_active: bool = True
    actor: Actor
    now: datetime
    username_taken: bool
    email_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateUser:
    """Change some fields; the last two are facts read in the same transaction."""

    user_id: UUID
    changes: Mapping[str, Any]
    """New values of `email`, `role` (whatever somebody sent for one) and `is_active`."""
    new_password: bool
    actor: Actor
    now: datetime
    email_taken: bool
    another_admin: bool
    """Whether somebody else is an active administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUser:
    """Remove the user; `another_admin` is a fact read in the same transaction."""

    user_id: UUID
    actor: Actor
    now: datetime
    another_admin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseNotifications:
    """Change the given fields of `NotificationPreferences`."""

    user_id: UUID
    choices: Mapping[str, bool]
    actor: Actor
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseUi:
    """What the user's pages look like from now on."""

    user_id: UUID
    preferences: UiPreferences
    actor: Actor
    now: datetime


UserCommand: TypeAlias = RegisterUser | UpdateUser | DeleteUser | ChooseNotifications | ChooseUi


class UserNotFound(NotFound):
    """No user has this id, or they were deleted."""

    title = "User not found"

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"No user found with ID: {user_id}")


class InvalidUser(RuleViolation):
    """A field has a value that no user may have."""


class LastAdministrator(RuleViolation):
    """Without this one, nobody could manage users any more."""

    title = "Last administrator"

    def __init__(self) -> None:
        super().__init__("The last active administrator can be neither demoted, disabled nor deleted")


def decide(command: UserCommand, state: UserState) -> list[DomainEvent]:
    """What follows from a command; no events when it changes nothing. Raises the domain's errors."""
    match command:
        case RegisterUser():
            return _register(command, state)
        case UpdateUser():
            return _update(command, state)
        case DeleteUser():
            return _delete(command, state)
        case ChooseNotifications():
            return _choose_notifications(command, state)
        case ChooseUi():
            return _choose_ui(command, state)
        case _:
            assert_never(command)


def evolve(state: UserState, event: DomainEvent) -> UserState:
    """The state after an event; user events carry it whole."""
    if isinstance(event, UserDeleted):
        return UserState(None, event.version)
    if isinstance(event, UserEvent) and event.user is not None:
        return UserState(event.user, event.user.version)
    return state


def must_be_self_or_admin(actor: Actor, user_id: UUID | None, title: str) -> None:
    """Raise `Forbidden` with the contract's string unless it is the actor's own, or an administrator acts."""
    if actor.role is not Role.ADMIN and (user_id is None or actor.id != user_id):
        raise Forbidden("Only administrators may do this for other users", title=title)


def _register(command: RegisterUser, state: UserState) -> list[DomainEvent]:
    if command.actor.role is not Role.ADMIN:
        raise Forbidden("Only administrators can register users")
    if not USERNAME.fullmatch(command.username):
        raise InvalidUser(
            "username must have 3 to 80 letters, digits or underscores", title="Invalid username"
        )
    _check_email(command.email)
    role = _role(command.role)
    if command.username_taken:
        raise Conflict(f'The username "{command.username}" is taken', title="Username already exists")
    if command.email_taken:
        raise _email_exists(command.email)
    if state.user is not None:
        raise Conflict(f"User {state.user.id} exists already")
    return [
        UserRegistered(
            user=User(
                id=command.user_id,
                username=command.username,
                email=command.email,
                role=role.value,
                is_active=command.is_active,
                version=state.version + 1,
                created_at=command.now,
                updated_at=command.now,
            )
        )
    ]


def _update(command: UpdateUser, state: UserState) -> list[DomainEvent]:
    must_be_self_or_admin(command.actor, command.user_id, OTHERS_PROFILE_CHANGED)
    before = _existing(state, command.user_id)
    changed = before.model_copy(update=_checked(command))
    if command.email_taken:
        raise _email_exists(changed.email)
    if _is_active_admin(before) and not _is_active_admin(changed) and not command.another_admin:
        raise LastAdministrator
    ends_sessions = command.new_password or _standing(changed) != _standing(before)
    return _updated(before, changed, state, command.now, ends_sessions=ends_sessions)


def _checked(command: UpdateUser) -> dict[str, Any]:
    """The changes as fields of a user, if the actor may make them and a user may have them."""
    changes = dict(command.changes)
    if not changes and not command.new_password:
        raise InvalidUser(
            "Give at least one of email, password, role, is_active", title="No valid fields to update"
        )
    for name, title in _FOR_ADMINS_ONLY.items():
        if name in changes and command.actor.role is not Role.ADMIN:
            raise Forbidden(f"Only administrators can change {name}", title=title)
    if "email" in changes:
        _check_email(changes["email"])
    if "role" in changes:
        changes["role"] = _role(changes["role"]).value
    return changes


def _delete(command: DeleteUser, state: UserState) -> list[DomainEvent]:
    if command.actor.role is not Role.ADMIN:
        raise Forbidden("Only administrators can delete users")
    if command.actor.id == command.user_id:
        raise InvalidUser(
            "Another administrator can delete your account", title="Cannot delete your own account"
        )
    before = _existing(state, command.user_id)
    if _is_active_admin(before) and not command.another_admin:
        raise LastAdministrator
    return [UserDeleted(before=before, version=state.version + 1)]


def _choose_notifications(command: ChooseNotifications, state: UserState) -> list[DomainEvent]:
    must_be_self_or_admin(command.actor, command.user_id, OTHERS_PREFERENCES_CHANGED)
    before = _existing(state, command.user_id)
    if not command.choices:
        return []
    chosen = (before.notification_preferences or NotificationPreferences()).model_copy(update=command.choices)
    changed = before.model_copy(update={"notification_preferences": chosen})
    return _updated(before, changed, state, command.now)


def _choose_ui(command: ChooseUi, state: UserState) -> list[DomainEvent]:
    must_be_self_or_admin(command.actor, command.user_id, OTHERS_PREFERENCES_CHANGED)
    before = _existing(state, command.user_id)
    changed = before.model_copy(update={"ui_preferences": command.preferences})
    return _updated(before, changed, state, command.now)


def _updated(
    before: User, changed: User, state: UserState, now: datetime, *, ends_sessions: bool = False
) -> list[DomainEvent]:
    if changed == before and not ends_sessions:
        return []
    counted = {
        "version": state.version + 1,
        "updated_at": now,
        "token_version": before.token_version + ends_sessions,
    }
    return [UserUpdated(user=changed.model_copy(update=counted), before=before)]


def _existing(state: UserState, user_id: UUID) -> User:
    if state.user is None:
        raise UserNotFound(user_id)
    return state.user


def _standing(user: User) -> tuple[str, bool]:
    """What a session rests on beside the password."""
    return user.role, user.is_active


def _is_active_admin(user: User) -> bool:
    return _standing(user) == (Role.ADMIN, True)


def _role(given: object) -> Role:
    role = next((role for role in Role if role == given), None)
    if role is None:
        raise InvalidUser(f"Role must be one of: {', '.join(Role)}", title="Invalid role")
    return role


def _check_email(email: str) -> None:
    if len(email) > MAX_EMAIL_LENGTH:
        raise InvalidUser(f"email must have at most {MAX_EMAIL_LENGTH} characters", title="Invalid email")


def _email_exists(email: str) -> Conflict:
    return Conflict(f'The email "{email}" is taken', title="Email already exists")
