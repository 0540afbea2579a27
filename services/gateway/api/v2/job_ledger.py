"""The account of a job's planned instants."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from services.gateway.api.dependencies import InPeriod, JobId, ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import AnyRole
from services.gateway.api.v2.execution_filters import MAX_LIMIT
from services.gateway.api.v2.execution_rendering import period_view
from services.gateway.api.v2.models.job_ledger import (
    BackfilledByView,
    JobLedgerAnswer,
    LedgerEntryView,
    LedgerTotals,
)
from services.gateway.queries.job_ledger import LedgerEntry, MadeUpBy, job_ledger, ledger_period
from shared.domain.execution import Status, outcome_of

v2_router = APIRouter(prefix="/jobs/{job_id}", tags=["Executions"])

_UNDECIDED: dict[str, Any] = {
    "planned_count": 1,
    "status": "planned",
    "state": "planned",
    **dict.fromkeys(
        ("started_at", "completed_at", "duration_seconds", "reason", "into_execution_id", "execution_id")
    ),
}


@v2_router.get("/ledger", responses=error_responses(400, 401, 404))
async def get_ledger(
    gateway: ThisGateway,
    _caller: AnyRole,
    job_id: JobId,
    asked: InPeriod,
    limit: Annotated[int, Query(ge=1, description=f"At most {MAX_LIMIT}; a higher one means that.")] = 50,
    cursor: Annotated[
        str | None, Query(description="The `next_cursor` of an answer, with its range.")
    ] = None,
) -> JobLedgerAnswer:
    """Each planned instant of a job and what became of it, newest first, also for deleted jobs.

    By default the last 30 days; of what is to come, up to a year ahead, what is planned by now.
    """
    now = gateway.clock()
    period = ledger_period(asked, now)
    found = await job_ledger(gateway.database, job_id, period, min(limit, MAX_LIMIT), cursor, now)
    return JobLedgerAnswer(
        job_id=job_id,
        job_name=found.job_name,
        totals=LedgerTotals(
            total=sum(found.totals.values()),
            **{outcome.value: number for outcome, number in found.totals.items()},
        ),
        entries=[_entry_view(entry) for entry in found.entries],
        next_cursor=found.next_cursor,
        range=period_view(period),
    )


def _entry_view(entry: LedgerEntry) -> LedgerEntryView:
    shared: dict[str, Any] = {
        "planned_at": entry.planned_at,
        "not_before": entry.not_before,
        "job_version": entry.job_version,
        "backfilled_by": _backfilled_by_view(entry.made_up_by),
        "backfilled_count": entry.made_up_count,
        "unaccounted": entry.is_unaccounted,
    }
    row = entry.row
    if row is None:
        return LedgerEntryView(**{**_UNDECIDED, **shared, "planned_to": entry.planned_at})
    state = Status(row.status)
    return LedgerEntryView(
        **shared,
        planned_to=row.planned_to or row.planned_at,
        planned_count=row.planned_count,
        started_at=row.started_at,
        completed_at=row.completed_at,
        duration_seconds=row.duration_seconds,
        status=outcome_of(state),
        state=state,
        # Who calls off a run says why in its report.
        reason=(row.error_message if state is Status.CANCELLED else None) or row.reason,
        into_execution_id=row.into_execution_id,
        execution_id=row.id,
    )


def _backfilled_by_view(made_up_by: MadeUpBy | None) -> BackfilledByView | None:
    if made_up_by is None:
        return None
    return BackfilledByView(
        execution_id=made_up_by.execution_id, status=outcome_of(made_up_by.state), state=made_up_by.state
    )
