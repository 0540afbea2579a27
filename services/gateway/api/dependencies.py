"""What routes take from a request."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Depends, Path, Query, Request

from services.gateway.gateway import Gateway
from services.gateway.queries.period import Period, parse_period
from shared.errors import NotFound


def gateway_of(request: Request) -> Gateway:
    """The process's parts; `app` put them there when it started."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def parse_id(text: str, thing: str) -> UUID:
    """An id as it is written in answers; what is none cannot name anything that exists (`NotFound`)."""
    try:
        parsed = UUID(text)
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != text.lower():
        raise NotFound("This is not a valid ID", title=f"{thing} not found")
    return parsed


def _job_id(job_id: Annotated[str, Path(description="The job's id.")]) -> UUID:
    return parse_id(job_id, "Job")


def _execution_id(execution_id: Annotated[str, Path(description="The execution's id.")]) -> UUID:
    return parse_id(execution_id, "Execution")


def _period(
    start: Annotated[
        str | None,
        Query(
            alias="from",
            description="ISO 8601 date or date and time (UTC unless it says otherwise), inclusive.",
        ),
    ] = None,
    end: Annotated[
        str | None, Query(alias="to", description="The same, exclusive; a date covers that whole day.")
    ] = None,
) -> Period:
    return parse_period(start, end)


ThisGateway: TypeAlias = Annotated[Gateway, Depends(gateway_of)]
JobId: TypeAlias = Annotated[UUID, Depends(_job_id)]
ExecutionId: TypeAlias = Annotated[UUID, Depends(_execution_id)]
InPeriod: TypeAlias = Annotated[Period, Depends(_period)]
