"""What administrators and Slack are told when the auditor has found something. Pure."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from services.notifier.directory import Directory
from services.notifier.occasion import Told
from services.notifier.rules import NEWS
from services.notifier.wording import for_slack
from shared.alerting import OCCASION, notification_of, wording_of
from shared.domain.ids import slack_id
from shared.events import Alert, InstantsUnaccounted, SlackQueued

_ICONS = {"error": ":red_circle:", "warning": ":warning:", "success": ":white_check_mark:"}


def of_alert(alert: Alert, directory: Directory, job_url: Callable[[UUID], str], now: datetime) -> list[Told]:
    """A record for each administrator who can act, and a message to Slack where it is on; nothing of old alerts."""
    if now - alert.at > NEWS:
        return []
    told: list[Told] = [notification_of(alert, person.id) for person in directory.administrators()]
    if directory.slack is not None:
        told.append(
            SlackQueued(
                notification_id=slack_id(alert.alert_id, OCCASION),
                text=_slack_text(alert, job_url),
                created_at=alert.at,
            )
        )
    return told


def _slack_text(alert: Alert, job_url: Callable[[UUID], str]) -> str:
    wording = wording_of(alert)
    text = f"{_ICONS[wording.level]} {wording.title}: {for_slack(wording.message)}"
    if not isinstance(alert, InstantsUnaccounted):
        return text
    link = job_url(alert.job_id).replace("&", "&amp;")
    return f"{text}\n<{link}|Open the job>"
