"""The inbox, as it is shown."""

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from services.gateway.api.v2.models.common import PeriodView, View

_NOTIFICATION: dict[str, Any] = {
    "id": "5f0c1f0e-6a51-4f0b-9a55-0f5d3f6f1c11",
    "user_id": "2b0e6f57-3a0a-4b59-8d7e-4f0f2b8b6d0a",
    "title": "Job Failed",
    "message": "Job 'Daily Backup' failed with error: Connection timeout",
    "type": "error",
    "related_job_id": "9d4c2282-9b95-4f79-823b-43c73fc3f7c7",
    "related_execution_id": "0d2c9a54-55a5-5c3e-8f8e-6f8d1f1b7a10",
    "is_read": False,
    "read_at": None,
    "created_at": "2026-11-21T10:30:00Z",
}
_READ = {**_NOTIFICATION, "is_read": True, "read_at": "2026-11-21T10:35:00Z"}
_PERIOD = {"from": "2026-11-01T00:00:00Z", "to": None}


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class NotificationView(View):
    """One message in the inbox."""

    model_config = _example(**_NOTIFICATION)

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

    model_config = _example(
        notifications=[_NOTIFICATION], total=45, page=1, per_page=20, total_pages=3, range=_PERIOD
    )

    notifications: list[NotificationView]
    total: int
    page: int
    per_page: int
    total_pages: int
    range: PeriodView


class UnreadCountAnswer(View):
    """How many notifications were not read."""

    model_config = _example(unread_count=12, range=_PERIOD)

    unread_count: int
    range: PeriodView


class NotificationReadAnswer(View):
    """The notification that was read."""

    model_config = _example(message="Notification marked as read", notification=_READ)

    message: str = "Notification marked as read"
    notification: NotificationView


class AllReadAnswer(View):
    """How many notifications were read by that."""

    model_config = _example(message="All notifications marked as read", updated_count=12)

    message: str = "All notifications marked as read"
    updated_count: int


class NotificationDeletedAnswer(View):
    """The notification is gone."""

    model_config = _example(message="Notification deleted successfully")

    message: str = "Notification deleted successfully"


class ReadDeletedAnswer(View):
    """How many notifications are gone."""

    model_config = _example(deleted_count=33)

    deleted_count: int = Field(description="Those that had been read, and nothing else.")
