"""The schedule of a job, as it is written and shown."""

from datetime import date
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AwareDatetime, ConfigDict, Discriminator, Field, JsonValue, StringConstraints, Tag
from pydantic_core import PydanticCustomError

from services.gateway.api.v2.fields import EndDate, Flag, Moment, TaxonomyName, TimeZone
from services.gateway.api.v2.models.common import Input, View, choice, not_given
from services.gateway.api.v2.models.schedules import ExclusionInput, ExclusionView, exclusion_of
from services.gateway.domain.schedule_input import INVALID_SCHEDULE
from shared.domain.schedule import (
    MAX_CRON_LENGTH,
    MAX_EVERY_SECONDS,
    MAX_EXCLUSIONS,
    MAX_JITTER_SECONDS,
    FoldPolicy,
    GapPolicy,
)

WEEKDAYS: dict[str, JsonValue] = {
    "kind": "cron",
    "expression": "0 9 * * MON-FRI",
    "gap": "run",
    "fold": "first",
    "timezone": "Europe/Berlin",
    "jitter_seconds": 300,
    "exclusions": [
        {"date": "2026-12-25", "note": "Christmas"},
        {"from": "2026-12-29", "to": "2027-01-03"},
        {"calendar": "holidays"},
    ],
}
EVERY_90_SECONDS: dict[str, JsonValue] = {
    "kind": "interval",
    "every_seconds": 90,
    "anchor": "2026-11-21T10:00:00Z",
}
ONCE: dict[str, JsonValue] = {"kind": "once", "at": "2026-12-01T09:00:00", "timezone": "Asia/Tokyo"}
_NO_KIND = "change"
_TIME, _CALENDAR = choice("time"), choice("calendar")
_KINDS = "kind must be cron, interval or once"
_GAP = (
    "Local times that a clock change skips: `run` once, right after it, or `skip` them. `debian`: `skip` if the minute "
    "or the hour begins with `*`, else `run`."
)
_FOLD = (
    "Local times that come twice: the `first`, the `last` or `both`. `debian`: `both` if the minute or the hour begins "
    "with `*`, else `first`."
)
_LOCAL = (
    "Without an offset a local time in the schedule's zone: one that comes twice is the first one, "
    "one that is skipped is right after the gap."
)


class FollowedCalendar(Input):
    """A named calendar: its times are excluded, as they are and as they will be."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"calendar": "holidays"}]})

    calendar: TaxonomyName = Field(description="Its slug or its name.")
    version: int | None = Field(
        default=None, strict=True, ge=1, le=2**31 - 1, description="As it is shown; passed over."
    )


def _excluded(value: Any) -> str:
    is_calendar = isinstance(value, FollowedCalendar) or (isinstance(value, dict) and "calendar" in value)
    return _CALENDAR if is_calendar else _TIME


Excluded: TypeAlias = Annotated[
    Annotated[ExclusionInput, Tag(_TIME)] | Annotated[FollowedCalendar, Tag(_CALENDAR)],
    Discriminator(_excluded),
]


class ScheduleChange(Input):
    """What schedules of all kinds have; what is not given stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"jitter_seconds": 300, "exclusions": [{"calendar": "holidays"}]}]}
    )

    timezone: TimeZone = Field(default_factory=not_given)
    start_at: Moment | None = Field(default=None, description=f"Nothing is planned before it. {_LOCAL}")
    end_date: EndDate | None = None
    jitter_seconds: int = Field(
        default=0,
        strict=True,
        ge=0,
        le=MAX_JITTER_SECONDS,
        description="Up to how much later than planned a run begins: always as much for the same job.",
    )
    exclusions: list[Excluded] = Field(
        default_factory=list,
        max_length=MAX_EXCLUSIONS,
        description="When nothing is planned: days, stretches of local time, named calendars.",
    )

    def fields(self) -> dict[str, Any]:
        """The same as fields of a schedule, as far as they are given."""
        given: dict[str, Any] = {
            name: getattr(self, name) for name in self.model_fields_set if name != "exclusions"
        }
        if "exclusions" in self.model_fields_set:
            times = [one for one in self.exclusions if isinstance(one, ExclusionInput)]
            calendars = [one for one in self.exclusions if isinstance(one, FollowedCalendar)]
            given["exclusions"] = tuple(exclusion_of(one) for one in times)
            given["calendar_names"] = [one.calendar for one in calendars]
        return given


class CronInput(ScheduleChange):
    """A cron expression on the clock of the zone."""

    model_config = ConfigDict(json_schema_extra={"examples": [WEEKDAYS]})

    kind: Literal["cron"]
    expression: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CRON_LENGTH)
    ] = Field(
        description="Five fields (minute, hour, day of month, month, day of week) with `L` and `#`, a form such as "
        "`@daily`, or six fields, seconds first, where `seconds` says so."
    )
    seconds: Flag = Field(default=False, description="Whether the expression has six fields, seconds first.")
    gap: GapPolicy = Field(default="debian", description=_GAP)
    fold: FoldPolicy = Field(default="debian", description=_FOLD)


class IntervalInput(ScheduleChange):
    """Every so many seconds, counted from the anchor; clock changes do not matter."""

    model_config = ConfigDict(json_schema_extra={"examples": [EVERY_90_SECONDS]})

    kind: Literal["interval"]
    every_seconds: int = Field(strict=True, ge=1, le=MAX_EVERY_SECONDS)
    anchor: Moment = Field(
        default_factory=not_given,
        description=f"From where it counts, in both directions; by default when the job became one of this kind. {_LOCAL}",
    )


class OnceInput(ScheduleChange):
    """One instant."""

    model_config = ConfigDict(json_schema_extra={"examples": [ONCE]})

    kind: Literal["once"]
    at: Moment = Field(description=f"When. {_LOCAL}")


def _kind(value: Any) -> str | None:
    """The tag of the kind; None where there is none that it can be, or a rule without one."""
    if not isinstance(value, dict):
        return choice(getattr(value, "kind", _NO_KIND))
    if "kind" not in value:
        return None if value.keys() & _RULES else choice(_NO_KIND)
    kind = value["kind"]
    return choice(kind) if isinstance(kind, str) and kind != _NO_KIND else None


_RULES = {
    name for kind in (CronInput, IntervalInput, OnceInput) for name in kind.model_fields
} - ScheduleChange.model_fields.keys()
_Cron: TypeAlias = Annotated[CronInput, Tag(choice("cron"))]
_Interval: TypeAlias = Annotated[IntervalInput, Tag(choice("interval"))]
_Once: TypeAlias = Annotated[OnceInput, Tag(choice("once"))]
_which = Discriminator(_kind, custom_error_type="schedule_kind", custom_error_message=_KINDS)

NewSchedule: TypeAlias = Annotated[_Cron | _Interval | _Once, _which]
ChangedSchedule: TypeAlias = Annotated[
    _Cron | _Interval | _Once | Annotated[ScheduleChange, Tag(choice(_NO_KIND))], _which
]
"""Without a kind, the rule stays as it is."""


class FollowedCalendarView(View):
    """A named calendar that the schedule follows, and which version of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"calendar": "holidays", "version": 3}]})

    calendar: str = Field(description="Its slug.")
    version: int


class _ScheduleView(View):
    kind: Literal["cron", "interval", "once"]
    timezone: str
    start_at: AwareDatetime | None
    end_date: date | None
    jitter_seconds: int
    exclusions: list[ExclusionView | FollowedCalendarView]


class CronView(_ScheduleView):
    """A cron expression on the clock of the zone."""

    kind: Literal["cron"] = "cron"
    expression: str
    seconds: bool
    gap: GapPolicy
    fold: FoldPolicy


class IntervalView(_ScheduleView):
    """Every so many seconds, counted from the anchor."""

    kind: Literal["interval"] = "interval"
    every_seconds: int
    anchor: AwareDatetime


class OnceView(_ScheduleView):
    """One instant."""

    kind: Literal["once"] = "once"
    at: AwareDatetime


ScheduleView: TypeAlias = Annotated[CronView | IntervalView | OnceView, Field(discriminator="kind")]


def contradiction(message: str) -> PydanticCustomError:
    """Two fields of a request do not go together."""
    return PydanticCustomError("contradiction", "{message}", {"message": message, "title": INVALID_SCHEDULE})


def check_given_once(name: str, value: object, schedule: ScheduleChange | None) -> None:
    """What is given beside the schedule and in it must be the same."""
    if schedule is None or (value is None and name == "timezone") or name not in schedule.model_fields_set:
        return
    if getattr(schedule, name) != value:
        raise contradiction(f"{name} is given twice, and differently")


def check_expression(expression: str | None, schedule: ScheduleChange | None) -> None:
    """What a job shows may be sent back: its expression beside its schedule, or null where it has none."""
    has_rule = isinstance(schedule, CronInput | IntervalInput | OnceInput)
    if has_rule and expression != getattr(schedule, "expression", None):
        raise contradiction("give either cron_expression or schedule")
