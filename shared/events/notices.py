"""What waits to be sent to people elsewhere: the messages of NOTICES."""

from datetime import date
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime

from shared.events.base import Event


class MailQueued(Event):
    """A mail to one address. What it says is written when it is sent."""

    type: Literal["notice.mail"] = "notice.mail"
    notification_id: UUID
    to: str
    about: Literal["failure", "success", "ended", "failing"]
    job_id: UUID
    job_name: str
    job_url: str
    error: str | None = None
    """Of a failure."""
    duration_seconds: float | None = None
    """Of a success."""
    last_day: date | None = None
    """Of a job that has ended."""
    failures: int | None = None
    """Of a job that was paused after so many in a row."""
    created_at: AwareDatetime


class SlackQueued(Event):
    """A message to Slack. Where it goes is looked up when it is sent."""

    type: Literal["notice.slack"] = "notice.slack"
    notification_id: UUID
    text: str
    """In Slack's own notation, with everything escaped that is not ours."""
    created_at: AwareDatetime


Notice: TypeAlias = MailQueued | SlackQueued
