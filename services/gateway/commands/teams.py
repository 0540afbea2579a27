"""Commands on teams. A renamed one takes its jobs and its calendars along, in one transaction."""

from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.commands.calendars import move_calendars
from services.gateway.commands.slugs import hold, is_slug_taken, move_jobs
from services.gateway.domain.actor import Actor
from services.gateway.domain.slug import new_slug, slugify
from services.gateway.domain.team import (
    CreateTeam,
    TeamCommand,
    TeamNotFound,
    TeamState,
    UpdateTeam,
    decide,
)
from services.gateway.gateway import Gateway
from services.gateway.store.aggregates import TEAMS
from services.gateway.store.event_store import Context
from services.gateway.store.tables import teams
from shared.domain.directory import Team
from shared.events import TeamUpdated


async def create_team(
    gateway: Gateway,
    actor: Actor,
    *,
    name: str,
    slack_handle: str,
    slug: str | None = None,
    is_active: bool = True,
) -> Team:
    """Create a team; its slug is made of the one that is given, or else of the name.

    Raises `InvalidSlug` and `DuplicateSlug`.
    """
    team_id, wanted, now = uuid4(), new_slug(name, slug), gateway.clock()

    async def prepare(connection: AsyncConnection, _state: TeamState) -> TeamCommand:
        taken = await is_slug_taken(connection, teams, wanted, team_id)
        return CreateTeam(
            team_id=team_id,
            name=name,
            slug=wanted,
            slack_handle=slack_handle,
            is_active=is_active,
            now=now,
            slug_taken=taken,
        )

    context = Context(actor=actor.name, at=now, correlation_id=str(uuid4()))
    return _existing(await gateway.event_store.execute(TEAMS, team_id, prepare, context), team_id)


async def update_team(
    gateway: Gateway,
    team_id: UUID,
    actor: Actor,
    *,
    name: str | None = None,
    slack_handle: str | None = None,
    is_active: bool | None = None,
) -> tuple[Team, int]:
    """Change what is given of a team; also returns how many jobs have another slug now.

    Raises `TeamNotFound`, `InvalidSlug` and `DuplicateSlug`.
    """
    now = gateway.clock()
    context = Context(actor=actor.name, at=now, correlation_id=str(uuid4()))
    moved = 0

    async def prepare(connection: AsyncConnection, state: TeamState) -> TeamCommand:
        nonlocal moved
        await hold(connection, teams, team_id)
        command = UpdateTeam(
            team_id=team_id,
            name=name,
            slack_handle=slack_handle,
            is_active=is_active,
            now=now,
            slug_taken=name is not None and await is_slug_taken(connection, teams, slugify(name), team_id),
        )
        moved = 0
        for event in decide(command, state):
            if isinstance(event, TeamUpdated) and event.team.slug != event.before.slug:
                slugs = event.before.slug, event.team.slug
                await move_calendars(gateway.event_store, connection, slugs, context)
                moved = await move_jobs(gateway.event_store, connection, "pic_team", slugs, context)
        return command

    state = await gateway.event_store.execute(TEAMS, team_id, prepare, context)
    return _existing(state, team_id), moved


def _existing(state: TeamState, team_id: UUID) -> Team:
    if state.team is None:
        raise TeamNotFound(team_id)
    return state.team
