"""What kinds of jobs there are."""

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, status

from services.gateway.api.dependencies import ThisGateway, parse_id
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import Admin, AnyRole
from services.gateway.api.v2.models.taxonomy import (
    CategoriesAnswer,
    CategoryAnswer,
    CategoryCreate,
    CategoryUpdate,
    CategoryUpdatedAnswer,
    CategoryView,
)
from services.gateway.commands import categories as commands
from services.gateway.domain.actor import Role
from services.gateway.domain.category import CategoryNotFound
from services.gateway.queries.taxonomy import list_categories
from shared.errors import NotFound

router = APIRouter(prefix="/job-categories", tags=["Categories"])


def _category_id(category_id: Annotated[str, Path(description="The category's id.")]) -> UUID:
    try:
        return parse_id(category_id, "Category")
    except NotFound:
        raise CategoryNotFound(category_id) from None


CategoryId: TypeAlias = Annotated[UUID, Depends(_category_id)]


@router.get("", responses=error_responses(400, 401))
async def get_categories(
    gateway: ThisGateway,
    caller: AnyRole,
    include_inactive: Annotated[
        bool, Query(description="Disabled ones too; has an effect for administrators only.")
    ] = False,
) -> CategoriesAnswer:
    """The categories that jobs may be given, by name."""
    everything = include_inactive and caller.actor.role is Role.ADMIN
    rows = await list_categories(gateway.database, include_inactive=everything)
    return CategoriesAnswer(categories=[CategoryView.model_validate(row) for row in rows])


@router.post("", status_code=status.HTTP_201_CREATED, responses=error_responses(400, 401, 403, 409, 413))
async def create_category(gateway: ThisGateway, caller: Admin, body: CategoryCreate) -> CategoryAnswer:
    """Create a category; its slug is made of the name unless one is given."""
    category = await commands.create_category(gateway, caller.actor, **body.model_dump())
    return CategoryAnswer(message="Category created", category=CategoryView.model_validate(category))


@router.put("/{category_id}", responses=error_responses(400, 401, 403, 404, 409, 413))
async def update_category(
    gateway: ThisGateway, caller: Admin, category_id: CategoryId, body: CategoryUpdate
) -> CategoryUpdatedAnswer:
    """Rename, enable or disable a category; the slug follows the name, and all jobs follow the slug."""
    changes = body.model_dump(exclude_unset=True)
    category, moved = await commands.update_category(gateway, category_id, caller.actor, **changes)
    return CategoryUpdatedAnswer(category=CategoryView.model_validate(category), jobs_updated=moved)


@router.delete("/{category_id}", responses=error_responses(400, 401, 403, 404, 409))
async def disable_category(gateway: ThisGateway, caller: Admin, category_id: CategoryId) -> CategoryAnswer:
    """Disable a category: its jobs keep it, no other job may be given it."""
    category, _ = await commands.update_category(gateway, category_id, caller.actor, is_active=False)
    return CategoryAnswer(message="Category disabled", category=CategoryView.model_validate(category))
