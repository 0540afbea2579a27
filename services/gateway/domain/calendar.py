"""The rules of calendars: times at which the jobs that follow one keep still. Pure: the time and all facts come with the command."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from services.gateway.domain.slug import DuplicateSlug, following_slug
from shared.domain.calendar import Calendar
from shared.domain.job import Job
from shared.domain.schedule import MAX_EXCLUSIONS as MAX_EXCLUSIONS_OF_JOB
from shared.domain.schedule import CalendarUse, Exclusion, Schedule
from shared.errors import Conflict, NotFound, RuleViolation
from shared.events import (
    CalendarCreated,
    CalendarDeleted,
    CalendarEvent,
    CalendarUpdated,
    DomainEvent,
    JobUpdated,
)

MAX_EXCLUSIONS = 400
"""Of one calendar."""
MAX_CALENDARS = 10
"""That a job may follow."""
SHOWN_FOLLOWERS = 5
_KIND = "Calendar"


@dataclass(frozen=True, slots=True)
class CalendarState:
    """`calendar` is None before the first event and after a deletion; `version` counts on."""

    calendar: Calendar | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateCalendar:
    """Create the calendar; `slug_taken` is a fact read in the same transaction."""

    calendar_id: UUID
    name: str
    slug: str
    pic_team: str | None = None
    exclusions: tuple[Exclusion, ...] = ()
    now: datetime
    slug_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCalendar:
    """Change some of `name`, `pic_team` and `exclusions`.

    A `slug` may stand there only as it is: it follows the name. `slug_taken` is of the one that follows the new name.
    """

    calendar_id: UUID
    changes: Mapping[str, Any]
    now: datetime
    slug_taken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCalendar:
    """Remove the calendar; its history stays. `followers` are the jobs that follow it, as far as they are shown."""

    calendar_id: UUID
    followers: tuple[str, ...]
    follower_count: int


CalendarCommand: TypeAlias = CreateCalendar | UpdateCalendar | DeleteCalendar


class CalendarNotFound(NotFound):
    """No calendar has this id or slug, or it was deleted."""

    title = "Calendar not found"

    def __init__(self, calendar: object) -> None:
        super().__init__(f"No calendar found with ID or slug: {calendar}")


class InvalidCalendar(RuleViolation):
    """Something that no calendar may be."""

    title = "Invalid calendar"


class CalendarInUse(Conflict):
    """Jobs follow what is to be deleted."""

    title = "Calendar in use"

    def __init__(self, slug: str, followers: tuple[str, ...], count: int) -> None:
        names = ", ".join(f'"{name}"' for name in followers)
        others = f" and {count - len(followers)} more" if count > len(followers) else ""
        super().__init__(f'Jobs follow the calendar "{slug}": {names}{others}.')


def decide(command: CalendarCommand, state: CalendarState) -> list[DomainEvent]:
    """What follows from a command; no events when it changes nothing. Raises the domain's errors."""
    match command:
        case CreateCalendar():
            return _create(command, state)
        case UpdateCalendar():
            return _update(command, state)
        case DeleteCalendar():
            return _delete(command, state)
        case _:
            assert_never(command)


def evolve(state: CalendarState, event: DomainEvent) -> CalendarState:
    """The state after an event; calendar events carry it whole."""
    if isinstance(event, CalendarDeleted):
        return CalendarState(None, event.version)
    if isinstance(event, CalendarEvent) and event.calendar is not None:
        return CalendarState(event.calendar, event.calendar.version)
    return state


def jobs_must_follow(event: CalendarUpdated) -> bool:
    """Whether jobs carry anything of what changed."""
    after, before = event.calendar, event.before
    return (after.slug, after.exclusions) != (before.slug, before.exclusions)


def job_with_calendar(job: Job, use: CalendarUse, now: datetime) -> JobUpdated:
    """What happens to a job when a calendar that it follows changes, even if nothing is left of its schedule.

    Versions follow one another whatever clocks say. Raises `InvalidCalendar` for more times than a job can carry.
    """
    others = (one for one in job.schedule.calendars if one.calendar_id != use.calendar_id)
    schedule = job.schedule.model_copy(update={"calendars": in_order((*others, use))})
    if exclusion_count(schedule) > MAX_EXCLUSIONS_OF_JOB:
        raise InvalidCalendar(
            f'The job "{job.name}" would keep still at more than {MAX_EXCLUSIONS_OF_JOB} times.'
        )
    changes = {
        "schedule": schedule,
        "version": job.version + 1,
        "updated_at": now,
        "effective_at": max(now, job.effective_at + timedelta(microseconds=1)),
    }
    return JobUpdated(job=job.model_copy(update=changes), before=job, reason="calendar")


def in_order(uses: tuple[CalendarUse, ...]) -> tuple[CalendarUse, ...]:
    """Calendars as a job carries them, so that the same ones are always the same value."""
    return tuple(sorted(uses, key=lambda use: use.slug))


def exclusion_count(schedule: Schedule) -> int:
    """How many times a schedule keeps still, its calendars included."""
    return len(schedule.exclusions) + sum(len(use.exclusions) for use in schedule.calendars)


def _create(command: CreateCalendar, state: CalendarState) -> list[DomainEvent]:
    if state.calendar is not None or command.slug_taken:
        raise DuplicateSlug(_KIND, command.slug)
    calendar = Calendar(
        id=command.calendar_id,
        slug=command.slug,
        name=command.name,
        pic_team=command.pic_team,
        exclusions=_arranged(command.exclusions),
        version=state.version + 1,
        created_at=command.now,
        updated_at=command.now,
    )
    return [CalendarCreated(calendar=calendar)]


def _update(command: UpdateCalendar, state: CalendarState) -> list[DomainEvent]:
    before = state.calendar
    if before is None:
        raise CalendarNotFound(command.calendar_id)
    changes = dict(command.changes)
    if changes.pop("slug", before.slug) != before.slug:
        raise InvalidCalendar(
            "Slug cannot be edited directly; it is derived from name.", title="Invalid payload"
        )
    if changes.get("name", before.name) != before.name:
        changes["slug"] = following_slug(changes["name"], before.name, before.slug)
    if "exclusions" in changes:
        changes["exclusions"] = _arranged(changes["exclusions"])
    changed = before.model_copy(update=changes)
    if changed == before:
        return []
    if changed.slug != before.slug and command.slug_taken:
        raise DuplicateSlug(_KIND, changed.slug)
    calendar = changed.model_copy(update={"version": state.version + 1, "updated_at": command.now})
    return [CalendarUpdated(calendar=calendar, before=before)]


def _delete(command: DeleteCalendar, state: CalendarState) -> list[DomainEvent]:
    if state.calendar is None:
        raise CalendarNotFound(command.calendar_id)
    if command.follower_count:
        raise CalendarInUse(state.calendar.slug, command.followers, command.follower_count)
    return [CalendarDeleted(before=state.calendar, version=state.version + 1)]


def _arranged(exclusions: tuple[Exclusion, ...]) -> tuple[Exclusion, ...]:
    """Ascending. They may overlap."""
    if len(exclusions) > MAX_EXCLUSIONS:
        raise InvalidCalendar(
            f"A calendar has at most {MAX_EXCLUSIONS} exclusions", title="Invalid exclusions"
        )
    return tuple(sorted(exclusions, key=lambda one: (one.begin, one.end, one.note or "")))
