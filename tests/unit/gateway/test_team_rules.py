"""What may happen to a team."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.gateway.domain.slug import DuplicateSlug, InvalidSlug
from services.gateway.domain.team import CreateTeam, TeamNotFound, TeamState, UpdateTeam, decide, evolve
from shared.domain.directory import Team
from shared.events import TeamCreated, TeamUpdated
from tests.fixtures.builders import SOME_TIME, make_team
from tests.fixtures.decider import Decider

TEAMS = Decider(TeamState(), decide, evolve)
given = TEAMS.given
LATER = SOME_TIME + timedelta(hours=1)
OPS = make_team(slug="ops", name="Ops", slack_handle="@ops")


def create(**overrides: Any) -> CreateTeam:
    values = {
        "team_id": OPS.id,
        "name": "Ops",
        "slug": "ops",
        "slack_handle": "@ops",
        "now": SOME_TIME,
        "slug_taken": False,
    }
    return CreateTeam(**{**values, **overrides})


def update(**changes: Any) -> UpdateTeam:
    return UpdateTeam(**{"team_id": OPS.id, "now": LATER, **changes})


def after(before: Team = OPS, **changes: Any) -> TeamUpdated:
    team = before.model_copy(update={"version": before.version + 1, "updated_at": LATER, **changes})
    return TeamUpdated(team=team, before=before)


def test_a_new_one_is_active_unless_it_is_not_meant_to_be() -> None:
    given().when(create()).then(TeamCreated(team=OPS))
    disabled = OPS.model_copy(update={"is_active": False})
    given().when(create(is_active=False)).then(TeamCreated(team=disabled))


def test_a_slug_is_given_once() -> None:
    given().when(create(slug_taken=True)).then_raises(
        DuplicateSlug, title="Duplicate slug", message='PIC team slug "ops" already exists.'
    )


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"name": "Site Reliability"}, {"name": "Site Reliability", "slug": "site-reliability"}),
        ({"name": "OPS", "slug_taken": True}, {"name": "OPS"}),
        ({"slack_handle": "@all-ops"}, {"slack_handle": "@all-ops"}),
        ({"is_active": False}, {"is_active": False}),
    ],
)
def test_what_is_given_changes(changes: dict[str, Any], shown: dict[str, Any]) -> None:
    given(TeamCreated(team=OPS)).when(update(**changes)).then(after(**shown))


def test_a_disabled_one_can_be_enabled() -> None:
    disabled = after(is_active=False)
    given(TeamCreated(team=OPS), disabled).when(update(is_active=True)).then(
        after(disabled.team, is_active=True)
    )


@pytest.mark.parametrize("changes", [{}, {"name": "Ops", "slack_handle": "@ops", "is_active": True}])
def test_what_changes_nothing_leaves_no_event(changes: dict[str, Any]) -> None:
    given(TeamCreated(team=OPS)).when(update(**changes)).then()


def test_it_cannot_take_a_slug_from_another() -> None:
    given(TeamCreated(team=OPS)).when(update(name="QA", slug_taken=True)).then_raises(
        DuplicateSlug, message='PIC team slug "qa" already exists.'
    )


def test_a_name_needs_a_slug() -> None:
    given(TeamCreated(team=OPS)).when(update(name="!!!")).then_raises(InvalidSlug)


def test_what_is_not_there_cannot_change() -> None:
    missing = uuid4()
    given().when(update(team_id=missing)).then_raises(
        TeamNotFound, title="Not found", message=f"No PIC team found with ID: {missing}"
    )
