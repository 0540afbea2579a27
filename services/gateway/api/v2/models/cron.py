"""Looking at a cron expression before it becomes a job's."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AliasChoices, AwareDatetime, ConfigDict, Field

from services.gateway.api.v2.fields import TimeZone
from services.gateway.api.v2.models.common import Input, View

MAX_PREVIEW = 100

_Expression: TypeAlias = Annotated[
    str,
    Field(
        validation_alias=AliasChoices("cron_expression", "expression"),
        description="Five fields: minute, hour, day of month, month, day of week. `expression` is the same.",
    ),
]


class CronCheckRequest(Input):
    """The expression to be checked."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"cron_expression": "0 2 * * *", "timezone": "Asia/Tokyo"}]}
    )

    cron_expression: _Expression
    timezone: TimeZone | None = None


class CronPreviewRequest(CronCheckRequest):
    """The expression whose next runs are wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cron_expression": "0 2 * * *", "count": 5}]})

    count: int = Field(default=5, strict=True, ge=1, le=MAX_PREVIEW, description="How many runs.")


class ValidCron(View):
    """The expression can be kept."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "valid": True,
                    "message": "Valid cron expression",
                    "cron_expression": "0 2 * * *",
                    "description": "At 02:00 AM every day",
                    "timezone": "Asia/Tokyo",
                }
            ]
        }
    )

    valid: Literal[True] = True
    message: str = "Valid cron expression"
    cron_expression: str
    description: str = Field(description="The expression in words.")
    timezone: str


class InvalidCron(View):
    """The expression cannot be kept, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "valid": False,
                    "error": "Invalid cron expression",
                    "message": "Cron expression must have exactly 5 fields",
                    "cron_expression": "0 2 * *",
                    "timezone": "Asia/Tokyo",
                }
            ]
        }
    )

    valid: Literal[False] = False
    error: str
    message: str
    cron_expression: str
    timezone: str


class ClockChangeView(View):
    """What the zone's next clock change does to the runs."""

    at: AwareDatetime
    description: str
    runs_around: list[AwareDatetime] = Field(
        description="The last two runs of the two days before the change, and the first three of those after it."
    )


class CronPreviewAnswer(View):
    """The next runs, with the zone's offset at each."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "cron_expression": "0 2 * * *",
                    "next_runs": ["2026-12-23T02:00:00+09:00", "2026-12-24T02:00:00+09:00"],
                    "timezone": "Asia/Tokyo",
                    "count": 2,
                    "dst_change": None,
                }
            ]
        }
    )

    cron_expression: str
    next_runs: list[AwareDatetime]
    timezone: str
    count: int
    dst_change: ClockChangeView | None = Field(
        description="The zone's next clock change; null where none is known."
    )
