"""Categories and teams, as they are written and shown."""

from typing import Annotated, Any, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from services.gateway.api.errors import MISSING_FIELDS
from services.gateway.api.v2.fields import Flag, TaxonomyName
from services.gateway.api.v2.models.common import Input, View, not_given
from services.gateway.domain.slug import MAX_SLUG_LENGTH

Slug: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_SLUG_LENGTH),
    Field(description="What jobs carry; made of the name by default. Becomes lowercase, with hyphens."),
]

_CATEGORY_EXAMPLE: JsonDict = {
    "id": "7f0c2f7e-3c1e-4e0e-9d8e-1f2a3b4c5d6e",
    "slug": "analytics-jobs",
    "name": "Analytics Jobs",
    "is_active": True,
    "created_at": "2026-11-21T10:30:00Z",
    "updated_at": "2026-11-21T10:30:00Z",
}
_TEAM_EXAMPLE: JsonDict = {
    **_CATEGORY_EXAMPLE,
    "slug": "qa-team",
    "name": "QA Team",
    "slack_handle": "@qa-team",
}


class _Creation(Input):
    """What a new category and a new team have in common."""

    @model_validator(mode="before")
    @classmethod
    def _has_all_texts(cls, body: Any) -> Any:
        for field in ("name", "slack_handle"):
            if field in cls.model_fields:
                _refuse_blank(body, field, f'"{field}" is required.', MISSING_FIELDS, or_absent=True)
        return body

    name: TaxonomyName = Field(description="As people read it.")
    slug: Slug | None = None
    is_active: Flag = Field(default=True, description="Whether jobs may be given it.")


class _Change(Input):
    """What changes of categories and of teams have in common."""

    @model_validator(mode="before")
    @classmethod
    def _leaves_the_slug_alone(cls, body: Any) -> Any:
        _refuse_blank(body, "name", "Name cannot be empty.", "Invalid name")
        if isinstance(body, dict) and "slug" in body:
            message = "Slug cannot be edited directly; it is derived from name."
            raise PydanticCustomError("slug_given", message, {"title": "Invalid payload"})
        if "slack_handle" in cls.model_fields:
            message = "slack_handle cannot be empty."
            _refuse_blank(body, "slack_handle", message, "Invalid slack_handle")
        return body

    name: TaxonomyName = Field(default_factory=not_given, description="The slug, and the jobs, follow it.")
    is_active: Flag = Field(default_factory=not_given, description="Whether jobs may be given it.")


def _refuse_blank(body: Any, field: str, message: str, title: str, *, or_absent: bool = False) -> None:
    if not isinstance(body, dict) or (field not in body and not or_absent):
        return
    text = body.get(field)
    if text is None or (isinstance(text, str) and not text.strip()):
        # Of the whole body, so that the message stands alone.
        raise PydanticCustomError("blank", "{message}", {"message": message, "title": title})


class CategoryCreate(_Creation):
    """A new category."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Analytics Jobs", "slug": "analytics"}]}
    )


class CategoryUpdate(_Change):
    """Changes of a category: what is not given stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Reports"}, {"is_active": True}]})


class TeamCreate(_Creation):
    """A new team."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "QA Team", "slug": "qa", "slack_handle": "@qa-team"}]}
    )

    slack_handle: TaxonomyName = Field(description="Whom messages to Slack mention.")


class TeamUpdate(_Change):
    """Changes of a team: what is not given stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Quality"}, {"slack_handle": "@quality"}]}
    )

    slack_handle: TaxonomyName = Field(
        default_factory=not_given, description="Whom messages to Slack mention."
    )


class CategoryView(View):
    """A category."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CATEGORY_EXAMPLE]})

    id: UUID
    slug: str = Field(description="What jobs carry.")
    name: str
    is_active: bool = Field(description="Whether jobs may be given it.")
    created_at: AwareDatetime
    updated_at: AwareDatetime


class CategoriesAnswer(View):
    """Categories, by name."""

    categories: list[CategoryView]


class CategoryAnswer(View):
    """A category, and what happened to it."""

    message: str
    category: CategoryView


class CategoryUpdatedAnswer(CategoryAnswer):
    """A category that changed."""

    message: str = "Category updated"
    jobs_updated: int = Field(description="How many jobs have another slug now.")


class TeamView(View):
    """A team."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TEAM_EXAMPLE]})

    id: UUID
    slug: str = Field(description="What jobs carry.")
    name: str
    slack_handle: str = Field(description="Whom messages to Slack mention.")
    is_active: bool = Field(description="Whether jobs may be given it.")
    created_at: AwareDatetime
    updated_at: AwareDatetime


class TeamsAnswer(View):
    """Teams, by name."""

    pic_teams: list[TeamView]


class TeamAnswer(View):
    """A team, and what happened to it."""

    message: str
    pic_team: TeamView


class TeamUpdatedAnswer(TeamAnswer):
    """A team that changed."""

    message: str = "PIC team updated"
    jobs_updated: int = Field(description="How many jobs have another slug now.")
