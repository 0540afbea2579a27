"""Domain events of named calendars. What follows for the jobs are changes of the jobs, in the same transaction."""

from typing import Literal

from shared.domain.calendar import Calendar
from shared.events.base import Event


class CalendarEvent(Event):
    """A change of a calendar: the state after it and before it (absent where there is none)."""

    calendar: Calendar | None
    before: Calendar | None = None


class CalendarCreated(CalendarEvent):
    """A calendar exists from now on."""

    type: Literal["calendar.created"] = "calendar.created"
    calendar: Calendar


class CalendarUpdated(CalendarEvent):
    """A calendar was renamed, given to another team, or excludes something else."""

    type: Literal["calendar.updated"] = "calendar.updated"
    calendar: Calendar
    before: Calendar


class CalendarDeleted(CalendarEvent):
    """A calendar that no job follows is gone; `version` says which change that was."""

    type: Literal["calendar.deleted"] = "calendar.deleted"
    calendar: None = None
    before: Calendar
    version: int
