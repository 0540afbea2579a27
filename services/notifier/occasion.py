"""Something that happened to a job, and the forms in which it can be told. Each has an id that follows from it, so that
telling it twice tells it once."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias
from uuid import UUID

from services.notifier.directory import Directory
from services.notifier.wording import mention
from shared.domain.ids import mail_id, notification_id, slack_id
from shared.events import MailQueued, NotificationPosted, SlackQueued

Told: TypeAlias = NotificationPosted | MailQueued | SlackQueued


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What is to be told, and of what."""

    about: UUID
    """The execution or the job that it happened to."""
    name: str
    """What happened, told apart from everything else that happens to the same one."""
    job_id: UUID
    job_name: str
    job_url: str
    pic_team: str | None
    at: datetime
    execution_id: UUID | None = None

    def record(
        self, user_id: UUID, title: str, message: str, level: Literal["success", "warning", "error"]
    ) -> NotificationPosted:
        """A line in a user's inbox."""
        return NotificationPosted(
            notification_id=notification_id(self.about, self.name, user_id),
            user_id=user_id,
            title=title,
            message=message,
            level=level,
            related_job_id=self.job_id,
            related_execution_id=self.execution_id,
            created_at=self.at,
        )

    def mail(
        self,
        to: str,
        about: Literal["failure", "success", "ended", "failing"],
        *,
        error: str | None = None,
        duration_seconds: float | None = None,
        last_day: date | None = None,
        failures: int | None = None,
    ) -> MailQueued:
        """A mail to one address."""
        return MailQueued(
            notification_id=mail_id(self.about, self.name, to),
            to=to,
            about=about,
            job_id=self.job_id,
            job_name=self.job_name,
            job_url=self.job_url,
            error=error,
            duration_seconds=duration_seconds,
            last_day=last_day,
            failures=failures,
            created_at=self.at,
        )

    def slack(self, directory: Directory, icon: str, *lines: str) -> list[SlackQueued]:
        """A message that mentions the job's team and links to the job; none while Slack is off. The lines are escaped."""
        if directory.slack is None:
            return []
        first, *others = lines
        link = f"<{self.job_url.replace('&', '&amp;')}|Open the job>"
        text = "\n".join([f"{icon} {mention(directory.handle(self.pic_team))}{first}", *others, link])
        return [SlackQueued(notification_id=slack_id(self.about, self.name), text=text, created_at=self.at)]
