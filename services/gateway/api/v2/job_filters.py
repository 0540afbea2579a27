"""Which jobs a list is asked for."""

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from fastapi import Depends, Query

from services.gateway.api.v2.fields import OneLine
from services.gateway.queries.jobs import JobFilter, Page, SortBy

MAX_PER_PAGE = 200
DEFAULT_PER_PAGE = 20
MAX_PAGE = 10**6

_Text: TypeAlias = Annotated[OneLine | None, Query(max_length=255)]
_Sort: TypeAlias = Literal["name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"]


def _filter(
    search: Annotated[_Text, Query(description="A part of the name, in capitals or not.")] = None,
    category: Annotated[_Text, Query(description="A category's slug.")] = None,
    pic_team: Annotated[_Text, Query(description="A team's slug.")] = None,
    is_active: Annotated[bool | None, Query(description="Whether they run on their schedule.")] = None,
    created_by: Annotated[UUID | None, Query(description="Their owner's id.")] = None,
    target_type: Annotated[
        Literal["webhook", "github_actions"] | None, Query(description="What they call.")
    ] = None,
    sort: Annotated[_Sort, Query(description="By what, `-` for the highest first.")] = "-created_at",
) -> JobFilter:
    return JobFilter(
        search=search,
        category=category or None,
        pic_team=pic_team or None,
        is_active=is_active,
        owner_id=created_by,
        target_kind=target_type,
        sort_by=SortBy(sort.removeprefix("-")),
        descending=sort.startswith("-"),
    )


def _page(
    page: Annotated[int | None, Query(ge=1, le=MAX_PAGE, description="Which page; the first is 1.")] = None,
    per_page: Annotated[
        int | None,
        Query(ge=1, le=MAX_PER_PAGE, description=f"Jobs on a page, by default {DEFAULT_PER_PAGE}."),
    ] = None,
) -> Page | None:
    if page is None and per_page is None:
        return None
    return Page(number=page or 1, size=per_page or DEFAULT_PER_PAGE)


InJobFilter: TypeAlias = Annotated[JobFilter, Depends(_filter)]
InPage: TypeAlias = Annotated[Page | None, Depends(_page)]
"""None: all of them."""
