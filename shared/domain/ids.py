"""Deterministic ids: whoever derives the same thing twice names it alike, so that the second one is a duplicate.

The formats are on the bus and in SQL; they never change (docs/events.md).
"""

from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID, uuid5

_SCHEDULER = UUID("00000000-0000-4000-8000-000000000002")
"""What alerts about no job in particular are about."""


@lru_cache(maxsize=1024)
def instant_text(instant: datetime) -> str:
    """A planned instant as it stands in ids: UTC, whole seconds, `Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def planned_execution_id(job_id: UUID, instant: datetime) -> UUID:
    """The execution of a job's planned instant."""
    return uuid5(job_id, instant_text(instant))


def manual_execution_id(job_id: UUID, command_id: UUID) -> UUID:
    """The execution that a person asked for."""
    return uuid5(job_id, f"manual:{command_id}")


def backfill_execution_id(job_id: UUID, request_id: UUID, instant: datetime) -> UUID:
    """The execution that makes up for a planned instant."""
    return uuid5(job_id, f"backfill:{request_id}:{instant_text(instant)}")


def notification_id(about: UUID, occasion: str, user_id: UUID) -> UUID:
    """The one inbox record that a user gets when something happens to an execution or a job."""
    return uuid5(about, f"{occasion}:{user_id}")


def mail_id(about: UUID, occasion: str, address: str) -> UUID:
    """The one mail that an address gets then, however it is written; also its `Message-ID`."""
    return uuid5(about, f"{occasion}:mail:{address.lower()}")


def slack_id(about: UUID, occasion: str) -> UUID:
    """The one message that Slack gets then."""
    return uuid5(about, f"{occasion}:slack")


def failure_notification_id(execution_id: UUID, user_id: UUID) -> UUID:
    """The one notification that a user gets for a failed execution."""
    return notification_id(execution_id, "failed", user_id)


def unaccounted_alert_id(job_id: UUID, first: datetime) -> UUID:
    """The alert that instants of a job, from this one on, were found without a decision."""
    return uuid5(job_id, f"unaccounted:{instant_text(first)}")


def scheduler_silent_alert_id(since: datetime) -> UUID:
    """The alert that nobody has decided anything since then."""
    return uuid5(_SCHEDULER, f"silent:{instant_text(since)}")


def scheduler_heard_alert_id(since: datetime) -> UUID:
    """The alert that the silence that began then is over."""
    return uuid5(_SCHEDULER, f"heard:{instant_text(since)}")


def decision_message_id(job_id: UUID, instant: datetime) -> str:
    """One message per planned instant, whatever was decided about it."""
    return f"d:{job_id}:{instant_text(instant)}"


def released_message_id(execution_id: UUID) -> str:
    """What became of a planned instant that waited: its run, or that it will not run."""
    return f"r:{execution_id}"


def manual_message_id(execution_id: UUID) -> str:
    """The trigger of a run that a person asked for."""
    return f"m:{execution_id}"


def again_message_id(execution_id: UUID, generation: int, count: int) -> str:
    """A trigger that is published again because the store that held it is gone."""
    return f"again:{execution_id}:{generation}:{count}"


def report_message_id(execution_id: UUID, redrive: int, attempt: int, phase: str) -> str:
    """How one attempt ended (claims have no id: their compare-and-set comes first)."""
    return f"{execution_id}:{redrive}:{attempt}:{phase}"
