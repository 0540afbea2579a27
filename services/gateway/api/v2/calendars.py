"""Named calendars: holidays and freezes, shared by jobs."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Path, Response, status

from services.gateway.api.dependencies import ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.headers import Versions, set_version
from services.gateway.api.permissions import Admin, AnyRole
from services.gateway.api.v2.history import (
    MAX_HISTORY,
    BeforeVersion,
    HistoryLimit,
    field_changes,
    history_entry,
)
from services.gateway.api.v2.models.calendars import (
    CalendarAnswer,
    CalendarChangedAnswer,
    CalendarCreate,
    CalendarDeletedAnswer,
    CalendarHistoryAnswer,
    CalendarReference,
    CalendarsAnswer,
    CalendarUpdate,
    CalendarUpdatedAnswer,
    CalendarView,
    CalendarWithJobsView,
)
from services.gateway.api.v2.models.history import HistoryEntry
from services.gateway.api.v2.models.jobs import JobReference
from services.gateway.api.v2.models.schedules import exclusion_view
from services.gateway.commands import calendars as commands
from services.gateway.queries import calendars as queries
from services.gateway.queries.history import Recorded
from shared.domain.calendar import Calendar
from shared.events import CalendarEvent

SHOWN_JOBS = 100

v2_router = APIRouter(prefix="/calendars", tags=["Calendars"])

CalendarKey: TypeAlias = Annotated[str, Path(description="The calendar's slug or its id.")]


@v2_router.get("", responses=error_responses(401))
async def list_calendars(gateway: ThisGateway, _caller: AnyRole) -> CalendarsAnswer:
    """All calendars by name, and how many jobs follow each."""
    found = await queries.list_calendars(gateway.database)
    views = [CalendarView(**_shown(calendar), jobs_count=count) for calendar, count in found]
    return CalendarsAnswer(count=len(views), calendars=views)


@v2_router.post("", status_code=status.HTTP_201_CREATED, responses=error_responses(400, 401, 403, 409, 413))
async def create_calendar(
    gateway: ThisGateway, caller: Admin, body: CalendarCreate, response: Response
) -> CalendarChangedAnswer:
    """Create a calendar; its slug is made of the name unless one is given."""
    calendar = await commands.create_calendar(gateway, caller.actor, **body.fields())
    set_version(response, calendar.version)
    view = CalendarView(**_shown(calendar), jobs_count=0)
    return CalendarChangedAnswer(message="Calendar created", calendar=view)


@v2_router.get("/{calendar_id}", responses=error_responses(401, 404))
async def get_calendar(
    gateway: ThisGateway, _caller: AnyRole, calendar_id: CalendarKey, response: Response
) -> CalendarAnswer:
    """One calendar and the jobs that follow it; its `ETag` is its version."""
    found_id = await queries.calendar_id_of(gateway.database, calendar_id)
    calendar, followers = await queries.get_calendar(gateway.database, found_id, limit=SHOWN_JOBS)
    set_version(response, calendar.version)
    jobs = [JobReference(id=job_id, name=name) for job_id, name in followers.shown]
    return CalendarAnswer(
        calendar=CalendarWithJobsView(**_shown(calendar), jobs_count=followers.count, jobs=jobs)
    )


@v2_router.put("/{calendar_id}", responses=error_responses(400, 401, 403, 404, 409, 412, 413))
async def update_calendar(
    gateway: ThisGateway,
    caller: Admin,
    calendar_id: CalendarKey,
    body: CalendarUpdate,
    versions: Versions,
    response: Response,
) -> CalendarUpdatedAnswer:
    """Change the given fields of a calendar; the jobs that follow it change with it, each to a new version."""
    found_id = await queries.calendar_id_of(gateway.database, calendar_id)
    calendar, changed = await commands.update_calendar(
        gateway, found_id, body.fields(), caller.actor, versions=versions
    )
    set_version(response, calendar.version)
    view = CalendarView(**_shown(calendar), jobs_count=await queries.jobs_count(gateway.database, found_id))
    return CalendarUpdatedAnswer(calendar=view, jobs_updated=changed)


@v2_router.delete("/{calendar_id}", responses=error_responses(400, 401, 403, 404, 409, 412))
async def delete_calendar(
    gateway: ThisGateway, caller: Admin, calendar_id: CalendarKey, versions: Versions
) -> CalendarDeletedAnswer:
    """Delete a calendar that no job follows; its history stays."""
    found_id = await queries.calendar_id_of(gateway.database, calendar_id)
    calendar = await commands.delete_calendar(gateway, found_id, caller.actor, versions=versions)
    return CalendarDeletedAnswer(deleted_calendar=CalendarReference.model_validate(calendar))


@v2_router.get("/{calendar_id}/history", responses=error_responses(400, 401, 404))
async def get_calendar_history(
    gateway: ThisGateway,
    _caller: AnyRole,
    calendar_id: CalendarKey,
    limit: HistoryLimit = 50,
    before_version: BeforeVersion = None,
) -> CalendarHistoryAnswer:
    """Who changed a calendar, when, and from what to what; newest first, of a deleted one by its id."""
    found_id = await queries.calendar_id_of(gateway.database, calendar_id)
    total, changes = await queries.calendar_history(
        gateway.database, found_id, limit=min(limit, MAX_HISTORY), before_version=before_version
    )
    history = await asyncio.to_thread(_history_entries, changes)
    return CalendarHistoryAnswer(calendar_id=found_id, total=total, history=history)


def _history_entries(changes: Sequence[Recorded]) -> list[HistoryEntry]:
    return [_history_entry(change) for change in changes]


def _history_entry(change: Recorded) -> HistoryEntry:
    event = change.event
    states = (event.before, event.calendar) if isinstance(event, CalendarEvent) else (None, None)
    before, after = (_settings(state) for state in states)
    return history_entry(change, field_changes(before, after))


def _shown(calendar: Calendar) -> dict[str, Any]:
    return {**dict(calendar), "exclusions": [exclusion_view(one) for one in calendar.exclusions]}


def _settings(calendar: Calendar | None) -> dict[str, Any]:
    """What people set of a calendar: what its history compares."""
    if calendar is None:
        return {}
    shown = _shown(calendar)
    return {name: shown[name] for name in ("name", "slug", "pic_team", "exclusions")}
