"""Messages for people: the messages of INBOX."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from shared.events.base import Event


class NotificationPosted(Event):
    """A message for a user's inbox."""

    type: Literal["inbox.posted"] = "inbox.posted"
    notification_id: UUID
    user_id: UUID
    title: str
    message: str
    level: Literal["info", "success", "warning", "error"]
    related_job_id: UUID | None = None
    related_execution_id: UUID | None = None
    created_at: AwareDatetime
