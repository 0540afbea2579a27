"""Looking at a schedule before it becomes a job's."""

from typing import Any, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.gateway.api.v2.fields import CronExpression, Moment, TimeoutSeconds, TimeZone
from services.gateway.api.v2.models.common import Input, View
from services.gateway.api.v2.models.cron import ClockChangeView
from services.gateway.api.v2.models.job_schedules import (
    WEEKDAYS,
    ChangedSchedule,
    check_given_once,
    contradiction,
)
from services.gateway.api.v2.models.schedules import ExclusionView
from services.gateway.domain.schedule_preview import MAX_RUNS

WarningCode: TypeAlias = Literal[
    "never_fires",
    "all_excluded",
    "starts_late",
    "ends_soon",
    "fires_in_gap",
    "fires_in_fold",
    "denser_than_timeout",
    "jitter_exceeds_distance",
]


class PreviewRequest(Input):
    """The schedule to look at; with a job, what it would become if this were its update."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"schedule": WEEKDAYS, "count": 5},
                {"cron_expression": "0 2 * * *", "timezone": "Europe/Berlin", "from": "2027-03-27T12:00:00"},
                {
                    "schedule": {"jitter_seconds": 600},
                    "job_id": "550e8400-e29b-41d4-a716-446655440000",
                    "timeout_seconds": 60,
                },
            ]
        },
    )

    schedule: ChangedSchedule | None = None
    cron_expression: CronExpression | None = None
    timezone: TimeZone | None = None
    count: int = Field(default=10, strict=True, ge=1, le=MAX_RUNS, description="How many instants.")
    from_: Moment | None = Field(
        default=None,
        alias="from",
        description="After when; by default now. Without an offset a local time in the schedule's zone.",
    )
    timeout_seconds: TimeoutSeconds | None = Field(
        default=None, description="How long a run may take; by default what the job says, or a new one would."
    )
    job_id: UUID | None = Field(
        default=None, description="The job whose it would be: it says what is not given, and the slot."
    )

    @model_validator(mode="after")
    def _is_one_schedule(self) -> Self:
        if self.schedule is not None and self.cron_expression is not None:
            raise contradiction("give either cron_expression or schedule")
        if self.schedule is None and self.cron_expression is None and self.job_id is None:
            raise PydanticCustomError(
                "missing_schedule",
                "give a schedule, a cron_expression or a job_id",
                {"title": "Missing required fields"},
            )
        check_given_once("timezone", self.timezone, self.schedule)
        return self

    def fields(self) -> dict[str, Any]:
        """The same as fields of a schedule, as far as they are given."""
        flat = self.model_dump(include={"cron_expression", "timezone"}, exclude_none=True)
        return {**self.schedule.fields(), **flat} if self.schedule is not None else flat


class WindowView(View):
    """When a run begins whose slot is not known yet."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    from_: AwareDatetime = Field(alias="from")
    to: AwareDatetime = Field(description="Exclusive.")


class PlannedRunView(View):
    """A planned instant."""

    planned: AwareDatetime = Field(description="In the schedule's zone, with its offset.")
    planned_utc: AwareDatetime
    offset: str = Field(description="The zone's offset from UTC then.", examples=["+01:00"])
    actual: AwareDatetime | None = Field(
        description="When the run begins; null where that depends on the job (`actual_window`)."
    )
    actual_window: WindowView | None
    note: str | None = Field(description="How a change of the clock affects it.")


class PassedOverView(View):
    """An instant that is not planned, since it is excluded."""

    planned: AwareDatetime
    exclusion: ExclusionView
    calendar: str | None = Field(
        description="The slug of the calendar that excludes it; null: the schedule itself."
    )


class WarningView(View):
    """Something that may not be what was meant."""

    code: WarningCode
    message: str


class PreviewAnswer(View):
    """What the schedule will do."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "description": "At 09:00 AM on Monday through Friday",
                    "timezone": "Europe/Berlin",
                    "count": 1,
                    "runs": [
                        {
                            "planned": "2026-12-24T09:00:00+01:00",
                            "planned_utc": "2026-12-24T08:00:00Z",
                            "offset": "+01:00",
                            "actual": None,
                            "actual_window": {
                                "from": "2026-12-24T09:00:00+01:00",
                                "to": "2026-12-24T09:05:00+01:00",
                            },
                            "note": None,
                        }
                    ],
                    "excluded": [
                        {
                            "planned": "2026-12-25T09:00:00+01:00",
                            "exclusion": {"from": "2026-12-25", "to": "2026-12-25", "note": "Christmas"},
                            "calendar": "holidays",
                        }
                    ],
                    "dst_change": None,
                    "warnings": [
                        {"code": "ends_soon", "message": "Its last day is 2026-12-31."},
                    ],
                }
            ]
        }
    )

    description: str = Field(description="The schedule in words.")
    timezone: str
    count: int
    runs: list[PlannedRunView]
    excluded: list[PassedOverView] = Field(description="The first instants that exclusions pass over, a few.")
    dst_change: ClockChangeView | None = Field(
        description="The zone's next clock change, and the runs around it; null where none is known."
    )
    warnings: list[WarningView]
