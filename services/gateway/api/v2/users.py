"""Users, and what they want to be told and to see."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from services.gateway.api.dependencies import ThisGateway, parse_id
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import Admin, AnyRole, Caller
from services.gateway.api.v2.models.auth import UserView
from services.gateway.api.v2.models.users import (
    NotificationPreferencesAnswer,
    NotificationPreferencesUpdate,
    NotificationPreferencesView,
    UiPreferencesAnswer,
    UiPreferencesUpdate,
    UiPreferencesView,
    UserAnswer,
    UserDeletedAnswer,
    UserReference,
    UsersAnswer,
    UserUpdate,
    UserUpdatedAnswer,
)
from services.gateway.commands import preferences
from services.gateway.commands import users as commands
from services.gateway.domain.user import (
    OTHERS_PREFERENCES_CHANGED,
    OTHERS_PREFERENCES_SEEN,
    OTHERS_PROFILE_CHANGED,
    OTHERS_PROFILE_SEEN,
    must_be_self_or_admin,
)
from services.gateway.queries import users as queries

router = APIRouter(prefix="/auth/users", tags=["Users"])

PathId: TypeAlias = Annotated[str, Path(description="The user's id.")]


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody, and who may deal with them: an administrator, or they themselves."""

    caller: Caller
    id: UUID


class SelfOrAdmin:
    """Refuses others before anything is read; so they do not learn who exists."""

    def __init__(self, title: str) -> None:
        self._title = title

    async def __call__(self, caller: AnyRole, user_id: PathId) -> Subject:
        """Who is meant; raises `Forbidden` with the contract's string, then `NotFound`."""
        own = caller.user.id if user_id.lower() == str(caller.user.id) else None
        must_be_self_or_admin(caller.actor, own, self._title)
        return Subject(caller, parse_id(user_id, "User"))


async def _user_id(user_id: PathId) -> UUID:
    return parse_id(user_id, "User")


UserId: TypeAlias = Annotated[UUID, Depends(_user_id)]
SeenProfile: TypeAlias = Annotated[Subject, Depends(SelfOrAdmin(OTHERS_PROFILE_SEEN))]
ChangedProfile: TypeAlias = Annotated[Subject, Depends(SelfOrAdmin(OTHERS_PROFILE_CHANGED))]
SeenPreferences: TypeAlias = Annotated[Subject, Depends(SelfOrAdmin(OTHERS_PREFERENCES_SEEN))]
ChangedPreferences: TypeAlias = Annotated[Subject, Depends(SelfOrAdmin(OTHERS_PREFERENCES_CHANGED))]


@router.get("", responses=error_responses(401, 403))
async def list_users(gateway: ThisGateway, _caller: Admin) -> UsersAnswer:
    """All users; for administrators."""
    users = await queries.list_users(gateway.database)
    return UsersAnswer(count=len(users), users=[UserView.model_validate(user) for user in users])


@router.get("/{user_id}", responses=error_responses(401, 403, 404))
async def get_user(gateway: ThisGateway, subject: SeenProfile) -> UserAnswer:
    """One user: anybody for administrators, oneself for the others."""
    user = await queries.get_user(gateway.database, subject.id)
    return UserAnswer(user=UserView.model_validate(user))


@router.put("/{user_id}", responses=error_responses(400, 401, 403, 404, 409, 413))
async def update_user(gateway: ThisGateway, subject: ChangedProfile, body: UserUpdate) -> UserUpdatedAnswer:
    """Change a user: administrators everything of anybody, the others their own address and password.

    A new password, role or activity ends all sessions of the user.
    """
    fields = body.fields()
    user = await commands.update_user(gateway, subject.id, fields, subject.caller.actor)
    return UserUpdatedAnswer(updated_fields=list(fields), user=UserView.model_validate(user))


@router.delete("/{user_id}", responses=error_responses(400, 401, 403, 404, 409))
async def delete_user(gateway: ThisGateway, caller: Admin, user_id: UserId) -> UserDeletedAnswer:
    """Delete a user other than oneself; for administrators. The user's jobs stay."""
    name = await commands.delete_user(gateway, user_id, caller.actor)
    return UserDeletedAnswer(deleted_user=UserReference(id=user_id, username=name))


@router.get("/{user_id}/preferences", responses=error_responses(401, 403, 404))
async def get_notification_preferences(
    gateway: ThisGateway, subject: SeenPreferences
) -> NotificationPreferencesAnswer:
    """What a user wants to be told."""
    user = await queries.get_user(gateway.database, subject.id)
    return NotificationPreferencesAnswer(
        message="Notification preferences retrieved successfully",
        preferences=NotificationPreferencesView.of(user),
    )


@router.put("/{user_id}/preferences", responses=error_responses(400, 401, 403, 404, 409, 413))
async def update_notification_preferences(
    gateway: ThisGateway, subject: ChangedPreferences, body: NotificationPreferencesUpdate
) -> NotificationPreferencesAnswer:
    """Change what a user wants to be told; what is not given stays as it is."""
    user = await preferences.choose_notifications(gateway, subject.id, body.fields(), subject.caller.actor)
    return NotificationPreferencesAnswer(
        message="Notification preferences updated successfully",
        preferences=NotificationPreferencesView.of(user),
    )


@router.get("/{user_id}/ui-preferences", responses=error_responses(401, 403, 404))
async def get_ui_preferences(gateway: ThisGateway, subject: SeenPreferences) -> UiPreferencesAnswer:
    """What a user's pages look like."""
    user = await queries.get_user(gateway.database, subject.id)
    return UiPreferencesAnswer(preferences=UiPreferencesView.of(user))


@router.put("/{user_id}/ui-preferences", responses=error_responses(400, 401, 403, 404, 409, 413))
async def update_ui_preferences(
    gateway: ThisGateway, subject: ChangedPreferences, body: UiPreferencesUpdate
) -> UiPreferencesAnswer:
    """Choose what a user's pages look like; a column that is not given gets its default."""
    user = await preferences.choose_ui(gateway, subject.id, body.preferences(), subject.caller.actor)
    return UiPreferencesAnswer(preferences=UiPreferencesView.of(user))
