"""Categories and teams: as they are listed, and which ones the text in a job means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Select

from services.gateway.domain.category import GENERAL
from services.gateway.domain.job import InvalidJob
from services.gateway.domain.slug import slugify
from services.gateway.store.aggregates import CATEGORIES, TEAMS
from services.gateway.store.database import Database
from services.gateway.store.tables import categories, events, teams
from shared.domain.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What jobs name: where it stands, and how errors call it."""

    table: Table
    aggregate: str
    noun: str
    title: str


_CATEGORY = _Kind(table=categories, aggregate=CATEGORIES.name, noun="category", title="Invalid category")
_TEAM = _Kind(table=teams, aggregate=TEAMS.name, noun="PIC team", title="Invalid PIC team")


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """All categories and teams, for many texts without a query for each."""

    _categories: Sequence[Row[Any]]
    _teams: Sequence[Row[Any]]

    def category(self, text: str) -> str:
        """The slug of the active category that a slug or a name means; raises `InvalidJob`."""
        if slugify(text) == GENERAL:
            return GENERAL
        return _active_slug(_CATEGORY, _meant(_CATEGORY, text, self._categories))

    def team(self, text: str) -> str:
        """The slug of the active team that a slug or a name means; raises `InvalidJob`."""
        return _active_slug(_TEAM, _meant(_TEAM, text, self._teams))


async def list_categories(database: Database, *, include_inactive: bool) -> Sequence[Row[Any]]:
    """Categories, by name."""
    return await _by_name(database, categories, include_inactive=include_inactive)


async def list_teams(database: Database, *, include_inactive: bool) -> Sequence[Row[Any]]:
    """Teams, by name."""
    return await _by_name(database, teams, include_inactive=include_inactive)


async def resolve_category(connection: AsyncConnection, text: str) -> str:
    """The slug of the active category that a slug or a name means; raises `InvalidJob`.

    It is not renamed or disabled before the transaction ends.
    """
    if slugify(text) == GENERAL:  # always there, and never changes
        return GENERAL
    return await _resolve(connection, _CATEGORY, text)


async def resolve_team(connection: AsyncConnection, text: str) -> str:
    """The slug of the active team that a slug or a name means; raises `InvalidJob`.

    It is not renamed or disabled before the transaction ends.
    """
    return await _resolve(connection, _TEAM, text)


async def load_taxonomy(connection: AsyncConnection) -> Taxonomy:
    """All categories and teams; none of them is renamed or disabled before the transaction ends."""
    return Taxonomy(
        (await connection.execute(_oldest_first(categories).with_for_update(read=True))).all(),
        (await connection.execute(_oldest_first(teams).with_for_update(read=True))).all(),
    )


async def present_slugs(connection: AsyncConnection, deleted: Job, version: int) -> dict[str, str]:
    """The slugs that the category and the team of a job have now that was deleted with this version.

    They are not renamed before the transaction ends.
    """
    deletion = select(events.c.position).where(
        events.c.aggregate_id == deleted.id, events.c.version == version
    )
    slugs: dict[str, str] = {}
    for field, kind in (("category", _CATEGORY), ("pic_team", _TEAM)):
        # Who had the slug then: somebody else may have taken it since.
        bearer = (
            select(events.c.aggregate_id)
            .where(
                events.c.aggregate == kind.aggregate,
                events.c.position < deletion.scalar_subquery(),
                events.c.data[(kind.aggregate, "slug")].as_string() == getattr(deleted, field),
            )
            .order_by(events.c.position.desc())
            .limit(1)
        )
        held = select(kind.table.c.slug).where(kind.table.c.id == bearer.scalar_subquery())
        present: str | None = await connection.scalar(held.with_for_update(read=True))
        if present is not None:
            slugs[field] = present
    return slugs


async def _resolve(connection: AsyncConnection, kind: _Kind, text: str) -> str:
    meant = _meant(kind, text, (await connection.execute(_oldest_first(kind.table))).all())
    # Whoever is changing it comes first; the row says what it is then.
    held = select(kind.table).where(kind.table.c.id == meant.id).with_for_update(read=True)
    return _active_slug(kind, (await connection.execute(held)).one())


def _oldest_first(table: Table) -> Select[Any]:
    return select(table).order_by(table.c.created_at, table.c.id)


def _meant(kind: _Kind, text: str, rows: Sequence[Row[Any]]) -> Row[Any]:
    """The one with the slug, or else with the name: an active one if there is any."""
    slug, name = slugify(text), text.strip().casefold()
    found = [row for row in rows if row.slug == slug] or [row for row in rows if row.name.casefold() == name]
    if not found:
        raise InvalidJob(f'There is no {kind.noun} "{text.strip()}".', title=kind.title)
    return max(found, key=lambda row: bool(row.is_active))


def _active_slug(kind: _Kind, row: Row[Any]) -> str:
    if not row.is_active:
        raise InvalidJob(f'The {kind.noun} "{row.slug}" is disabled.', title=kind.title)
    slug: str = row.slug
    return slug


async def _by_name(database: Database, table: Table, *, include_inactive: bool) -> Sequence[Row[Any]]:
    wanted = select(table) if include_inactive else select(table).where(table.c.is_active)
    async with database.read() as connection:
        rows = (await connection.execute(wanted)).all()
    # The databases do not agree on which letters are alike.
    return sorted(rows, key=lambda row: (row.name.casefold(), row.slug))
