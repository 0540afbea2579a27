"""The rules of users. Passwords are none of their business: they stand elsewhere, and a change shows as a token version."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from services.gateway.domain.actor import Actor, Role
from shared.errors import Conflict, Forbidden, RuleViolation
from shared.events import DomainEvent, User, UserRegistered

USERNAME = re.compile(r"[A-Za-z0-9_]{3,80}")
MAX_EMAIL_LENGTH = 120


@dataclass(frozen=True, slots=True)
class UserState:
    """`user` is None before the first event."""

    user: User | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterUser:
    """Create a user; the two `taken` facts are read in the same transaction."""

    user_id: UUID
    username: str
    email: str
    role: Role
    actor: Actor
    now: datetime
    username_taken: bool
    email_taken: bool


UserCommand: TypeAlias = RegisterUser


class InvalidUser(RuleViolation):
    """A field has a value that no user may have."""


def decide(command: UserCommand, state: UserState) -> list[DomainEvent]:
    """What follows from a command. Raises the domain's errors."""
    return _register(command, state)


def evolve(state: UserState, event: DomainEvent) -> UserState:
    """The state after an event; user events carry it whole."""
    if isinstance(event, UserRegistered):
        return UserState(event.user, event.user.version)
    return state


def _register(command: RegisterUser, state: UserState) -> list[DomainEvent]:
    if command.actor.role is not Role.ADMIN:
        raise Forbidden("Only administrators can register users")
    if not USERNAME.fullmatch(command.username):
        raise InvalidUser(
            "username must have 3 to 80 letters, digits or underscores", title="Invalid username"
        )
    if len(command.email) > MAX_EMAIL_LENGTH:
        raise InvalidUser(f"email must have at most {MAX_EMAIL_LENGTH} characters", title="Invalid email")
    if command.username_taken:
        raise Conflict(f'The username "{command.username}" is taken', title="Username already exists")
    if command.email_taken:
        raise Conflict(f'The email "{command.email}" is taken', title="Email already exists")
    return [
        UserRegistered(
            user=User(
                id=command.user_id,
                username=command.username,
                email=command.email,
                role=command.role.value,
                version=state.version + 1,
                created_at=command.now,
                updated_at=command.now,
            )
        )
    ]
