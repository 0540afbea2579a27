"""The account of a job's planned instants."""

from typing import Any, Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from services.gateway.api.v2.models.common import PeriodView, View
from shared.domain.execution import Outcome, Status

_JOB_ID = "9d4c2282-9b95-4f79-823b-43c73fc3f7c7"
_EXECUTION_ID = "0d2c9a54-55a5-5c3e-8f8e-6f8d1f1b7a10"
_ENTRY: dict[str, Any] = {
    "planned_at": "2026-11-20T17:00:00Z",
    "planned_to": "2026-11-20T17:00:00Z",
    "planned_count": 1,
    "not_before": None,
    "started_at": None,
    "completed_at": None,
    "duration_seconds": None,
    "status": "missed",
    "state": "missed",
    "reason": "The scheduler was down; a later instant of the job runs in its place",
    "into_execution_id": None,
    "execution_id": _EXECUTION_ID,
    "job_version": 3,
    "backfilled_by": {
        "execution_id": "5f6b1b8e-41a0-5a5b-9f9b-64c1f1d2c3a4",
        "status": "success",
        "state": "success",
    },
    "backfilled_count": 1,
    "unaccounted": False,
}
Planned: TypeAlias = Literal["planned"]


class BackfilledByView(View):
    """A run that makes up for an instant."""

    execution_id: UUID
    status: Outcome
    state: Status = Field(description="The same, precisely.")


class LedgerEntryView(View):
    """A planned instant, or a range of them, and what became of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})

    planned_at: AwareDatetime
    planned_to: AwareDatetime = Field(description="The last instant of a range; else the same.")
    planned_count: int = Field(description="How many planned instants this entry stands for.")
    not_before: AwareDatetime | None = Field(
        description="Its slot, where the job spreads its runs; else it may run when it is planned."
    )
    started_at: AwareDatetime | None = Field(description="When its newest attempt began.")
    completed_at: AwareDatetime | None
    duration_seconds: float | None
    status: Outcome | Planned = Field(
        description="`planned` until it is decided; `running` until its run has ended, then `success` or `failed`; "
        "else why it did not run."
    )
    state: Status | Planned = Field(description="The same, precisely.")
    reason: str | None = Field(description="Why it did not run, or for what it waits.")
    into_execution_id: UUID | None = Field(description="The run that stands for it.")
    execution_id: UUID | None = Field(description="Its row among the executions; null while it is planned.")
    job_version: int = Field(description="The version of the job that planned it.")
    backfilled_by: BackfilledByView | None = Field(
        description="The run that made up for it, if any; null for a range."
    )
    backfilled_count: int = Field(
        description="For how many of its instants a backfill that has not failed was asked for."
    )
    unaccounted: bool = Field(
        description="Its time is long past and nobody has decided on it: the scheduler stands still."
    )


class LedgerTotals(View):
    """How many planned instants of the range ended how; ranges that reach into it count as a whole."""

    total: int = Field(description="All that are decided.")
    success: int
    failed: int
    running: int
    missed: int
    skipped: int
    cancelled: int


class JobLedgerAnswer(View):
    """A page of a job's planned instants, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "job_id": _JOB_ID,
                    "job_name": "Daily Backup Job",
                    "totals": {
                        "total": 30,
                        "success": 28,
                        "failed": 1,
                        "running": 0,
                        "missed": 1,
                        "skipped": 0,
                        "cancelled": 0,
                    },
                    "entries": [_ENTRY],
                    "next_cursor": None,
                    "range": {"from": "2026-10-22T00:00:00Z", "to": "2026-11-21T00:00:00Z"},
                }
            ]
        }
    )

    job_id: UUID
    job_name: str
    totals: LedgerTotals
    entries: list[LedgerEntryView]
    next_cursor: str | None = Field(description="Asks for the page after this one; null on the last one.")
    range: PeriodView
