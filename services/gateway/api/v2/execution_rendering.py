"""Executions, from what the queries read to what v1 and v2 answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.gateway.api.v2.models.common import PeriodView
from services.gateway.api.v2.models.executions import (
    AttemptView,
    ExecutionDetailView,
    ExecutionView,
    JobStatisticsView,
    StatisticsAnswer,
)
from services.gateway.queries.executions import ExecutionDetail
from services.gateway.queries.period import Period
from services.gateway.queries.statistics import Statistics
from shared.domain.execution import RUN_OUTCOMES, Status, outcome_of

GITHUB = "github_actions"


def execution_view(row: Mapping[str, Any]) -> ExecutionView:
    """An execution's row, or the part of it that a new one has."""
    return ExecutionView(**_execution(row))


def execution_detail_view(detail: ExecutionDetail) -> ExecutionDetailView:
    """An execution's row with its attempts."""
    attempts = [AttemptView.model_validate(row) for row in detail.attempts]
    return ExecutionDetailView(**_execution(detail.row._asdict()), attempts=attempts)


def job_statistics_view(found: Statistics) -> JobStatisticsView:
    """Statistics in the words of one job's."""
    return JobStatisticsView(
        total_executions=found.total,
        success_count=found.success,
        failed_count=found.failed,
        running_count=found.running,
        success_rate=found.success_rate,
        average_duration_seconds=found.average_duration_seconds,
        missed_count=found.missed,
        skipped_count=found.skipped,
        cancelled_count=found.cancelled,
    )


def statistics_answer(found: Statistics, period: Period) -> StatisticsAnswer:
    """Statistics in the words of all jobs'."""
    return StatisticsAnswer(
        total_executions=found.total,
        successful_executions=found.success,
        failed_executions=found.failed,
        running_executions=found.running,
        success_rate=found.success_rate,
        average_duration_seconds=found.average_duration_seconds or 0.0,
        missed_executions=found.missed,
        skipped_executions=found.skipped,
        cancelled_executions=found.cancelled,
        range=period_view(period),
    )


def period_view(period: Period) -> PeriodView:
    """The period that was asked for."""
    return PeriodView(from_=period.start, to=period.end)


def _execution(row: Mapping[str, Any]) -> dict[str, Any]:
    state = Status(row["status"])
    return {
        "id": row["id"],
        "job_id": row["job_id"],
        "job_name": row["job_name"],
        "github_repo": _github_repo(row["target_kind"], row["target_label"]),
        "status": outcome_of(state),
        "state": state,
        "trigger_type": row["kind"],
        "started_at": _started_at(row, state),
        "completed_at": row.get("completed_at"),
        "duration_seconds": row.get("duration_seconds"),
        "execution_type": row["target_kind"],
        "target": row["target_label"],
        "response_status": row.get("response_status"),
        "error_message": row.get("error_message"),
        "output": row.get("output"),
        "planned_at": row.get("planned_at"),
        "planned_to": row.get("planned_to"),
        "planned_count": row.get("planned_count", 1),
        "not_before": row.get("not_before"),
        "backfills": row.get("backfills"),
        "queued_at": row["queued_at"],
        "attempt": row.get("attempt", 0),
        "job_version": row["job_version"],
        "reason": row.get("reason"),
        "into_execution_id": row.get("into_execution_id"),
    }


def _started_at(row: Mapping[str, Any], state: Status) -> datetime | None:
    started: datetime | None = row.get("started_at")
    if started is None and outcome_of(state) in RUN_OUTCOMES:
        asked: datetime = row["queued_at"]
        return asked
    return started


def _github_repo(kind: str, label: str) -> str | None:
    """Its name alone: the label of such a target is `owner/repo/workflow`."""
    parts = label.split("/")
    return parts[1] if kind == GITHUB and len(parts) > 1 else None
