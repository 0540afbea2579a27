"""The lease row: of several gateways one looks after the bus."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.gateway import sql_lease
from services.gateway.sql_lease import SqlLease
from services.gateway.store.database import Database
from services.gateway.store.migrate import upgrade
from services.gateway.store.tables import leases
from shared.clock import utc_now
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.integration.gateway.world import background

TTL, RENEW, MARGIN = 2.0, 0.4, 0.4  # seconds


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_lease, "TTL", TTL)
    monkeypatch.setattr(sql_lease, "RENEW", RENEW)
    monkeypatch.setattr(sql_lease, "MARGIN", MARGIN)


@pytest.fixture
async def candidates(database: Database, database_url: str) -> AsyncIterator[tuple[SqlLease, SqlLease]]:
    """Two gateways, each with its own connections to one database."""
    other = Database(database_url)
    try:
        yield candidate(database, "a"), candidate(other, "b")
    finally:
        await other.close()


def candidate(database: Database, name: str) -> SqlLease:
    """Somebody who wants the lease."""
    return SqlLease(database, "steward", name, utc_now)


async def hold_for_ever(lease: SqlLease) -> None:
    """What a gateway does: take it, keep it, and take it again after a loss."""
    while True:
        await lease.acquire()
        await lease.keep()


async def see_that_only_one_holds(leases_: tuple[SqlLease, ...]) -> None:
    """Look all the time."""
    while True:
        assert sum(lease.is_held for lease in leases_) <= 1
        await asyncio.sleep(0.002)


async def test_of_two_candidates_one_holds_it(
    database: Database, candidates: tuple[SqlLease, SqlLease]
) -> None:
    waiting = [asyncio.create_task(lease.acquire()) for lease in candidates]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert sorted(lease.is_held for lease in candidates) == [False, True]
    [row] = await rows_of(database, leases)
    assert row["holder"] == ("a" if candidates[0].is_held else "b")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_whoever_keeps_it_has_it_for_as_long_as_they_like(
    candidates: tuple[SqlLease, SqlLease],
) -> None:
    first, second = candidates
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    async with background(first.keep()) as keeping:
        until = time.monotonic() + 2 * TTL
        while time.monotonic() < until:
            assert first.is_held
            await asyncio.sleep(0.01)
        assert not keeping.done()
        assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_when_it_is_not_kept_another_one_takes_it_and_the_first_knows(
    candidates: tuple[SqlLease, SqlLease],
) -> None:
    first, second = candidates
    await first.acquire()
    began = time.monotonic()
    async with background(see_that_only_one_holds(candidates)):
        await second.acquire()
    assert not first.is_held
    assert second.is_held
    assert time.monotonic() - began > TTL - MARGIN
    await asyncio.wait_for(first.keep(), 10 * RENEW)
    assert not first.is_held


async def test_a_release_hands_over_at_once(candidates: tuple[SqlLease, SqlLease]) -> None:
    first, second = candidates
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await first.release()
    assert not first.is_held
    await asyncio.wait_for(waiting, TTL - MARGIN)
    assert second.is_held


async def test_a_release_of_what_is_not_held_takes_it_from_nobody(
    database: Database, candidates: tuple[SqlLease, SqlLease]
) -> None:
    first, second = candidates
    await first.acquire()
    await second.release()
    [row] = await rows_of(database, leases)
    assert row["holder"] == "a"


async def test_many_that_come_and_go_never_hold_it_together(database: Database, database_url: str) -> None:
    others = [Database(database_url) for _ in range(2)]
    all_ = tuple(candidate(one, str(number)) for number, one in enumerate((database, *others)))
    try:
        async with background(see_that_only_one_holds(all_)) as watch:
            work = [asyncio.create_task(hold_for_ever(lease)) for lease in all_]
            for _ in range(2):
                holder = await eventually(lambda: next((one for one in all_ if one.is_held), None))
                assert holder is not None
                work[all_.index(holder)].cancel()
                await holder.release()
            await eventually(lambda: any(lease.is_held for lease in all_))
            assert not watch.done()
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
    finally:
        for other in others:
            await other.close()


async def test_on_postgresql_the_gateways_clocks_do_not_matter(postgres_url: str) -> None:
    database = Database(postgres_url)
    await upgrade(database)
    first = candidate(database, "a")
    ahead = SqlLease(database, "steward", "b", lambda: utc_now() + timedelta(hours=1))
    await first.acquire()
    waiting = asyncio.create_task(ahead.acquire())
    async with background(first.keep()), background(see_that_only_one_holds((first, ahead))):
        until = time.monotonic() + 2 * RENEW
        await eventually(lambda: time.monotonic() > until)
        assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await database.close()


async def test_while_the_database_is_away_nobody_holds_it_beyond_its_end(postgres_url: str) -> None:
    database = Database(postgres_url)
    await upgrade(database)
    lease = candidate(database, "a")
    await lease.acquire()
    await database.close()
    gone = candidate(Database(postgres_url.replace("jetcron_test_", "jetcron_gone_")), "c")
    assert not await gone._take_quietly()
    assert not gone.is_held
