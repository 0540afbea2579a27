"""The caller's inbox."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.gateway.api.dependencies import InPeriod, ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import AnyRole
from services.gateway.api.v2.models.common import PeriodView
from services.gateway.api.v2.models.notifications import NotificationsAnswer, NotificationView
from services.gateway.queries.notifications import list_notifications

MAX_PER_PAGE = 100
MAX_PAGE = 1_000_000

router = APIRouter(prefix="/notifications", tags=["Notifications"])


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
