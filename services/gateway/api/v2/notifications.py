"""The caller's inbox. Nobody sees or touches anybody else's, administrators neither."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from services.gateway.api.dependencies import InPeriod, ThisGateway, parse_id
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import AnyRole
from services.gateway.api.v2.models.common import PeriodView
from services.gateway.api.v2.models.notifications import (
    AllReadAnswer,
    NotificationDeletedAnswer,
    NotificationReadAnswer,
    NotificationsAnswer,
    NotificationView,
    ReadDeletedAnswer,
    UnreadCountAnswer,
)
from services.gateway.commands import notifications as commands
from services.gateway.queries.notifications import count_unread, list_notifications

MAX_PER_PAGE = 100
MAX_PAGE = 1_000_000

router = APIRouter(prefix="/notifications", tags=["Notifications"])


def _notification_id(notification_id: Annotated[str, Path(description="The notification's id.")]) -> UUID:
    return parse_id(notification_id, "Notification")


NotificationId: TypeAlias = Annotated[UUID, Depends(_notification_id)]


@router.get("", responses=error_responses(400, 401))
async def get_notifications(
    gateway: ThisGateway,
    caller: AnyRole,
    period: InPeriod,
    page: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Counted from 1.")] = 1,
    per_page: Annotated[
        int, Query(ge=1, description=f"At most {MAX_PER_PAGE}; a higher one means that.")
    ] = 20,
    unread_only: Annotated[bool, Query(description="Leave out what was read.")] = False,
) -> NotificationsAnswer:
    """The caller's notifications, newest first."""
    size = min(per_page, MAX_PER_PAGE)
    found = await list_notifications(
        gateway.database, caller.user.id, page=page, per_page=size, unread_only=unread_only, period=period
    )
    return NotificationsAnswer(
        notifications=[NotificationView.model_validate(row) for row in found.rows],
        total=found.total,
        page=page,
        per_page=size,
        total_pages=-(-found.total // size),
        range=PeriodView(from_=period.start, to=period.end),
    )


@router.get("/unread-count", responses=error_responses(400, 401))
async def get_unread_count(gateway: ThisGateway, caller: AnyRole, period: InPeriod) -> UnreadCountAnswer:
    """How many notifications the caller has not read."""
    count = await count_unread(gateway.database, caller.user.id, period)
    return UnreadCountAnswer(unread_count=count, range=PeriodView(from_=period.start, to=period.end))


@router.put("/read-all", responses=error_responses(400, 401))
async def read_all_notifications(gateway: ThisGateway, caller: AnyRole, period: InPeriod) -> AllReadAnswer:
    """Mark all of the caller's notifications as read, or those of a period."""
    return AllReadAnswer(updated_count=await commands.mark_all_read(gateway, caller.user.id, period))


@router.put("/{notification_id}/read", responses=error_responses(401, 403, 404))
async def read_notification(
    gateway: ThisGateway, caller: AnyRole, notification_id: NotificationId
) -> NotificationReadAnswer:
    """Mark one notification as read; it keeps the time of the first reading."""
    row = await commands.mark_read(gateway, notification_id, caller.user.id)
    return NotificationReadAnswer(notification=NotificationView.model_validate(row))


@router.delete("/delete-read", responses=error_responses(400, 401))
async def delete_read_notifications(
    gateway: ThisGateway, caller: AnyRole, period: InPeriod
) -> ReadDeletedAnswer:
    """Delete what the caller has read, or what of it came in a period."""
    return ReadDeletedAnswer(deleted_count=await commands.delete_read(gateway, caller.user.id, period))


@router.delete("/{notification_id}", responses=error_responses(401, 403, 404))
async def delete_notification(
    gateway: ThisGateway, caller: AnyRole, notification_id: NotificationId
) -> NotificationDeletedAnswer:
    """Delete one notification."""
    await commands.delete_notification(gateway, notification_id, caller.user.id)
    return NotificationDeletedAnswer()
