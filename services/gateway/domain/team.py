"""The rules of teams: who is in charge of a job. Pure: the time and all facts come with the command."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from services.gateway.domain.slug import DuplicateSlug, following_slug
from shared.domain.directory import Team
from shared.errors import NotFound
from shared.events import DomainEvent, TeamCreated, TeamEvent, TeamUpdated

_KIND = "PIC team"


@dataclass(frozen=True, slots=True)
class TeamState:
    """`team` is None before the first event."""

    team: Team | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTeam:
    """Create the team; `slug_taken` is a fact read in the same transaction."""

    team_id: UUID
    name: str
    slug: str
    slack_handle: str
    is_active: bool = True
    now: datetime
    slug_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTeam:
    """Change what is not None. `slug_taken` is of the slug that follows the new name."""

    team_id: UUID
    name: str | None = None
    slack_handle: str | None = None
    is_active: bool | None = None
    now: datetime
    slug_taken: bool = False


TeamCommand: TypeAlias = CreateTeam | UpdateTeam


class TeamNotFound(NotFound):
    """No team has this id."""

    def __init__(self, team_id: object) -> None:
        super().__init__(f"No PIC team found with ID: {team_id}")


def decide(command: TeamCommand, state: TeamState) -> list[DomainEvent]:
    """What follows from a command; no events when it changes nothing. Raises the domain's errors."""
    match command:
        case CreateTeam():
            return _create(command, state)
        case UpdateTeam():
            return _update(command, state)
        case _:
            assert_never(command)


def evolve(state: TeamState, event: DomainEvent) -> TeamState:
    """The state after an event; team events carry it whole."""
    if isinstance(event, TeamEvent):
        return TeamState(event.team, event.team.version)
    return state


def _create(command: CreateTeam, state: TeamState) -> list[DomainEvent]:
    if state.team is not None or command.slug_taken:
        raise DuplicateSlug(_KIND, command.slug)
    team = Team(
        id=command.team_id,
        slug=command.slug,
        name=command.name,
        slack_handle=command.slack_handle,
        is_active=command.is_active,
        version=state.version + 1,
        created_at=command.now,
        updated_at=command.now,
    )
    return [TeamCreated(team=team)]


def _update(command: UpdateTeam, state: TeamState) -> list[DomainEvent]:
    before = state.team
    if before is None:
        raise TeamNotFound(command.team_id)
    changes: dict[str, object] = {
        field: value
        for field in ("name", "slack_handle", "is_active")
        if (value := getattr(command, field)) is not None
    }
    if command.name is not None:
        changes["slug"] = following_slug(command.name, before.name, before.slug)
    changed = before.model_copy(update=changes)
    if changed == before:
        return []
    if changed.slug != before.slug and command.slug_taken:
        raise DuplicateSlug(_KIND, changed.slug)
    team = changed.model_copy(update={"version": state.version + 1, "updated_at": command.now})
    return [TeamUpdated(team=team, before=before)]
