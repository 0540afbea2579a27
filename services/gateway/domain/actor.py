"""Who gives a command, as far as the rules care."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias
from uuid import UUID

from shared.errors import Forbidden

INSUFFICIENT = "Insufficient permissions"

RoleName: TypeAlias = Literal["admin", "user", "viewer"]


class Role(StrEnum):
    """What a user may do: everything, their own jobs, or only look."""

    ADMIN = "admin"
    USER = "user"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, or the system itself (which has an administrator's rights and no id)."""

    id: UUID | None
    role: Role

    @property
    def name(self) -> str:
        """How the actor stands in the history."""
        return f"user:{self.id}" if self.id else "system"

    def must_be_allowed_to_change(self, owner_id: UUID) -> None:
        """Raise `Forbidden` unless the thing is theirs or they are an administrator."""
        if self.role is Role.ADMIN or (self.role is Role.USER and self.id == owner_id):
            return
        raise Forbidden("You can only change your own jobs", title=INSUFFICIENT)


SYSTEM = Actor(None, Role.ADMIN)
