"""Commands on calendars. Jobs carry a copy of those that they follow: a change takes them along, in one transaction."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.commands.slugs import hold, is_slug_taken
from services.gateway.domain.actor import Actor
from services.gateway.domain.calendar import (
    SHOWN_FOLLOWERS,
    CalendarCommand,
    CalendarNotFound,
    CalendarState,
    CreateCalendar,
    DeleteCalendar,
    UpdateCalendar,
    decide,
    job_with_calendar,
    jobs_must_follow,
)
from services.gateway.domain.slug import new_slug, slugify
from services.gateway.gateway import Gateway
from services.gateway.queries.calendars import followers_of
from services.gateway.queries.taxonomy import resolve_team
from services.gateway.store.aggregates import CALENDARS, JOBS
from services.gateway.store.event_store import Change, Context, EventStore
from services.gateway.store.tables import calendars, job_calendars, jobs
from shared.domain.calendar import Calendar
from shared.domain.job import Job
from shared.domain.schedule import CalendarUse, Exclusion
from shared.errors import PreconditionFailed
from shared.events import CalendarUpdated

BATCH = 25
"""Jobs that are read and written at a time; nothing else is done meanwhile."""


async def create_calendar(
    gateway: Gateway,
    actor: Actor,
    *,
    name: str,
    slug: str | None = None,
    pic_team: str | None = None,
    exclusions: tuple[Exclusion, ...] = (),
) -> Calendar:
    """Create a calendar; its slug is made of the one that is given, or else of the name.

    Raises `InvalidSlug`, `DuplicateSlug`, and `InvalidJob` for a team that is not there.
    """
    calendar_id, wanted, now = uuid4(), new_slug(name, slug), gateway.clock()

    async def prepare(connection: AsyncConnection, _state: CalendarState) -> CalendarCommand:
        return CreateCalendar(
            calendar_id=calendar_id,
            name=name,
            slug=wanted,
            pic_team=await resolve_team(connection, pic_team) if pic_team is not None else None,
            exclusions=exclusions,
            now=now,
            slug_taken=await is_slug_taken(connection, calendars, wanted, calendar_id),
        )

    context = Context(actor=actor.name, at=now, correlation_id=str(uuid4()))
    return _existing(await gateway.event_store.execute(CALENDARS, calendar_id, prepare, context), calendar_id)


async def update_calendar(
    gateway: Gateway,
    calendar_id: UUID,
    changes: Mapping[str, Any],
    actor: Actor,
    *,
    versions: Collection[int] | None = None,
) -> tuple[Calendar, int]:
    """Change `name`, `pic_team` or `exclusions`; also returns how many jobs have another version now.

    `versions` are those that the caller means to change; None means any. Raises `CalendarNotFound`,
    `PreconditionFailed`, and the rules' violations.
    """
    now = gateway.clock()
    context = Context(actor=actor.name, at=now, correlation_id=str(uuid4()))
    changed = 0

    async def prepare(connection: AsyncConnection, state: CalendarState) -> CalendarCommand:
        nonlocal changed
        before = _to_be_changed(state, calendar_id, versions)
        # The team first: whoever renames it holds it before its calendars.
        resolved = await _with_team(connection, changes, before)
        await hold(connection, calendars, calendar_id)
        slug = slugify(changes["name"]) if "name" in changes else before.slug
        command = UpdateCalendar(
            calendar_id=calendar_id,
            changes=resolved,
            now=now,
            slug_taken=await is_slug_taken(connection, calendars, slug, calendar_id),
        )
        changed = 0
        for event in decide(command, state):
            if isinstance(event, CalendarUpdated) and jobs_must_follow(event):
                changed = await _change_followers(
                    gateway.event_store, connection, event.calendar.use, context
                )
        return command

    state = await gateway.event_store.execute(CALENDARS, calendar_id, prepare, context)
    return _existing(state, calendar_id), changed


async def delete_calendar(
    gateway: Gateway, calendar_id: UUID, actor: Actor, *, versions: Collection[int] | None = None
) -> Calendar:
    """Delete a calendar that no job follows, and return what it was.

    Raises `CalendarNotFound`, `PreconditionFailed` and `CalendarInUse`.
    """
    now = gateway.clock()
    deleted: Calendar | None = None

    async def prepare(connection: AsyncConnection, state: CalendarState) -> CalendarCommand:
        nonlocal deleted
        deleted = _to_be_changed(state, calendar_id, versions)
        await hold(connection, calendars, calendar_id)
        followers = await followers_of(connection, calendar_id, limit=SHOWN_FOLLOWERS)
        names = tuple(name for _, name in followers.shown)
        return DeleteCalendar(calendar_id=calendar_id, followers=names, follower_count=followers.count)

    context = Context(actor=actor.name, at=now, correlation_id=str(uuid4()))
    await gateway.event_store.execute(CALENDARS, calendar_id, prepare, context)
    if deleted is None:
        raise CalendarNotFound(calendar_id)
    return deleted


async def move_calendars(
    event_store: EventStore, connection: AsyncConnection, slugs: tuple[str, str], context: Context
) -> None:
    """Give all calendars of the team with the first slug the second one.

    Raises SQLAlchemy's IntegrityError when somebody else changed one of them meanwhile.
    """
    before, after = slugs
    of_team = select(calendars).where(calendars.c.pic_team == before).order_by(calendars.c.id)
    changes = []
    for row in (await connection.execute(of_team.with_for_update())).all():
        calendar = Calendar.model_validate(row, from_attributes=True)
        moved = calendar.model_copy(
            update={"pic_team": after, "version": calendar.version + 1, "updated_at": context.at}
        )
        event = CalendarUpdated(calendar=moved, before=calendar)
        changes.append(
            Change(aggregate=CALENDARS.name, aggregate_id=moved.id, version=moved.version, event=event)
        )
    await event_store.append(connection, changes, context)


async def _change_followers(
    event_store: EventStore, connection: AsyncConnection, use: CalendarUse, context: Context
) -> int:
    """Give all jobs that follow a calendar its new state; returns how many there are.

    Raises SQLAlchemy's IntegrityError when somebody else changed one of them meanwhile.
    """
    following = (
        select(jobs.c.id, jobs.c.state)
        .join(job_calendars, job_calendars.c.job_id == jobs.c.id)
        .where(job_calendars.c.calendar_id == use.calendar_id)
        .order_by(jobs.c.id)
        .limit(BATCH)
    )
    count, page, read = 0, following, _Reader()
    while rows := (await connection.execute(page)).all():
        changes = [_job_change(read.job(row.state), use, context) for row in rows]
        await event_store.append(connection, changes, context)
        count, page = count + len(rows), following.where(jobs.c.id > rows[-1].id)
    return count


class _Reader:
    """Jobs from their rows. Many carry the same calendars: each version of one is read once."""

    def __init__(self) -> None:
        self._uses: dict[tuple[str, int], CalendarUse] = {}

    def job(self, state: Mapping[str, Any]) -> Job:
        """The job of a row."""
        schedule = state["schedule"]
        uses = tuple(self._use(one) for one in schedule["calendars"])
        job = Job.model_validate({**state, "schedule": {**schedule, "calendars": ()}})
        return job.model_copy(update={"schedule": job.schedule.model_copy(update={"calendars": uses})})

    def _use(self, carried: Mapping[str, Any]) -> CalendarUse:
        key = carried["calendar_id"], carried["version"]
        if key not in self._uses:
            self._uses[key] = CalendarUse.model_validate(carried)
        return self._uses[key]


def _job_change(job: Job, use: CalendarUse, context: Context) -> Change:
    event = job_with_calendar(job, use, context.at)
    return Change(aggregate=JOBS.name, aggregate_id=job.id, version=event.job.version, event=event)


async def _with_team(
    connection: AsyncConnection, changes: Mapping[str, Any], before: Calendar
) -> dict[str, Any]:
    """The changes with the slug of the team. The one that the calendar has may stay, even if it was disabled meanwhile."""
    text = changes.get("pic_team")
    if text is None or text == before.pic_team:
        return dict(changes)
    return {**changes, "pic_team": await resolve_team(connection, text)}


def _to_be_changed(state: CalendarState, calendar_id: UUID, versions: Collection[int] | None) -> Calendar:
    calendar = _existing(state, calendar_id)
    if versions is not None and state.version not in versions:
        raise PreconditionFailed(f"The calendar's present version is {state.version}; read it again.")
    return calendar


def _existing(state: CalendarState, calendar_id: UUID) -> Calendar:
    if state.calendar is None:
        raise CalendarNotFound(calendar_id)
    return state.calendar
