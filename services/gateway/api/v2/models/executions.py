"""Executions, as they are shown."""

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from services.gateway.api.v2.models.common import PeriodView, View
from services.gateway.api.v2.models.jobs import JobReference
from shared.domain.execution import Kind, Outcome, Phase, Status

_JOB_ID = "9d4c2282-9b95-4f79-823b-43c73fc3f7c7"
_RUN: dict[str, Any] = {
    "id": "0d2c9a54-55a5-5c3e-8f8e-6f8d1f1b7a10",
    "job_id": _JOB_ID,
    "job_name": "Daily Backup Job",
    "github_repo": "myrepo",
    "status": "success",
    "state": "success",
    "trigger_type": "scheduled",
    "started_at": "2026-11-21T17:00:00Z",
    "completed_at": "2026-11-21T17:00:15.234000Z",
    "duration_seconds": 15.234,
    "execution_type": "github_actions",
    "target": "myorg/myrepo/backup.yml",
    "response_status": 204,
    "error_message": None,
    "output": None,
    "planned_at": "2026-11-21T17:00:00Z",
    "planned_to": "2026-11-21T17:00:00Z",
    "planned_count": 1,
    "not_before": None,
    "backfills": None,
    "queued_at": "2026-11-21T17:00:00Z",
    "attempt": 1,
    "job_version": 3,
    "reason": None,
    "into_execution_id": None,
}
_ATTEMPT: dict[str, Any] = {
    "attempt": 1,
    "phase": "succeeded",
    **{name: _RUN[name] for name in ("started_at", "completed_at", "duration_seconds")},
    **{name: _RUN[name] for name in ("response_status", "error_message")},
}
_DETAIL = {**_RUN, "attempts": [_ATTEMPT]}


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class ExecutionView(View):
    """An execution, or a planned instant (or a range of them) that did not run, with the reason."""

    model_config = _example(**_RUN)

    id: UUID
    job_id: UUID
    job_name: str = Field(description="The job's name when it was decided.")
    github_repo: str | None = Field(description="The repository of a GitHub target.")
    status: Outcome = Field(
        description="`running` until it has ended, then `success` or `failed`; else why it did not run."
    )
    state: Status = Field(description="The same, precisely.")
    trigger_type: Kind
    started_at: AwareDatetime | None = Field(
        description="Of the newest attempt; before the first one, when it was asked for. Null if it never ran."
    )
    completed_at: AwareDatetime | None
    duration_seconds: float | None
    execution_type: str = Field(description="The kind of target, such as `webhook`.")
    target: str = Field(description="What is called.")
    response_status: int | None
    error_message: str | None
    output: str | None
    planned_at: AwareDatetime | None = Field(
        description="The planned instant; null for runs that somebody asked for."
    )
    planned_to: AwareDatetime | None = Field(
        description="The last instant of a range; else the same as `planned_at`."
    )
    planned_count: int = Field(description="How many planned instants this row stands for.")
    not_before: AwareDatetime | None = Field(
        description="Its slot, where the job spreads its runs; else null: it may run when it is planned."
    )
    backfills: AwareDatetime | None = Field(description="The planned instant that a backfill makes up for.")
    queued_at: AwareDatetime = Field(description="When it was decided or asked for.")
    attempt: int = Field(description="The newest attempt; 0 before the first one.")
    job_version: int
    reason: str | None = Field(description="Why it did not run, or for what it waits.")
    into_execution_id: UUID | None = Field(description="The run that stands for a missed one.")


class AttemptView(View):
    """One attempt at an execution."""

    attempt: int
    phase: Phase
    started_at: AwareDatetime | None
    completed_at: AwareDatetime | None
    duration_seconds: float | None
    response_status: int | None
    error_message: str | None


class ExecutionDetailView(ExecutionView):
    """An execution with its attempts."""

    model_config = _example(**_DETAIL)

    attempts: list[AttemptView]


class ExecutionAnswer(View):
    """One execution."""

    model_config = _example(execution=_DETAIL)

    execution: ExecutionDetailView


class JobExecutionAnswer(View):
    """One execution of a job, and the job."""

    model_config = _example(job={"id": _JOB_ID, "name": "Daily Backup Job"}, execution=_DETAIL)

    job: JobReference
    execution: ExecutionDetailView


class JobExecutionsAnswer(View):
    """A job's executions, newest first."""

    model_config = _example(
        job_id=_JOB_ID, job_name="Daily Backup Job", total_executions=1, executions=[_RUN]
    )

    job_id: UUID
    job_name: str
    total_executions: int = Field(description="How many match, whatever the limit.")
    executions: list[ExecutionView]


class ExecutionsAnswer(View):
    """A page of the executions of all jobs, newest first."""

    model_config = _example(
        executions=[_RUN],
        total=1250,
        page=1,
        limit=20,
        total_pages=63,
        next_cursor="AAZEC2CO0AANLJpUVaVcPo-Ob40fG3oQ",
        range={"from": None, "to": None},
    )

    executions: list[ExecutionView]
    total: int
    page: int
    limit: int
    total_pages: int
    next_cursor: str | None = Field(description="Asks for the page after this one; null on the last one.")
    range: PeriodView


class JobStatisticsView(View):
    """How a job's runs ended. `total_executions` are those that run or ran; what never ran is counted beside it."""

    total_executions: int
    success_count: int
    failed_count: int
    running_count: int
    success_rate: float = Field(description="Successful runs in percent of the total; 0 without any.")
    average_duration_seconds: float | None = Field(
        description="Of the runs that ended; null if there are none."
    )
    missed_count: int
    skipped_count: int
    cancelled_count: int


class JobStatisticsAnswer(View):
    """A job's statistics and its newest run."""

    model_config = _example(
        job_id=_JOB_ID,
        job_name="Daily Backup Job",
        statistics={
            "total_executions": 10,
            "success_count": 8,
            "failed_count": 2,
            "running_count": 0,
            "success_rate": 80.0,
            "average_duration_seconds": 12.34,
            "missed_count": 1,
            "skipped_count": 0,
            "cancelled_count": 0,
        },
        latest_execution=_RUN,
    )

    job_id: UUID
    job_name: str
    statistics: JobStatisticsView
    latest_execution: ExecutionView | None


class StatisticsAnswer(View):
    """How the runs of all jobs ended. What never ran is counted beside the total."""

    model_config = _example(
        total_executions=1250,
        successful_executions=1180,
        failed_executions=65,
        running_executions=5,
        success_rate=94.4,
        average_duration_seconds=12.5,
        missed_executions=3,
        skipped_executions=0,
        cancelled_executions=1,
        range={"from": "2026-11-01T00:00:00Z", "to": "2026-11-22T00:00:00Z"},
    )

    total_executions: int
    successful_executions: int
    failed_executions: int
    running_executions: int
    success_rate: float = Field(description="Successful runs in percent of the total; 0 without any.")
    average_duration_seconds: float = Field(description="Of the runs that ended; 0 if there are none.")
    missed_executions: int
    skipped_executions: int
    cancelled_executions: int
    range: PeriodView


class TriggeredAnswer(View):
    """The run that was asked for."""

    model_config = _example(
        message="Job triggered successfully",
        job_id=_JOB_ID,
        execution={
            **_RUN,
            "status": "running",
            "state": "queued",
            "trigger_type": "manual",
            "completed_at": None,
            "duration_seconds": None,
            "response_status": None,
            "planned_at": None,
            "planned_to": None,
            "attempt": 0,
        },
    )

    message: str = "Job triggered successfully"
    job_id: UUID
    execution: ExecutionView
