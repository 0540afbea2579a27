"""The newest version of everybody counts, in whatever order it is heard of."""

from itertools import permutations
from uuid import uuid4

import pytest

from services.notifier.directory import Directory
from shared.domain.execution import Phase
from shared.events import (
    AnyEvent,
    TeamCreated,
    TeamUpdated,
    UserDeleted,
    UserRegistered,
    UserUpdated,
)
from tests.fixtures.builders import make_report
from tests.fixtures.notices import directory_of, make_slack, make_team, person


def test_people_are_found_by_id_and_by_address_in_whatever_capitals() -> None:
    grace = person(email="Grace@Example.com")
    directory = directory_of(grace)
    found = directory.at("gRACE@example.COM")
    assert found is not None
    assert found == directory.person(grace.id)
    assert (found.address, found.is_active, found.is_admin) == ("Grace@Example.com", True, False)
    assert directory.at("other@example.com") is None
    assert len(directory) == 1


def test_who_never_chose_has_the_default_preferences() -> None:
    grace = person()
    found = directory_of(grace).person(grace.id)
    assert found is not None
    assert found.preferences.email_on_job_failure
    assert not found.preferences.email_on_job_disabled


def test_a_changed_address_is_found_and_the_old_one_is_not() -> None:
    before = person(email="old@example.com")
    after = before.model_copy(update={"version": 2, "email": "new@example.com"})
    directory = directory_of(before)
    directory.take(UserUpdated(user=after, before=before))
    assert directory.at("old@example.com") is None
    found = directory.at("new@example.com")
    assert found is not None
    assert found.id == before.id


def test_an_address_that_changes_hands_belongs_to_its_new_owner_in_either_order() -> None:
    first = person(email="shared@example.com")
    moved = first.model_copy(update={"version": 2, "email": "first@example.com"})
    second = person(email="shared@example.com")
    directory = directory_of(first, second)
    directory.take(UserUpdated(user=moved, before=first))
    found = directory.at("shared@example.com")
    assert found is not None
    assert found.id == second.id


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_events_makes_no_difference(order: tuple[int, ...]) -> None:
    first = person(role="admin")
    second = first.model_copy(update={"version": 2, "role": "user"})
    events: list[AnyEvent] = [
        UserRegistered(user=first),
        UserUpdated(user=second, before=first),
        UserDeleted(before=second, version=3),
    ]
    directory = Directory()
    for index in order:
        directory.take(events[index])
    assert directory.person(first.id) is None
    assert directory.is_deleted(first.id)
    assert directory.at(first.email) is None
    assert list(directory.administrators()) == []
    assert len(directory) == 0


def test_nobody_was_deleted_who_was_never_heard_of() -> None:
    assert not directory_of(person()).is_deleted(uuid4())


def test_administrators_are_those_who_can_act() -> None:
    admin, left = person(role="admin"), person(role="admin", is_active=False)
    directory = directory_of(admin, left, person(), person(role="viewer"))
    assert [one.id for one in directory.administrators()] == [admin.id]


def test_a_renamed_team_is_found_by_its_new_name() -> None:
    before = make_team()
    after = before.model_copy(update={"version": 2, "slug": "platform", "slack_handle": "@platform"})
    directory = Directory()
    directory.take(TeamCreated(team=before))
    assert directory.handle("operations") == "@operations"
    directory.take(TeamUpdated(team=after, before=before))
    directory.take(TeamCreated(team=before))
    assert directory.handle("operations") is None
    assert directory.handle("platform") == "@platform"
    assert directory.handle(None) is None


def test_slack_that_is_off_or_leads_nowhere_is_none() -> None:
    on = make_slack()
    off = on.model_copy(update={"version": 2, "is_enabled": False})
    assert directory_of(on).slack == on
    assert directory_of(on, off).slack is None
    assert directory_of(make_slack(sealed_webhook_url=None)).slack is None


def test_what_concerns_nobody_is_passed_over() -> None:
    directory = Directory()
    directory.take(make_report(Phase.FAILED))
    assert len(directory) == 0
