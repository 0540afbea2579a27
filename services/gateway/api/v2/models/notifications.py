"""The inbox, as it is shown."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from services.gateway.api.v2.models.common import PeriodView, View


class NotificationView(View):
    """One message in the inbox."""

    id: UUID
    user_id: UUID
    title: str
    message: str
    type: Literal["info", "success", "warning", "error"]
    related_job_id: UUID | None
    related_execution_id: UUID | None
    is_read: bool
    read_at: AwareDatetime | None
    created_at: AwareDatetime


class NotificationsAnswer(View):
    """A page of the inbox, newest first."""

    notifications: list[NotificationView]
    total: int
    page: int
    per_page: int
    total_pages: int
    range: PeriodView
