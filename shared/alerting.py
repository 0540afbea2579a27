"""What administrators read of an alert: the same record, whoever writes it.

The notifier posts it. While the bus is away the gateway writes it into the inbox itself; the ids make both one record.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, assert_never
from uuid import UUID

from shared.domain.ids import notification_id
from shared.events import Alert, InstantsUnaccounted, NotificationPosted, SchedulerHeard, SchedulerSilent

OCCASION = "alert"


@dataclass(frozen=True, slots=True)
class AlertWording:
    """An alert as people read it."""

    title: str
    message: str
    level: Literal["success", "warning", "error"]


def notification_of(alert: Alert, user_id: UUID) -> NotificationPosted:
    """The inbox record of one administrator."""
    wording = wording_of(alert)
    return NotificationPosted(
        notification_id=notification_id(alert.alert_id, OCCASION, user_id),
        user_id=user_id,
        title=wording.title,
        message=wording.message,
        level=wording.level,
        related_job_id=alert.job_id if isinstance(alert, InstantsUnaccounted) else None,
        created_at=alert.at,
    )


def wording_of(alert: Alert) -> AlertWording:
    """Title and text; a job's name stands in it as it is."""
    match alert:
        case InstantsUnaccounted():
            message = f"Job '{alert.job_name}': {_undecided(alert)} on record as missed."
            return AlertWording("Planned runs unaccounted for", message, "error")
        case SchedulerSilent():
            return AlertWording("Scheduler silent", _silence(alert), "warning")
        case SchedulerHeard():
            message = f"Decisions on planned runs are recorded again; there were none since {_written(alert.since)}."
            return AlertWording("Scheduler back", message, "success")
        case _:
            assert_never(alert)


def _silence(alert: SchedulerSilent) -> str:
    # What is known is the record alone: where only that stands still, runs go on.
    message = (
        f"No decision on planned runs has been recorded since {_written(alert.since)}: "
        "they do not begin, or nobody writes down that they do."
    )
    return message if alert.bus_is_reachable else f"{message} The message bus cannot be reached."


def _undecided(alert: InstantsUnaccounted) -> str:
    if alert.count == 1:
        return f"nothing was decided on the planned run of {_written(alert.from_)}. It is"
    interval = f"from {_written(alert.from_)} to {_written(alert.to)}"
    return f"nothing was decided on {alert.count} planned runs {interval}. They are"


def _written(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
