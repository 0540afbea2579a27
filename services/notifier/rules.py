"""Who is told what. Pure: a report goes in, notifications come out."""

from shared.domain.execution import Phase
from shared.domain.ids import failure_notification_id
from shared.events import ExecutionReported, NotificationPosted

FAILURES = frozenset({Phase.FAILED, Phase.DEAD_LETTER})
MAX_ERROR_LENGTH = 500


def notifications(report: ExecutionReported) -> list[NotificationPosted]:
    """One inbox record for the job's owner when an execution has failed for good."""
    if report.phase not in FAILURES:
        return []
    facts = report.facts
    reason = (report.error or "no reason was given")[:MAX_ERROR_LENGTH]
    return [
        NotificationPosted(
            notification_id=failure_notification_id(facts.execution_id, facts.owner_id),
            user_id=facts.owner_id,
            title="Job Failed",
            message=f"Job '{facts.job_name}' failed with error: {reason}",
            level="error",
            related_job_id=facts.job_id,
            related_execution_id=facts.execution_id,
            created_at=report.at,
        )
    ]
