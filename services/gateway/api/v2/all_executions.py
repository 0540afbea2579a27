"""The executions of all jobs, also of those that were deleted."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.gateway.api.dependencies import ExecutionId, InPeriod, ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import AnyRole
from services.gateway.api.v2.execution_filters import MAX_LIMIT, InFilter, TargetKind
from services.gateway.api.v2.execution_rendering import (
    execution_detail_view,
    execution_view,
    period_view,
    statistics_answer,
)
from services.gateway.api.v2.models.executions import ExecutionAnswer, ExecutionsAnswer, StatisticsAnswer
from services.gateway.queries import execution_pages, executions
from services.gateway.queries.execution_pages import InvalidCursor, Window, parse_cursor
from services.gateway.queries.executions import ExecutionFilter
from services.gateway.queries.statistics import execution_statistics

MAX_PAGE = 1_000_000

router = APIRouter(prefix="/executions", tags=["Executions"])

OfJob = Annotated[UUID | None, Query(description="Only this job's.")]
PageNumber = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Counted from 1.")]
Limit = Annotated[int, Query(ge=1, description=f"At most {MAX_LIMIT}; a higher one means that.")]


def _wanted(
    common: InFilter,
    job_id: OfJob = None,
    execution_type: Annotated[TargetKind | None, Query(description="What was called.")] = None,
) -> ExecutionFilter:
    kind = execution_type.value if execution_type is not None else None
    return replace(common, job_id=job_id, target_kind=kind)


def _window(
    page: PageNumber = 1,
    limit: Limit = 20,
    cursor: Annotated[
        str | None,
        Query(description="The `next_cursor` of an answer, in place of `page`: quick however deep it is."),
    ] = None,
) -> Window:
    size = min(limit, MAX_LIMIT)
    if not cursor:
        return Window(size=size, skip=(page - 1) * size)
    if page != 1:
        raise InvalidCursor("Give either page or cursor")
    return Window(size=size, after=parse_cursor(cursor))


@router.get("", responses=error_responses(400, 401))
async def list_executions(
    gateway: ThisGateway,
    _caller: AnyRole,
    wanted: Annotated[ExecutionFilter, Depends(_wanted)],
    window: Annotated[Window, Depends(_window)],
) -> ExecutionsAnswer:
    """The executions of all jobs, newest first; instants that did not run are among them, with the reason."""
    found = await execution_pages.list_executions(gateway.database, wanted, window)
    return ExecutionsAnswer(
        executions=[execution_view(row._asdict()) for row in found.rows],
        total=found.total,
        page=window.skip // window.size + 1,
        limit=window.size,
        total_pages=-(-found.total // window.size),
        next_cursor=found.next_cursor,
        range=period_view(wanted.period),
    )


@router.get("/statistics", responses=error_responses(400, 401))
async def get_statistics(
    gateway: ThisGateway, _caller: AnyRole, period: InPeriod, job_id: OfJob = None
) -> StatisticsAnswer:
    """How the executions of all jobs, or of one, ended."""
    wanted = ExecutionFilter(job_id=job_id, period=period)
    return statistics_answer(await execution_statistics(gateway.database, wanted), period)


@router.get("/{execution_id}", responses=error_responses(401, 404))
async def get_execution(gateway: ThisGateway, _caller: AnyRole, execution_id: ExecutionId) -> ExecutionAnswer:
    """One execution with its attempts."""
    found = await executions.get_execution(gateway.database, execution_id)
    return ExecutionAnswer(execution=execution_detail_view(found))
