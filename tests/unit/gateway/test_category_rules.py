"""What may happen to a category."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.gateway.domain.category import (
    CategoryNotFound,
    CategoryState,
    CreateCategory,
    InvalidCategory,
    UpdateCategory,
    decide,
    evolve,
)
from services.gateway.domain.slug import DuplicateSlug, InvalidSlug
from shared.domain.directory import Category
from shared.events import CategoryCreated, CategoryUpdated, JobCreated
from tests.fixtures.builders import SOME_TIME, make_category, make_job
from tests.fixtures.decider import Decider

CATEGORIES = Decider(CategoryState(), decide, evolve)
given = CATEGORIES.given
LATER = SOME_TIME + timedelta(hours=1)
REPORTS = make_category(slug="reports", name="Reports")
GENERAL = make_category(slug="general", name="General")


def create(**overrides: Any) -> CreateCategory:
    values = {
        "category_id": REPORTS.id,
        "name": "Reports",
        "slug": "reports",
        "now": SOME_TIME,
        "slug_taken": False,
    }
    return CreateCategory(**{**values, **overrides})


def update(before: Category = REPORTS, **changes: Any) -> UpdateCategory:
    return UpdateCategory(**{"category_id": before.id, "now": LATER, **changes})


def after(before: Category = REPORTS, **changes: Any) -> CategoryUpdated:
    category = before.model_copy(update={"version": before.version + 1, "updated_at": LATER, **changes})
    return CategoryUpdated(category=category, before=before)


def test_a_new_one_is_active_unless_it_is_not_meant_to_be() -> None:
    given().when(create()).then(CategoryCreated(category=REPORTS))
    disabled = REPORTS.model_copy(update={"is_active": False})
    given().when(create(is_active=False)).then(CategoryCreated(category=disabled))


def test_a_slug_is_given_once() -> None:
    given().when(create(slug_taken=True)).then_raises(
        DuplicateSlug, title="Duplicate slug", message='Category slug "reports" already exists.'
    )


def test_an_id_is_given_once() -> None:
    given(CategoryCreated(category=REPORTS)).when(create()).then_raises(DuplicateSlug)


def test_the_slug_follows_the_name() -> None:
    given(CategoryCreated(category=REPORTS)).when(update(name="Weekly Reports")).then(
        after(name="Weekly Reports", slug="weekly-reports")
    )


def test_another_spelling_of_the_name_keeps_the_slug() -> None:
    given(CategoryCreated(category=REPORTS)).when(update(name="REPORTS", slug_taken=True)).then(
        after(name="REPORTS")
    )


def test_it_can_be_disabled_and_enabled() -> None:
    disabled = after(is_active=False)
    given(CategoryCreated(category=REPORTS)).when(update(is_active=False)).then(disabled)
    given(CategoryCreated(category=REPORTS), disabled).when(update(is_active=True)).then(
        after(disabled.category, is_active=True)
    )


@pytest.mark.parametrize("changes", [{}, {"name": "Reports"}, {"is_active": True}])
def test_what_changes_nothing_leaves_no_event(changes: dict[str, Any]) -> None:
    given(CategoryCreated(category=REPORTS)).when(update(**changes)).then()


def test_it_cannot_take_a_slug_from_another() -> None:
    given(CategoryCreated(category=REPORTS)).when(update(name="Backups", slug_taken=True)).then_raises(
        DuplicateSlug, message='Category slug "backups" already exists.'
    )


def test_a_name_needs_a_slug() -> None:
    given(CategoryCreated(category=REPORTS)).when(update(name="!!!")).then_raises(InvalidSlug)


def test_what_is_not_there_cannot_change() -> None:
    missing = uuid4()
    given().when(update(category_id=missing, is_active=False)).then_raises(
        CategoryNotFound, title="Not found", message=f"No category found with ID: {missing}"
    )


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"name": "Other"}, "renamed"),
        ({"name": "GENERAL"}, "renamed"),
        ({"name": "!!!"}, "renamed"),
        ({"is_active": False}, "disabled"),
        ({"name": "Other", "is_active": False}, "renamed"),
    ],
)
def test_general_stays_what_it_is(changes: dict[str, Any], what: str) -> None:
    given(CategoryCreated(category=GENERAL)).when(update(GENERAL, **changes)).then_raises(
        InvalidCategory,
        title="Invalid category",
        message=f'The "General" category cannot be {what}.',
    )


def test_general_may_be_told_what_it_is() -> None:
    given(CategoryCreated(category=GENERAL)).when(update(GENERAL, name="General", is_active=True)).then()


def test_other_events_change_nothing() -> None:
    given(CategoryCreated(category=REPORTS), JobCreated(job=make_job())).when(update()).then()
