"""What rows follow from events, which carry the whole state of what they changed."""

from collections.abc import Iterable
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Table, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.store.database import Database
from services.gateway.store.tables import (
    account_members,
    accounts,
    calendars,
    categories,
    job_calendars,
    jobs,
    slack_settings,
    teams,
    users,
)
from shared.domain.calendar import Calendar
from shared.domain.directory import Account, User
from shared.domain.job import Job
from shared.events import (
    AccountEvent,
    Alert,
    CalendarEvent,
    CategoryEvent,
    DomainEvent,
    JobEvent,
    SlackSettingsUpdated,
    TeamEvent,
    UserEvent,
)

_Row: TypeAlias = dict[str, Any]


async def project(database: Database, connection: AsyncConnection, events: Iterable[DomainEvent]) -> None:
    """Bring all rows up to date with events in their order: of each thing, the newest state is written once."""
    newest: dict[Table, dict[UUID, _Row | None]] = {}
    changed_accounts: dict[UUID, Account] = {}
    followed: dict[UUID, frozenset[UUID]] = {}
    for event in events:
        if isinstance(event, Alert):
            continue
        table, thing_id, row = _state(event)
        newest.setdefault(table, {})[thing_id] = row
        if isinstance(event, AccountEvent):
            changed_accounts[thing_id] = event.account
        if isinstance(event, JobEvent):
            followed[thing_id] = _calendars_of(event.job)
    for table, states in newest.items():
        await _delete(connection, table, [thing_id for thing_id, row in states.items() if row is None])
        # In one order everywhere, so that two writers never wait for one another in a circle.
        await _put(database, connection, table, [row for _, row in sorted(states.items()) if row is not None])
    await _replace_members(connection, changed_accounts)
    await _replace_followed(connection, followed)


async def forget(connection: AsyncConnection, events: Iterable[DomainEvent]) -> None:
    """Delete the rows of everything that the events changed, so that a name may have gone from one to another."""
    touched: dict[Table, set[UUID]] = {}
    for event in events:
        if isinstance(event, Alert):
            continue
        table, thing_id, _ = _state(event)
        touched.setdefault(table, set()).add(thing_id)
    for table, ids in touched.items():
        await _delete(connection, table, sorted(ids))


def _state(event: DomainEvent) -> tuple[Table, UUID, _Row | None]:
    """Where the row of an event's thing stands, and what it is now; None where the thing is gone."""
    match event:
        case JobEvent():
            return jobs, event.current.id, _job_row(event.job) if event.job is not None else None
        case UserEvent(user=User() as user):
            return users, user.id, _user_row(user)
        case UserEvent(before=User() as user):
            return users, user.id, None
        case CategoryEvent():
            return categories, event.category.id, event.category.model_dump()
        case TeamEvent():
            return teams, event.team.id, event.team.model_dump()
        case CalendarEvent(calendar=Calendar() as calendar):
            return calendars, calendar.id, _calendar_row(calendar)
        case CalendarEvent(before=Calendar() as calendar):
            return calendars, calendar.id, None
        case SlackSettingsUpdated():
            return slack_settings, event.settings.id, event.settings.model_dump()
        case AccountEvent():
            return accounts, event.account.id, event.account.model_dump(exclude={"members"})
        case _:
            raise TypeError(f"{event.type} has no rows")


def _job_row(job: Job) -> _Row:
    return {
        "id": job.id,
        "account_id": job.account_id,
        "name": job.name,
        "owner_id": job.owner_id,
        "is_active": job.is_active,
        "version": job.version,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "state": job.model_dump(mode="json"),
        "category": job.category,
        "pic_team": job.pic_team,
        "target_kind": job.target.kind,
        "ends_at": job.schedule.ends_at,
    }


def _user_row(user: User) -> _Row:
    chosen = {"notification_preferences", "ui_preferences"}
    return {**user.model_dump(exclude=chosen), **user.model_dump(mode="json", include=chosen)}


def _calendar_row(calendar: Calendar) -> _Row:
    return {**calendar.model_dump(), "exclusions": calendar.model_dump(mode="json")["exclusions"]}


def _calendars_of(job: Job | None) -> frozenset[UUID]:
    return frozenset(use.calendar_id for use in job.schedule.calendars) if job is not None else frozenset()


async def _put(
    database: Database, connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]
) -> None:
    if not rows:
        return
    insert = database.upsert(table)
    replaced = {name: insert.excluded[name] for name in rows[0]}
    await connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=replaced), rows)


async def _delete(connection: AsyncConnection, table: Table, ids: list[UUID]) -> None:
    if ids:
        await connection.execute(delete(table).where(table.c.id.in_(ids)))


async def _replace_members(connection: AsyncConnection, changed: dict[UUID, Account]) -> None:
    if not changed:
        return
    await connection.execute(delete(account_members).where(account_members.c.account_id.in_(changed)))
    members = [
        {"account_id": account.id, **member.model_dump()}
        for account in changed.values()
        for member in account.members
    ]
    if members:
        await connection.execute(account_members.insert(), members)


async def _replace_followed(connection: AsyncConnection, followed: dict[UUID, frozenset[UUID]]) -> None:
    if not followed:
        return
    # Most jobs follow none: their ids are looked for in vain, through the index.
    await connection.execute(delete(job_calendars).where(job_calendars.c.job_id.in_(followed)))
    rows = [
        {"job_id": job_id, "calendar_id": calendar_id}
        for job_id, ids in followed.items()
        for calendar_id in sorted(ids)
    ]
    if rows:
        await connection.execute(job_calendars.insert(), rows)
