"""Commands on what users want to be told, and on what their pages look like."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.commands.users import execute, existing
from services.gateway.domain.actor import Actor
from services.gateway.domain.user import ChooseNotifications, ChooseUi, UserCommand, UserState
from services.gateway.gateway import Gateway
from shared.domain.directory import UiPreferences
from shared.events import User


async def choose_notifications(
    gateway: Gateway, user_id: UUID, choices: Mapping[str, bool], actor: Actor
) -> User:
    """Change the given fields of `NotificationPreferences`; raises `UserNotFound` and `Forbidden`."""
    now = gateway.clock()

    async def prepare(_connection: AsyncConnection, _state: UserState) -> UserCommand:
        return ChooseNotifications(user_id=user_id, choices=choices, actor=actor, now=now)

    return existing(await execute(gateway, user_id, prepare, actor), user_id)


async def choose_ui(gateway: Gateway, user_id: UUID, preferences: UiPreferences, actor: Actor) -> User:
    """Replace what the user's pages look like; raises `UserNotFound` and `Forbidden`."""
    now = gateway.clock()

    async def prepare(_connection: AsyncConnection, _state: UserState) -> UserCommand:
        return ChooseUi(user_id=user_id, preferences=preferences, actor=actor, now=now)

    return existing(await execute(gateway, user_id, prepare, actor), user_id)
