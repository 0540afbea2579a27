"""What a schedule is: one of three kinds, in a zone, between a first and a last day, with times at which it keeps still.

Built without checks, since the bus carries only schedules that `check` let through.
"""

from datetime import date, datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NaiveDatetime

from shared.domain.schedule.zones import midnight_after

GapPolicy: TypeAlias = Literal["debian", "run", "skip"]
"""What becomes of local times that a clock change skips. `run`: once, right after it; `skip`: nothing.
`debian`: `skip` for jobs with a wildcard minute or hour, `run` for the others (cron(8))."""

FoldPolicy: TypeAlias = Literal["debian", "first", "last", "both"]
"""What becomes of local times that come twice. `debian`: `both` for jobs with a wildcard minute or hour, `first` for
the others (cron(8))."""


class Exclusion(BaseModel):
    """A stretch of local time, [begin, end), in which nothing is planned; the zone is the schedule's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    begin: NaiveDatetime
    end: NaiveDatetime
    note: str | None = None


class CalendarUse(BaseModel):
    """A named calendar as the schedule follows it: the version, and what that version excludes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    calendar_id: UUID
    slug: str
    version: int
    exclusions: tuple[Exclusion, ...] = ()


class _Schedule(BaseModel):
    """What every kind has."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    timezone: str
    """An IANA name."""
    start_at: AwareDatetime | None = None
    """Nothing is planned before it."""
    end_date: date | None = None
    """The last day, in that zone, that still runs; None never ends."""
    jitter_seconds: int = 0
    """Up to how much later than planned a run begins: always as much for the same job (`shared.domain.spread`)."""
    exclusions: tuple[Exclusion, ...] = ()
    calendars: tuple[CalendarUse, ...] = ()

    @property
    def ends_at(self) -> datetime | None:
        """The instant at which the last day is over; None never comes."""
        return None if self.end_date is None else midnight_after(self.end_date, self.timezone)

    @property
    def cron_expression(self) -> str | None:
        """Its cron expression; None where it has none."""
        return None


class CronSchedule(_Schedule):
    """A cron expression: five fields or an `@` form, or six fields, seconds first, where `seconds` says so."""

    kind: Literal["cron"] = "cron"
    expression: str
    seconds: bool = False
    gap: GapPolicy = "debian"
    fold: FoldPolicy = "debian"

    @property
    def cron_expression(self) -> str | None:
        return self.expression


class IntervalSchedule(_Schedule):
    """Every so many seconds, counted from the anchor in both directions; clock changes do not matter."""

    kind: Literal["interval"] = "interval"
    every_seconds: int
    anchor: AwareDatetime
    """A whole second, as all planned instants are."""


class OneShotSchedule(_Schedule):
    """Once."""

    kind: Literal["once"] = "once"
    at: AwareDatetime
    """A whole second."""


Schedule: TypeAlias = Annotated[
    CronSchedule | IntervalSchedule | OneShotSchedule, Field(discriminator="kind")
]
