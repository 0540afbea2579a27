"""The fields of a job as v2 takes them: what their text may look like. What they mean together is for the rules."""

import re
from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, EmailStr, Field, StringConstraints, WithJsonSchema

from services.gateway.domain.job import MAX_NAME_LENGTH
from services.gateway.domain.target import MAX_URL_LENGTH
from shared.domain.cron import MAX_LENGTH as MAX_CRON_LENGTH
from shared.domain.job import MAX_TIMEOUT_SECONDS

MAX_EMAILS = 50
MAX_METADATA_DEPTH = 32
MAX_NUMBER = 2**63

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _one_line(text: str) -> str:
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


def _storable(metadata: dict[str, Any]) -> dict[str, Any]:
    """Only what both databases keep and the bus carries: no NUL, no NaN, no numbers beyond 64 bits."""
    _check_storable(metadata, depth=1)
    return metadata


def _check_storable(value: object, depth: int) -> None:
    if depth > MAX_METADATA_DEPTH:
        raise ValueError(f"must not be nested deeper than {MAX_METADATA_DEPTH} levels")
    match value:
        case dict():
            for key, item in value.items():
                _check_storable(key, depth)
                _check_storable(item, depth + 1)
        case list():
            for item in value:
                _check_storable(item, depth + 1)
        case str() if "\0" in value:
            raise ValueError("must not contain NUL")
        # PostgreSQL gives a large float back as an integer; the bus carries those up to 64 bits.
        case int() | float() if not -MAX_NUMBER < value < MAX_NUMBER:
            raise ValueError("must not contain numbers beyond 64 bits")
        case _:
            return


OneLine: TypeAlias = Annotated[str, AfterValidator(_one_line)]
JobName: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_LENGTH),
    AfterValidator(_one_line),
    Field(description="Unique among all jobs."),
]
CronExpression: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CRON_LENGTH),
    Field(description="Five fields: minute, hour, day of month, month, day of week.", examples=["0 2 * * *"]),
]
EndDate: TypeAlias = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "format": "date"}),
    Field(description="The last day that still runs, in the job's time zone; today or later."),
]
TargetUrl: TypeAlias = Annotated[
    str,
    StringConstraints(max_length=MAX_URL_LENGTH),
    Field(description="Called at each run: http or https, with a host, without user name and password."),
]
Metadata: TypeAlias = Annotated[
    dict[str, Any], AfterValidator(_storable), Field(description="Any JSON object; a POST sends it along.")
]
Emails: TypeAlias = Annotated[
    list[EmailStr],
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
    str, StringConstraints(strip_whitespace=True, max_length=255), AfterValidator(_one_line)
]
TaxonomyName: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    AfterValidator(_one_line),
]
