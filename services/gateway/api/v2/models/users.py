"""Users and their preferences, as they are written and shown."""

from typing import Annotated, Any, Self, TypeAlias
from uuid import UUID, uuid5

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from services.gateway.api.errors import MISSING_FIELDS
from services.gateway.api.v2.fields import Flag
from services.gateway.api.v2.models.auth import USER_EXAMPLE, UserView, example
from services.gateway.api.v2.models.common import Input, Update, View, not_given
from services.gateway.domain.actor import Role
from shared.domain.directory import NotificationPreferences, UiPreferences
from shared.events import User

_NOTIFICATIONS_EXAMPLE: dict[str, Any] = {
    "id": "5b3c1de3-7f2b-5f0e-9a4a-0f2ac3a0d6d1",
    "user_id": USER_EXAMPLE["id"],
    **NotificationPreferences().model_dump(),
    "created_at": USER_EXAMPLE["created_at"],
    "updated_at": USER_EXAMPLE["updated_at"],
}
_UI_EXAMPLE: dict[str, Any] = {"jobs_table_columns": UiPreferences().model_dump()}

# Any value: what is no role is refused by the rules, in the contract's words.
GivenRole: TypeAlias = Annotated[
    object, WithJsonSchema({"type": "string", "enum": list(Role)}), Field(description="What the user may do.")
]


def _object(value: object) -> object:
    if value is None:
        raise PydanticCustomError("missing_columns", "is required", {"title": MISSING_FIELDS})
    if not isinstance(value, dict):
        raise PydanticCustomError("no_object", "must be an object", {"title": "Invalid payload"})
    return value


class UserCreate(Input):
    """A new user."""

    model_config = example(
        {
            "username": "grace",
            "email": "grace@example.com",
            "password": "correct horse",
            "role": "user",
        }
    )

    username: str = Field(description="3 to 80 letters, digits or underscores; unique, and never changes.")
    email: str = Field(description="A valid address, unique, of at most 120 characters.")
    password: str = Field(description="6 to 128 characters.")
    role: GivenRole = Role.VIEWER
    is_active: Flag = Field(default=True, description="Whether the user may log in.")


class UserUpdate(Update):
    """Changes of a user: what is not given stays as it is."""

    model_config = example({"email": "hopper@example.com", "password": "battery staple"})
    fixed = frozenset({"id", "username", "created_at", "updated_at"})

    email: str | None = Field(
        default=None, description="A valid address that nobody else has. Empty: stays as it is."
    )
    password: str | None = Field(
        default=None,
        description="6 to 128 characters; ends all sessions of the user. Empty: stays as it is.",
    )
    role: GivenRole = Field(default_factory=not_given, description="For administrators; ends all sessions.")
    is_active: Flag = Field(default_factory=not_given, description="For administrators; ends all sessions.")

    @model_validator(mode="before")
    @classmethod
    def _unknown_fields_alone_are_no_fields(cls, value: Any) -> Any:
        if isinstance(value, dict) and not value.keys() & cls.model_fields.keys():
            return {}
        return value

    def fields(self) -> dict[str, Any]:
        """What is given."""
        given = self.model_dump(exclude_unset=True)
        return {name: value for name, value in given.items() if value or name not in ("email", "password")}


class NotificationPreferencesUpdate(Update):
    """Changes of what a user wants to be told: what is not given stays as it is."""

    model_config = example({"daily_digest": True})
    fixed = frozenset({"id", "user_id", "created_at", "updated_at"})

    email_on_job_success: Flag = Field(default_factory=not_given)
    email_on_job_failure: Flag = Field(default_factory=not_given)
    email_on_job_disabled: Flag = Field(default_factory=not_given)
    browser_notifications: Flag = Field(default_factory=not_given)
    daily_digest: Flag = Field(default_factory=not_given)
    weekly_report: Flag = Field(default_factory=not_given)

    def fields(self) -> dict[str, bool]:
        """What is given."""
        return self.model_dump(exclude_unset=True)


class JobsTableColumns(BaseModel):
    """Which optional columns the table of jobs shows; others are passed over, missing ones get their default."""

    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)

    pic_team: Flag = True
    end_date: Flag = True
    cron_expression: Flag = False
    target_url: Flag = False
    last_execution_at: Flag = False


class UiPreferencesUpdate(Input):
    """What a user's pages look like from now on."""

    model_config = example(_UI_EXAMPLE)

    jobs_table_columns: Annotated[JobsTableColumns, BeforeValidator(_object)]

    def preferences(self) -> UiPreferences:
        """The same as it is kept."""
        return UiPreferences(**self.jobs_table_columns.model_dump())


class UserAnswer(View):
    """One user."""

    model_config = example({"user": USER_EXAMPLE})

    user: UserView


class UsersAnswer(View):
    """All users, oldest first."""

    model_config = example({"count": 1, "users": [USER_EXAMPLE]})

    count: int
    users: list[UserView]


class UserRegisteredAnswer(UserAnswer):
    """A new user."""

    model_config = example({"message": "User registered successfully", "user": USER_EXAMPLE})

    message: str = "User registered successfully"


class UserUpdatedAnswer(UserAnswer):
    """A user as it is now."""

    model_config = example(
        {"message": "User updated successfully", "updated_fields": ["email"], "user": USER_EXAMPLE}
    )

    message: str = "User updated successfully"
    updated_fields: list[str] = Field(description="What the request set.")


class UserReference(View):
    """A user who was."""

    id: UUID
    username: str


class UserDeletedAnswer(View):
    """A user is gone."""

    model_config = example(
        {
            "message": "User deleted successfully",
            "deleted_user": {"id": USER_EXAMPLE["id"], "username": USER_EXAMPLE["username"]},
        }
    )

    message: str = "User deleted successfully"
    deleted_user: UserReference


class NotificationPreferencesView(View):
    """What a user wants to be told, and how."""

    model_config = example(_NOTIFICATIONS_EXAMPLE)

    id: UUID
    user_id: UUID
    email_on_job_success: bool
    email_on_job_failure: bool
    email_on_job_disabled: bool
    browser_notifications: bool
    daily_digest: bool
    weekly_report: bool
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @classmethod
    def of(cls, user: User) -> Self:
        """A user's choices, or the defaults; they live and change with the user."""
        chosen = user.notification_preferences or NotificationPreferences()
        return cls(
            id=uuid5(user.id, "notification-preferences"),
            user_id=user.id,
            created_at=user.created_at,
            updated_at=user.updated_at,
            **chosen.model_dump(),
        )


class NotificationPreferencesAnswer(View):
    """What a user wants to be told."""

    model_config = example(
        {
            "message": "Notification preferences retrieved successfully",
            "preferences": _NOTIFICATIONS_EXAMPLE,
        }
    )

    message: str
    preferences: NotificationPreferencesView


class UiPreferencesView(View):
    """What a user's pages look like."""

    model_config = example(_UI_EXAMPLE)

    jobs_table_columns: JobsTableColumns

    @classmethod
    def of(cls, user: User) -> Self:
        """A user's choices, or the defaults."""
        chosen = user.ui_preferences or UiPreferences()
        return cls(jobs_table_columns=JobsTableColumns.model_validate(chosen))


class UiPreferencesAnswer(View):
    """What a user's pages look like."""

    model_config = example({"preferences": _UI_EXAMPLE})

    preferences: UiPreferencesView
