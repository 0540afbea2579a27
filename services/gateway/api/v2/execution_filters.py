"""What the lists of executions are asked for, of one job and of all."""

from enum import StrEnum
from typing import Annotated, TypeAlias

from fastapi import Depends, Query

from services.gateway.api.dependencies import InPeriod
from services.gateway.queries.executions import ExecutionFilter
from shared.domain.execution import Kind, Outcome, Status, statuses_named
from shared.errors import RuleViolation

MAX_LIMIT = 200

_WORDS = list(dict.fromkeys([*map(str, Outcome), *map(str, Status)]))


class TargetKind(StrEnum):
    """What an execution calls."""

    GITHUB_ACTIONS = "github_actions"
    WEBHOOK = "webhook"


def _statuses(
    status: Annotated[
        str | None,
        Query(
            description=f"One of {', '.join(_WORDS)}; several are separated by commas. `running` is all that has not "
            "ended, also what waits for its turn; `failed` includes `dead_letter` and `lost`.",
        ),
    ] = None,
) -> frozenset[Status]:
    words = [word for part in (status or "").split(",") if (word := part.strip())]
    try:
        return frozenset().union(*(statuses_named(word) for word in words))
    except ValueError as error:
        raise RuleViolation(f"status must be of: {', '.join(_WORDS)}", title="Invalid status") from error


def _filter(
    statuses: Annotated[frozenset[Status], Depends(_statuses)],
    period: InPeriod,
    trigger_type: Annotated[Kind | None, Query(description="Who asked for the execution.")] = None,
) -> ExecutionFilter:
    return ExecutionFilter(statuses=statuses, kind=trigger_type, period=period)


InFilter: TypeAlias = Annotated[ExecutionFilter, Depends(_filter)]
