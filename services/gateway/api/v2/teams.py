"""Who is in charge of jobs."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, status

from services.gateway.api.dependencies import ThisGateway, parse_id
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import Admin, AnyRole
from services.gateway.api.v2.models.taxonomy import (
    TeamAnswer,
    TeamCreate,
    TeamsAnswer,
    TeamUpdate,
    TeamUpdatedAnswer,
    TeamView,
)
from services.gateway.commands import teams as commands
from services.gateway.domain.actor import Role
from services.gateway.domain.team import TeamNotFound
from services.gateway.queries.taxonomy import list_teams
from shared.errors import NotFound

router = APIRouter(prefix="/pic-teams", tags=["Teams"])


def _team_id(team_id: Annotated[str, Path(description="The team's id.")]) -> UUID:
    try:
        return parse_id(team_id, "Team")
    except NotFound:
        raise TeamNotFound(team_id) from None


TeamId: TypeAlias = Annotated[UUID, Depends(_team_id)]


@router.get("", responses=error_responses(400, 401))
async def get_teams(
    gateway: ThisGateway,
    caller: AnyRole,
    include_inactive: Annotated[
        bool, Query(description="Disabled ones too; has an effect for administrators only.")
    ] = False,
) -> TeamsAnswer:
    """The teams that jobs may be given, by name."""
    everything = include_inactive and caller.actor.role is Role.ADMIN
    rows = await list_teams(gateway.database, include_inactive=everything)
    return TeamsAnswer(pic_teams=[TeamView.model_validate(row) for row in rows])


@router.post("", status_code=status.HTTP_201_CREATED, responses=error_responses(400, 401, 403, 409, 413))
async def create_team(gateway: ThisGateway, caller: Admin, body: TeamCreate) -> TeamAnswer:
    """Create a team; its slug is made of the name unless one is given."""
    team = await commands.create_team(gateway, caller.actor, **body.model_dump())
    return TeamAnswer(message="PIC team created", pic_team=TeamView.model_validate(team))


@router.put("/{team_id}", responses=error_responses(400, 401, 403, 404, 409, 413))
async def update_team(
    gateway: ThisGateway, caller: Admin, team_id: TeamId, body: TeamUpdate
) -> TeamUpdatedAnswer:
    """Change a team; the slug follows the name, and all jobs follow the slug."""
    changes = body.model_dump(exclude_unset=True)
    team, moved = await commands.update_team(gateway, team_id, caller.actor, **changes)
    return TeamUpdatedAnswer(pic_team=TeamView.model_validate(team), jobs_updated=moved)


@router.delete("/{team_id}", responses=error_responses(401, 403, 404, 409))
async def disable_team(gateway: ThisGateway, caller: Admin, team_id: TeamId) -> TeamAnswer:
    """Disable a team: its jobs keep it, no other job may be given it."""
    team, _ = await commands.update_team(gateway, team_id, caller.actor, is_active=False)
    return TeamAnswer(message="PIC team disabled", pic_team=TeamView.model_validate(team))
