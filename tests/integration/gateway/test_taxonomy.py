"""Which category and which team the text in a job means, and that they stay while the job is written."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from services.gateway.commands.categories import create_category, update_category
from services.gateway.commands.slugs import hold
from services.gateway.commands.teams import create_team, update_team
from services.gateway.domain.actor import SYSTEM
from services.gateway.domain.job import InvalidJob
from services.gateway.gateway import Gateway
from services.gateway.queries.taxonomy import load_taxonomy, resolve_category, resolve_team
from services.gateway.store.database import Database
from services.gateway.store.tables import teams
from tests.integration.gateway.world import opened

NOBODY_LISTENS = "nats://127.0.0.1:1"


async def category(gateway: Gateway, text: str) -> str:
    """Its slug, or why there is none."""
    async with gateway.database.write() as connection:
        of_many = (await load_taxonomy(connection)).category
        one = await outcome(lambda: resolve_category(connection, text))
    assert await outcome(lambda: asyncio.to_thread(of_many, text)) == one
    return one


async def team(gateway: Gateway, text: str) -> str:
    """Its slug, or why there is none."""
    async with gateway.database.write() as connection:
        of_many = (await load_taxonomy(connection)).team
        one = await outcome(lambda: resolve_team(connection, text))
    assert await outcome(lambda: asyncio.to_thread(of_many, text)) == one
    return one


async def outcome(resolve: Callable[[], Awaitable[str]]) -> str:
    try:
        return await resolve()
    except InvalidJob as error:
        return f"{error.title}: {error.message}"


async def test_a_slug_or_a_name_means_it_in_any_letters(database_url: str) -> None:
    async with opened(database_url, NOBODY_LISTENS) as gateway:
        await create_category(gateway, SYSTEM, name="Analytics Jobs", slug="analytics")
        await create_team(gateway, SYSTEM, name="Équipe Café", slack_handle="@cafe")
        await create_team(gateway, SYSTEM, name="インフラ", slug="infra", slack_handle="@infra")
        for text in ("analytics", " ANALYTICS ", "Analytics Jobs", "analytics jobs", "Analytics!"):
            assert await category(gateway, text) == "analytics"
        for text in ("équipe café", "EQUIPE-CAFE", "ÉQUIPE CAFÉ"):
            assert await team(gateway, text) == "equipe-cafe"
        assert await team(gateway, "インフラ ") == "infra"


async def test_general_is_always_there(database_url: str) -> None:
    async with opened(database_url, NOBODY_LISTENS) as gateway:
        for text in ("general", "General", " GENERAL "):
            assert await category(gateway, text) == "general"


@pytest.mark.parametrize("text", ["report", "", "  ", "インフラ"])
async def test_what_nobody_made_means_nothing(database_url: str, text: str) -> None:
    async with opened(database_url, NOBODY_LISTENS) as gateway:
        await create_category(gateway, SYSTEM, name="Reports")
        assert await category(gateway, text) == f'Invalid category: There is no category "{text.strip()}".'
        # A category is no team.
        assert await team(gateway, "reports") == 'Invalid PIC team: There is no PIC team "reports".'


async def test_a_disabled_one_is_given_to_no_job(database_url: str) -> None:
    async with opened(database_url, NOBODY_LISTENS) as gateway:
        await create_team(gateway, SYSTEM, name="Ops", slack_handle="@ops", is_active=False)
        assert await team(gateway, "Ops") == 'Invalid PIC team: The PIC team "ops" is disabled.'


async def test_of_two_with_one_name_the_active_one_is_meant(database_url: str) -> None:
    async with opened(database_url, NOBODY_LISTENS) as gateway:
        await create_team(gateway, SYSTEM, name="運用", slug="ops-1", slack_handle="@1", is_active=False)
        await create_team(gateway, SYSTEM, name="運用", slug="ops-2", slack_handle="@2")
        assert await team(gateway, "運用") == "ops-2"


async def test_a_slug_comes_before_a_name(database_url: str) -> None:
    async with opened(database_url, NOBODY_LISTENS) as gateway:
        await create_team(gateway, SYSTEM, name="qa", slug="quality", slack_handle="@1")
        await create_team(gateway, SYSTEM, name="Other", slug="qa", slack_handle="@2")
        assert await team(gateway, "qa") == "qa"


@pytest.mark.parametrize("kind", ["category", "team", "both"])
async def test_a_rename_waits_until_the_job_is_written(postgres_url: str, kind: str) -> None:
    """On SQLite there is one writer at a time."""
    async with opened(postgres_url, NOBODY_LISTENS) as gateway:
        reports = await create_category(gateway, SYSTEM, name="Reports")
        ops = await create_team(gateway, SYSTEM, name="Ops", slack_handle="@ops")
        async with gateway.database.write() as connection:
            if kind == "both":
                await load_taxonomy(connection)
            elif kind == "category":
                await resolve_category(connection, "reports")
            else:
                await resolve_team(connection, "ops")
            renames = [
                asyncio.ensure_future(update_category(gateway, reports.id, SYSTEM, name="Papers")),
                asyncio.ensure_future(update_team(gateway, ops.id, SYSTEM, name="Operations")),
            ]
            done, _ = await asyncio.wait(renames, timeout=0.5)
            others = {"category": {renames[1]}, "team": {renames[0]}, "both": set()}
            assert done == others[kind]
        await asyncio.gather(*renames)


async def test_a_job_gets_the_slug_of_a_rename_that_came_first(postgres_url: str) -> None:
    async with opened(postgres_url, NOBODY_LISTENS) as gateway:
        ops = await create_team(gateway, SYSTEM, name="Ops", slack_handle="@ops")
        other = Database(postgres_url)
        try:
            async with gateway.database.write() as renaming:
                await hold(renaming, teams, ops.id)

                async def resolve() -> str:
                    async with other.write() as connection:
                        return await resolve_team(connection, "ops")

                resolving = asyncio.ensure_future(resolve())
                await asyncio.sleep(0.3)
                assert not resolving.done()
                await renaming.execute(teams.update().where(teams.c.id == ops.id).values(slug="operations"))
            assert await resolving == "operations"
        finally:
            await other.close()
