"""When a job is planned, and when it keeps still, as it is written and shown."""

import re
from datetime import datetime, time, timedelta
from typing import Annotated, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from services.gateway.api.v2.fields import in_time, one_line
from services.gateway.api.v2.models.common import Input, View
from shared.domain.schedule import Exclusion

MAX_NOTE_LENGTH = 64
"""So that a job's event, which carries all of them twice, stays well below what the bus takes."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LOCAL_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?", re.ASCII)
_ONE_DAY = timedelta(days=1)


def _day_or_local_time(value: object) -> str:
    if not isinstance(value, str) or not (_DAY.fullmatch(value) or _LOCAL_TIME.fullmatch(value)):
        raise ValueError(
            "must be a day like 2026-12-25, or a local time like 2026-12-24T18:00 without offset"
        )
    try:
        begin = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("is not a time of the calendar") from error
    in_time(begin)
    return value


def _day(value: object) -> str:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a day like 2026-12-25")
    return _day_or_local_time(value)


DayOrLocalTime: TypeAlias = Annotated[
    str,
    BeforeValidator(_day_or_local_time),
    WithJsonSchema({"type": "string", "examples": ["2026-12-25", "2026-12-24T18:00"]}),
]
Day: TypeAlias = Annotated[str, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Note: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=MAX_NOTE_LENGTH), AfterValidator(one_line)
]


class ExclusionInput(Input):
    """A stretch of local time in which nothing is planned: one day, or from one day or time to another."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"date": "2026-12-25", "note": "Christmas"},
                {"from": "2026-12-29", "to": "2027-01-03", "note": "Year-end freeze"},
                {"from": "2026-11-27T18:00", "to": "2026-11-28T06:00"},
            ]
        }
    )

    date: Day | None = Field(default=None, description="One whole day; without `from` and `to`.")
    from_: DayOrLocalTime | None = Field(default=None, alias="from", description="The beginning, inclusive.")
    to: DayOrLocalTime | None = Field(
        default=None, description="The end, exclusive; a day without a time is excluded as a whole."
    )
    note: Note | None = Field(default=None, description="Why, for people.")

    @model_validator(mode="after")
    def _is_one_stretch(self) -> Self:
        begins_and_ends = self.from_ is not None and self.to is not None
        if self.date is not None and (self.from_ is not None or self.to is not None):
            raise ValueError("give either date, or from and to")
        if self.date is None and not begins_and_ends:
            raise ValueError("needs a date, or from and to")
        exclusion = exclusion_of(self)
        if exclusion.end <= exclusion.begin:
            raise ValueError("must end after it begins")
        return self


class ExclusionView(View):
    """A stretch of local time in which nothing is planned; it can be sent back as it is."""

    model_config = ConfigDict(
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=True,
        json_schema_extra={"examples": [{"from": "2026-12-25", "to": "2026-12-25", "note": "Christmas"}]},
    )

    from_: str = Field(alias="from", description="The beginning, inclusive: a day or a local time.")
    to: str = Field(description="The end, exclusive; a day without a time is excluded as a whole.")
    note: str | None


def exclusion_of(given: ExclusionInput) -> Exclusion:
    """The stretch that is meant."""
    first, last = given.date or given.from_ or "", given.date or given.to or ""
    end = datetime.fromisoformat(last)
    return Exclusion(
        begin=datetime.fromisoformat(first),
        end=end + _ONE_DAY if _DAY.fullmatch(last) else end,
        note=given.note or None,
    )


def exclusion_view(exclusion: Exclusion) -> ExclusionView:
    """A stretch as people read it: in days, where it is made of whole ones."""
    begin, end = exclusion.begin, exclusion.end
    if begin.time() == end.time() == time():
        return ExclusionView(
            from_=begin.date().isoformat(), to=(end - _ONE_DAY).date().isoformat(), note=exclusion.note
        )
    return ExclusionView(from_=begin.isoformat(), to=end.isoformat(), note=exclusion.note)
