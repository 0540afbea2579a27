"""Making up for planned instants."""

from enum import StrEnum
from typing import Annotated, Self, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, model_validator

from services.gateway.api.v2.fields import Flag
from services.gateway.api.v2.models.common import Input, View
from services.gateway.domain.backfill import MAX_RUNS
from shared.domain.execution import STATUSES_OF, Outcome, Status

_JOB_ID = "9d4c2282-9b95-4f79-823b-43c73fc3f7c7"
_BACKFILL_ID = "1f0a7f0e-5f9e-4f3a-8f0a-2b7d0b8f6a55"
_EXECUTION_ID = "0d2c9a54-55a5-5c3e-8f8e-6f8d1f1b7a10"

_Moment: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class NotRunWord(StrEnum):
    """What became of an instant that a backfill may make up for."""

    MISSED = "missed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    FAILED = "failed"


class BackfillRequest(Input):
    """Which instants are made up for: what did not run, or everything in the range."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"},
                {"from": "2026-11-01", "to": "2026-11-07", "only_missed": False, "dry_run": True},
            ]
        }
    )

    from_: _Moment = Field(
        alias="from",
        description="ISO 8601 date or date and time (UTC unless it says otherwise), inclusive.",
    )
    to: _Moment = Field(
        description="The same, exclusive; a date covers that whole day. What is still to come is left out."
    )
    only_missed: Flag = Field(
        default=True,
        description="Only planned instants that did not run and that no backfill has made up for. If false, every "
        "instant in the range that the job's present schedule plans, whether it ran or not.",
    )
    statuses: list[NotRunWord] | None = Field(
        default=None,
        min_length=1,
        max_length=len(NotRunWord),
        description="Which instants count as not run; by default those that were missed.",
    )
    dry_run: Flag = Field(default=False, description="Only say which instants these are.")
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_RUNS)] = Field(
        default=100, description="More instants than that are refused, and nothing runs."
    )

    @model_validator(mode="after")
    def _statuses_are_of_what_did_not_run(self) -> Self:
        if self.statuses is not None and not self.only_missed:
            raise ValueError("statuses are for only_missed")
        return self

    def wanted_statuses(self) -> frozenset[Status] | None:
        """The statuses of the rows that count; None where all instants do."""
        if not self.only_missed:
            return None
        words = self.statuses or [NotRunWord.MISSED]
        return frozenset().union(*(STATUSES_OF[Outcome(word.value)] for word in words))


class BackfillAnswer(View):
    """The instants, in their order, and the runs that make up for them one after another."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "job_id": _JOB_ID,
                    "backfill_id": _BACKFILL_ID,
                    "dry_run": False,
                    "count": 1,
                    "instants": ["2026-11-20T17:00:00Z"],
                    "execution_ids": [_EXECUTION_ID],
                }
            ]
        }
    )

    job_id: UUID
    backfill_id: UUID | None = Field(
        description="Cancels what still waits of it; null in a dry run, and where there is nothing to make up for."
    )
    dry_run: bool
    count: int
    instants: list[AwareDatetime]
    execution_ids: list[UUID] = Field(description="Of the runs, as the instants; empty in a dry run.")


class BackfillCancelledAnswer(View):
    """What was called off."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "message": "Backfill cancelled successfully",
                    "job_id": _JOB_ID,
                    "backfill_id": _BACKFILL_ID,
                    "cancelled": 1,
                    "execution_ids": [_EXECUTION_ID],
                }
            ]
        }
    )

    message: str = "Backfill cancelled successfully"
    job_id: UUID
    backfill_id: UUID
    cancelled: int = Field(description="How many runs waited; those that had begun go on.")
    execution_ids: list[UUID]
