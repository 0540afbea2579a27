"""Making up for planned instants that did not run."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response, status

from services.gateway.api.dependencies import JobId, ThisGateway, parse_id
from services.gateway.api.errors import error_responses
from services.gateway.api.headers import Retrying
from services.gateway.api.permissions import Editor
from services.gateway.api.v2.models.backfill import BackfillAnswer, BackfillCancelledAnswer, BackfillRequest
from services.gateway.commands import backfill as commands
from services.gateway.commands.backfill import Backfill, Wanted
from services.gateway.queries.period import InvalidDateRange, parse_period

v2_router = APIRouter(prefix="/jobs/{job_id}", tags=["Executions"])

_NOTHING_RUNS: dict[int | str, dict[str, Any]] = {
    200: {"model": BackfillAnswer, "description": "A dry run, or nothing to make up for: nothing runs."}
}


def _backfill_id(backfill_id: Annotated[str, Path(description="The backfill's id.")]) -> UUID:
    return parse_id(backfill_id, "Backfill")


@v2_router.post(
    "/backfill",
    status_code=status.HTTP_202_ACCEPTED,
    responses={**_NOTHING_RUNS, **error_responses(400, 401, 403, 404, 409, 413)},
)
async def backfill_job(
    gateway: ThisGateway,
    caller: Editor,
    job_id: JobId,
    body: BackfillRequest,
    retry: Retrying,
    response: Response,
) -> BackfillAnswer:
    """Run a job for planned instants of the past, in their order, at most `max_instances` at a time; paused or not."""
    wanted = _wanted(body)
    if body.dry_run:
        made = await commands.preview_backfill(gateway, job_id, caller.actor, wanted)
    else:
        outcome = await commands.backfill_once(
            gateway,
            job_id,
            caller.actor,
            caller.user.id,
            wanted,
            retry.keyed(caller, "backfill job", body),
        )
        retry.tell(outcome)
        made = outcome.value
    if made.id is None:
        response.status_code = status.HTTP_200_OK
    return _answer(job_id, made, is_dry_run=body.dry_run)


@v2_router.delete("/backfill/{backfill_id}", responses=error_responses(401, 403, 404))
async def cancel_backfill(
    gateway: ThisGateway,
    caller: Editor,
    job_id: JobId,
    backfill_id: Annotated[UUID, Depends(_backfill_id)],
) -> BackfillCancelledAnswer:
    """Call off what still waits of a backfill; what has begun goes on."""
    called_off = await commands.cancel_backfill(gateway, job_id, backfill_id, caller.actor)
    return BackfillCancelledAnswer(
        job_id=job_id, backfill_id=backfill_id, cancelled=len(called_off), execution_ids=list(called_off)
    )


def _wanted(body: BackfillRequest) -> Wanted:
    period = parse_period(body.from_, body.to)
    if period.start is None or period.end is None:
        raise InvalidDateRange
    return Wanted(begin=period.start, end=period.end, statuses=body.wanted_statuses(), limit=body.limit)


def _answer(job_id: UUID, made: Backfill, *, is_dry_run: bool) -> BackfillAnswer:
    return BackfillAnswer(
        job_id=job_id,
        backfill_id=made.id,
        dry_run=is_dry_run,
        count=len(made.instants),
        instants=made.instants,
        execution_ids=made.execution_ids,
    )
