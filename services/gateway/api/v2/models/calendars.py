"""Named calendars, as they are written and shown."""

from typing import Annotated, Any, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field
from pydantic.config import JsonDict

from services.gateway.api.v2.fields import TaxonomyName
from services.gateway.api.v2.models.common import Input, Update, View, not_given
from services.gateway.api.v2.models.history import HistoryEntry
from services.gateway.api.v2.models.jobs import JobReference
from services.gateway.api.v2.models.schedules import ExclusionInput, ExclusionView, exclusion_of
from services.gateway.api.v2.models.taxonomy import Slug
from services.gateway.domain.calendar import MAX_EXCLUSIONS

Exclusions: TypeAlias = Annotated[
    list[ExclusionInput],
    Field(
        max_length=MAX_EXCLUSIONS,
        description="When the jobs that follow it keep still, in the time zone of each job; they may overlap.",
    ),
]

_SHOWN: JsonDict = {
    "id": "0d9f5c3e-7c1b-4d8e-9a51-0f6f1f6f9b2a",
    "slug": "public-holidays",
    "name": "Public Holidays",
    "pic_team": "ops",
    "exclusions": [{"from": "2026-12-25", "to": "2026-12-25", "note": "Christmas"}],
    "version": 1,
    "created_at": "2026-11-21T10:30:00Z",
    "updated_at": "2026-11-21T10:30:00Z",
    "jobs_count": 2,
}


class CalendarCreate(Input):
    """A new calendar."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Public Holidays",
                    "pic_team": "ops",
                    "exclusions": [
                        {"date": "2026-12-25", "note": "Christmas"},
                        {"from": "2026-12-29", "to": "2027-01-03", "note": "Year-end freeze"},
                    ],
                }
            ]
        }
    )

    name: TaxonomyName = Field(description="As people read it.")
    slug: Slug | None = None
    pic_team: TaxonomyName | None = Field(
        default=None, description="The team that keeps it: its slug or its name."
    )
    exclusions: Exclusions = Field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """The same as fields of a calendar."""
        return _as_fields(self, self.model_dump(exclude={"exclusions"}))


class CalendarUpdate(Update):
    """Changes of a calendar: what is not given stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"exclusions": [{"date": "2027-01-01", "note": "New Year"}]},
                {"name": "Holidays", "pic_team": None},
            ]
        }
    )
    fixed = frozenset({"id", "version", "created_at", "updated_at", "jobs_count", "jobs"})

    name: TaxonomyName = Field(
        default_factory=not_given, description="The slug follows it, and the jobs follow the slug."
    )
    slug: str = Field(
        default_factory=not_given, description="May be given as it is only; it follows the name."
    )
    pic_team: TaxonomyName | None = Field(
        default=None, description="The team that keeps it: its slug or its name; null for none."
    )
    exclusions: Exclusions = Field(default_factory=not_given)

    def fields(self) -> dict[str, Any]:
        """The same as fields of a calendar, as far as they are given."""
        return _as_fields(self, self.model_dump(exclude_unset=True, exclude={"exclusions"}))


def _as_fields(given: CalendarCreate | CalendarUpdate, others: dict[str, Any]) -> dict[str, Any]:
    if "exclusions" in given.model_fields_set:
        others["exclusions"] = tuple(exclusion_of(one) for one in given.exclusions)
    return others


class CalendarView(View):
    """A named calendar: times at which the jobs that follow it keep still."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SHOWN]})

    id: UUID
    slug: str = Field(description="What jobs name it by.")
    name: str
    pic_team: str | None = Field(description="The team that keeps it.")
    exclusions: list[ExclusionView] = Field(description="In the time zone of each job; earliest first.")
    version: int = Field(description="Counts its changes.")
    created_at: AwareDatetime
    updated_at: AwareDatetime
    jobs_count: int = Field(description="How many jobs follow it.")


class CalendarsAnswer(View):
    """Calendars, by name."""

    count: int
    calendars: list[CalendarView]


class CalendarWithJobsView(CalendarView):
    """A named calendar and those who follow it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_SHOWN,
                    "jobs": [{"id": "8c19f741-1a44-4d4b-b71e-638bb614d184", "name": "Daily Backup"}],
                }
            ]
        }
    )

    jobs: list[JobReference] = Field(description="The first of the jobs that follow it, by name.")


class CalendarAnswer(View):
    """One calendar."""

    calendar: CalendarWithJobsView


class CalendarChangedAnswer(View):
    """One calendar, and what happened to it."""

    message: str
    calendar: CalendarView


class CalendarUpdatedAnswer(CalendarChangedAnswer):
    """A calendar that changed."""

    message: str = "Calendar updated"
    jobs_updated: int = Field(description="How many jobs have another version now.")


class CalendarReference(View):
    """Which calendar it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{name: _SHOWN[name] for name in ("id", "slug", "name")}]}
    )

    id: UUID
    slug: str
    name: str


class CalendarDeletedAnswer(View):
    """Which calendar is gone."""

    message: str = "Calendar deleted"
    deleted_calendar: CalendarReference


class CalendarHistoryAnswer(View):
    """A calendar's changes, newest first."""

    calendar_id: UUID
    total: int
    history: list[HistoryEntry]
