"""The rules of categories: what kinds of jobs there are. Pure: the time and all facts come with the command."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from services.gateway.domain.slug import DuplicateSlug, following_slug
from shared.domain.directory import Category
from shared.errors import NotFound, RuleViolation
from shared.events import CategoryCreated, CategoryEvent, CategoryUpdated, DomainEvent

GENERAL = "general"
"""The slug of the category of jobs that name none: it is always there."""
_KIND = "Category"


@dataclass(frozen=True, slots=True)
class CategoryState:
    """`category` is None before the first event."""

    category: Category | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateCategory:
    """Create the category; `slug_taken` is a fact read in the same transaction."""

    category_id: UUID
    name: str
    slug: str
    is_active: bool = True
    now: datetime
    slug_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCategory:
    """Rename, disable or enable it; None leaves it as it is. `slug_taken` is of the slug that follows the new name."""

    category_id: UUID
    name: str | None = None
    is_active: bool | None = None
    now: datetime
    slug_taken: bool = False


CategoryCommand: TypeAlias = CreateCategory | UpdateCategory


class CategoryNotFound(NotFound):
    """No category has this id."""

    def __init__(self, category_id: object) -> None:
        super().__init__(f"No category found with ID: {category_id}")


class InvalidCategory(RuleViolation):
    """Something that this category must not become."""

    title = "Invalid category"


def decide(command: CategoryCommand, state: CategoryState) -> list[DomainEvent]:
    """What follows from a command; no events when it changes nothing. Raises the domain's errors."""
    match command:
        case CreateCategory():
            return _create(command, state)
        case UpdateCategory():
            return _update(command, state)
        case _:
            assert_never(command)


def evolve(state: CategoryState, event: DomainEvent) -> CategoryState:
    """The state after an event; category events carry it whole."""
    if isinstance(event, CategoryEvent):
        return CategoryState(event.category, event.category.version)
    return state


def _create(command: CreateCategory, state: CategoryState) -> list[DomainEvent]:
    if state.category is not None or command.slug_taken:
        raise DuplicateSlug(_KIND, command.slug)
    category = Category(
        id=command.category_id,
        slug=command.slug,
        name=command.name,
        is_active=command.is_active,
        version=state.version + 1,
        created_at=command.now,
        updated_at=command.now,
    )
    return [CategoryCreated(category=category)]


def _update(command: UpdateCategory, state: CategoryState) -> list[DomainEvent]:
    before = state.category
    if before is None:
        raise CategoryNotFound(command.category_id)
    if before.slug == GENERAL:
        _check_general(command, before)
    changes: dict[str, object] = {}
    if command.name is not None:
        changes = {"name": command.name, "slug": following_slug(command.name, before.name, before.slug)}
    if command.is_active is not None:
        changes["is_active"] = command.is_active
    changed = before.model_copy(update=changes)
    if changed == before:
        return []
    if changed.slug != before.slug and command.slug_taken:
        raise DuplicateSlug(_KIND, changed.slug)
    category = changed.model_copy(update={"version": state.version + 1, "updated_at": command.now})
    return [CategoryUpdated(category=category, before=before)]


def _check_general(command: UpdateCategory, general: Category) -> None:
    if command.name not in (None, general.name):
        raise InvalidCategory('The "General" category cannot be renamed.')
    if command.is_active is False:
        raise InvalidCategory('The "General" category cannot be disabled.')
