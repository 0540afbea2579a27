"""The fields of a job as v2 takes them: what their text may look like. What they mean together is for the rules."""

import re
from datetime import date, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from services.gateway.domain.address import email_address
from services.gateway.domain.job import (
    EMPTY_NAME,
    MAX_FAILURES,
    MAX_INSTANCES,
    MAX_MISFIRE_GRACE_SECONDS,
    MAX_NAME_LENGTH,
)
from services.gateway.domain.metadata import metadata_problem
from services.gateway.domain.target import MAX_URL_LENGTH
from shared.domain.job import MAX_TIMEOUT_SECONDS
from shared.domain.schedule import EPOCH, LAST_YEAR, MAX_CRON_LENGTH

MAX_EMAILS = 50

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.0+)?)?(Z|[+-]\d{2}:\d{2}(:\d{2})?)?", re.ASCII)


def one_line(text: str) -> str:
    """The text; raises ValueError if it is more than a line."""
    # A job's name ends up in mail headers and in chats; PostgreSQL takes no NUL at all.
    if _CONTROL.search(text):
        raise ValueError("must not contain line breaks or control characters")
    return text


def _day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a date like 2026-12-31")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError("is not a day of the calendar") from error


def in_time(moment: datetime) -> datetime:
    """The moment; raises ValueError where nothing is planned any more, or was yet."""
    if not EPOCH.year <= moment.year <= LAST_YEAR:
        raise ValueError(f"must be in the years {EPOCH.year} to {LAST_YEAR}")
    return moment


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("must be a whole second like 2026-12-01T09:00:00, or with an offset at its end")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("is not a time of the calendar") from error
    return in_time(moment)


def _named(name: str) -> str:
    if not name:
        raise PydanticCustomError("empty_name", "must not be empty", {"title": EMPTY_NAME})
    return one_line(name)


def _storable(metadata: dict[str, Any]) -> dict[str, Any]:
    if (problem := metadata_problem(metadata)) is not None:
        raise ValueError(problem)
    return metadata


OneLine: TypeAlias = Annotated[str, AfterValidator(one_line)]
JobName: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_NAME_LENGTH),
    AfterValidator(_named),
    Field(description="Unique among all jobs; not empty.", json_schema_extra={"minLength": 1}),
]
CronExpression: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CRON_LENGTH),
    Field(description="Five fields: minute, hour, day of month, month, day of week.", examples=["0 2 * * *"]),
]
EndDate: TypeAlias = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date",
            "description": "The last day that still runs, in the job's time zone; today or later.",
        }
    ),
]
TargetUrl: TypeAlias = Annotated[
    str,
    StringConstraints(max_length=MAX_URL_LENGTH),
    Field(description="Called at each run: http or https, with a host, without user name and password."),
]
Metadata: TypeAlias = Annotated[
    dict[str, Any], AfterValidator(_storable), Field(description="Any JSON object; a POST sends it along.")
]
Email: TypeAlias = Annotated[
    str, AfterValidator(email_address), WithJsonSchema({"type": "string", "format": "email"})
]
Emails: TypeAlias = Annotated[
    list[Email],
    Field(max_length=MAX_EMAILS, description="Who is told by e-mail, if that is enabled."),
]
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
TimeZone: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(
        description="IANA name of the zone of the schedule; by default SCHEDULER_TIMEZONE.",
        examples=["Asia/Tokyo"],
    ),
]
TimeoutSeconds: TypeAlias = Annotated[
    float,
    Field(
        strict=True, ge=1, le=MAX_TIMEOUT_SECONDS, allow_inf_nan=False, description="For one call as a whole."
    ),
]
GitHubName: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=255), AfterValidator(one_line)
]
TaxonomyName: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    AfterValidator(one_line),
]
Moment: TypeAlias = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema(
        {"type": "string", "examples": ["2026-12-01T09:00:00", "2026-12-01T09:00:00+09:00"]},
    ),
]
"""An instant, or a local time whose zone the schedule knows."""
MisfireGraceSeconds: TypeAlias = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=MAX_MISFIRE_GRACE_SECONDS,
        description="How late a planned run may still begin after an outage.",
    ),
]
MaxInstances: TypeAlias = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=MAX_INSTANCES,
        description="How many planned runs may be unfinished at a time.",
    ),
]
PauseAfterFailures: TypeAlias = Annotated[
    Annotated[int, Field(strict=True, ge=1, le=MAX_FAILURES)] | None,
    Field(description="After so many failures in a row the job is paused; null: never."),
]
