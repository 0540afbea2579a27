"""Commands on categories. A renamed one takes its jobs along, in one transaction."""

from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.commands.slugs import hold, is_slug_taken, move_jobs
from services.gateway.domain.actor import SYSTEM, Actor
from services.gateway.domain.category import (
    GENERAL,
    CategoryCommand,
    CategoryNotFound,
    CategoryState,
    CreateCategory,
    UpdateCategory,
    decide,
)
from services.gateway.domain.slug import DuplicateSlug, new_slug, slugify
from services.gateway.gateway import Gateway
from services.gateway.store.aggregates import CATEGORIES
from services.gateway.store.event_store import Context, load
from services.gateway.store.tables import categories
from shared.domain.directory import Category
from shared.events import CategoryUpdated

GENERAL_ID = uuid5(NAMESPACE_URL, "jetcron:category:general")
"""The same at every gateway, so that two that start at once make one category."""
GENERAL_NAME = "General"


async def create_category(
    gateway: Gateway,
    actor: Actor,
    *,
    name: str,
    slug: str | None = None,
    is_active: bool = True,
    category_id: UUID | None = None,
) -> Category:
    """Create a category; its slug is made of the one that is given, or else of the name.

    Raises `InvalidSlug` and `DuplicateSlug`.
    """
    new_id, wanted, now = category_id or uuid4(), new_slug(name, slug), gateway.clock()

    async def prepare(connection: AsyncConnection, _state: CategoryState) -> CategoryCommand:
        taken = await is_slug_taken(connection, categories, wanted, new_id)
        return CreateCategory(
            category_id=new_id, name=name, slug=wanted, is_active=is_active, now=now, slug_taken=taken
        )

    context = Context(actor=actor.name, at=now, correlation_id=str(uuid4()))
    return _existing(await gateway.event_store.execute(CATEGORIES, new_id, prepare, context), new_id)


async def update_category(
    gateway: Gateway,
    category_id: UUID,
    actor: Actor,
    *,
    name: str | None = None,
    is_active: bool | None = None,
) -> tuple[Category, int]:
    """Rename, disable or enable a category; also returns how many jobs have another slug now.

    Raises `CategoryNotFound`, `InvalidCategory`, `InvalidSlug` and `DuplicateSlug`.
    """
    now = gateway.clock()
    context = Context(actor=actor.name, at=now, correlation_id=str(uuid4()))
    moved = 0

    async def prepare(connection: AsyncConnection, state: CategoryState) -> CategoryCommand:
        nonlocal moved
        await hold(connection, categories, category_id)
        taken = name is not None and await is_slug_taken(connection, categories, slugify(name), category_id)
        command = UpdateCategory(
            category_id=category_id, name=name, is_active=is_active, now=now, slug_taken=taken
        )
        moved = 0
        for event in decide(command, state):
            if isinstance(event, CategoryUpdated) and event.category.slug != event.before.slug:
                slugs = event.before.slug, event.category.slug
                moved = await move_jobs(gateway.event_store, connection, "category", slugs, context)
        return command

    state = await gateway.event_store.execute(CATEGORIES, category_id, prepare, context)
    return _existing(state, category_id), moved


async def ensure_general(gateway: Gateway) -> None:
    """Make the category of jobs that name none, unless it is there."""
    async with gateway.database.read() as connection:
        _, version = await load(connection, CATEGORIES, GENERAL_ID)
    if version:
        return
    try:
        await create_category(gateway, SYSTEM, name=GENERAL_NAME, slug=GENERAL, category_id=GENERAL_ID)
    except DuplicateSlug:
        # Another gateway, started at the same moment, was faster.
        return


def _existing(state: CategoryState, category_id: UUID) -> Category:
    if state.category is None:
        raise CategoryNotFound(category_id)
    return state.category
