"""The lease: one holder at a time, whatever happens to the holder or to the server."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from nats.js.api import PubAck, RawStreamMsg

from shared.bus import streams
from shared.bus.connect import Bus, Unpublished, WrongLastSequence
from shared.bus.envelope import EXPECTED_LAST_SUBJECT_SEQUENCE, Outgoing
from shared.bus.lease import Grant, Lease, LeaseLost
from shared.bus.subjects import LEASE_KEY, SCHEDULER_BUCKET
from shared.clock import utc_now
from tests.fixtures.bus import MAX_BYTES, connected
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess

TTL = 2  # seconds
LONG_TTL = 30  # seconds: whoever only polls takes seconds to notice anything
LEASE = streams.bucket_subject(SCHEDULER_BUCKET, LEASE_KEY)


@pytest.fixture
async def candidates(made_bus: Bus, nats_server: NatsProcess) -> AsyncIterator[tuple[Lease, Lease]]:
    """Two candidates, each on a connection of its own."""
    async with connected(nats_server.url) as other:
        yield candidate(made_bus, "a"), candidate(other, "b")


def candidate(bus: Bus, name: str) -> Lease:
    """Somebody who wants to lead."""
    return Lease(bus, name, TTL, utc_now)


@asynccontextmanager
async def running(work: asyncio.Task[None]) -> AsyncIterator[asyncio.Task[None]]:
    """A task that ends with the block; what failed in it fails the test."""
    try:
        yield work
    finally:
        work.cancel()
        [ended] = await asyncio.gather(work, return_exceptions=True)
        if isinstance(ended, Exception):
            raise ended


class CountedBus(Bus):
    """Counts what is published, and what was looked at."""

    writes = 0
    looks = 0

    async def publish(self, message: Outgoing) -> PubAck:
        self.writes += 1
        return await super().publish(message)

    async def last(self, stream: str, subject: str) -> RawStreamMsg | None:
        found = await super().last(stream, subject)
        self.looks += 1
        return found


@asynccontextmanager
async def counted(url: str) -> AsyncIterator[CountedBus]:
    """A connection of its own that counts. A candidate that has looked once listens too."""
    bus = CountedBus()
    await bus.connect(url, "test")
    try:
        yield bus
    finally:
        await bus.close()


async def lead_for_ever(lease: Lease, terms: list[int]) -> None:
    """What a scheduler does: stand for election, renew, and stand again after a loss."""
    while True:
        grant = await lease.acquire()
        terms.append(grant.term)
        try:
            while True:
                await asyncio.sleep(lease.renew_interval)
                await lease.renew()
        except LeaseLost:
            continue


async def see_that_only_one_leads(leases: tuple[Lease, Lease]) -> None:
    """Look all the time."""
    while True:
        assert sum(lease.is_held for lease in leases) <= 1
        await asyncio.sleep(0.002)


async def test_of_two_candidates_one_leads(candidates: tuple[Lease, Lease]) -> None:
    elections = [asyncio.create_task(lease.acquire()) for lease in candidates]
    done, pending = await asyncio.wait(elections, return_when=asyncio.FIRST_COMPLETED)
    assert (len(done), len(pending)) == (1, 1)
    [winner], [loser] = [[lease for lease in candidates if lease.is_held is held] for held in (True, False)]
    assert winner is not loser
    assert isinstance(done.pop().result(), Grant)
    for task in pending:
        task.cancel()


async def test_whoever_renews_stays_the_holder(candidates: tuple[Lease, Lease]) -> None:
    first, second = candidates
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    until = time.monotonic() + 2 * TTL
    while time.monotonic() < until:
        await asyncio.sleep(first.renew_interval)
        await first.renew()
        assert first.is_held
    assert not waiting.done()
    waiting.cancel()


async def test_when_the_holder_stops_renewing_another_takes_over_in_time(
    candidates: tuple[Lease, Lease],
) -> None:
    first, second = candidates
    before = await first.acquire()
    stopped = time.monotonic()
    after = await second.acquire()
    assert not first.is_held
    assert second.is_held
    assert time.monotonic() - stopped <= TTL + 1
    assert after.term > before.term


async def test_a_release_hands_over_at_once(candidates: tuple[Lease, Lease]) -> None:
    first, second = candidates
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await first.release()
    released = time.monotonic()
    assert not first.is_held
    await waiting
    assert second.is_held
    assert time.monotonic() - released < TTL / 2


async def test_a_release_is_heard_without_polling(made_bus: Bus, nats_server: NatsProcess) -> None:
    async with counted(nats_server.url) as far:
        first = Lease(made_bus, "a", LONG_TTL, utc_now)
        second = Lease(far, "b", LONG_TTL, utc_now)
        before = await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        await eventually(lambda: far.looks)
        released = time.monotonic()
        await first.release()
        after = await waiting
        took = time.monotonic() - released
        sys.stdout.write(f"handed over within {took * 1000:.1f} ms\n")
        assert after.term > before.term
        assert took < LONG_TTL / 8


async def test_of_many_that_hear_of_a_release_one_leads_and_the_others_go_on_waiting(
    made_bus: Bus, nats_server: NatsProcess
) -> None:
    async with AsyncExitStack() as stack:
        buses = [await stack.enter_async_context(counted(nats_server.url)) for _ in range(8)]
        leases = [Lease(bus, f"candidate {n}", LONG_TTL, utc_now) for n, bus in enumerate(buses)]
        holder = Lease(made_bus, "a", LONG_TTL, utc_now)
        await holder.acquire()
        waiting = [asyncio.create_task(lease.acquire()) for lease in leases]
        await eventually(lambda: all(bus.looks for bus in buses))
        await holder.release()
        done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0.1)
        sys.stdout.write(f"{sum(bus.writes for bus in buses)} of {len(leases)} tried\n")
        assert [lease.is_held for lease in leases].count(True) == len(done) == 1
        assert not any(task.done() for task in others)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def test_a_release_in_the_middle_of_a_renewal_is_one_all_the_same(
    made_bus: Bus, nats_server: NatsProcess
) -> None:
    """Whoever is told to stop while it waits for the answer to a renewal."""
    async with counted(nats_server.url) as far:
        first = Lease(made_bus, "a", LONG_TTL, utc_now)
        second = Lease(far, "b", LONG_TTL, utc_now)
        await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        await eventually(lambda: far.looks)
        renewing = asyncio.create_task(first.renew())
        await asyncio.sleep(0)
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        released = time.monotonic()
        await first.release()
        await waiting
        assert time.monotonic() - released < LONG_TTL / 8


async def test_a_release_that_nobody_heard_is_found_all_the_same(
    candidates: tuple[Lease, Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = candidates

    async def hears_nothing(*_: object) -> None:
        return

    monkeypatch.setattr("shared.bus.lease._Vacancy.hear", hears_nothing)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(TTL / 8)
    await first.release()
    await waiting
    assert second.is_held


async def test_a_release_that_the_bucket_refuses_unseats_nobody(
    made_bus: Bus, nats_server: NatsProcess
) -> None:
    """One that stood still says that it gives up, long after another one took over."""
    async with counted(nats_server.url) as far:
        first, second = candidate(made_bus, "a"), candidate(far, "b")
        await first.acquire()
        async with running(asyncio.create_task(lead_for_ever(second, []))) as waiting:
            await eventually(lambda: far.looks)
            headers = {"KV-Operation": "PURGE", EXPECTED_LAST_SUBJECT_SEQUENCE: "12345"}
            with pytest.raises(WrongLastSequence):
                await made_bus.publish(Outgoing(subject=LEASE, body=b"", headers=headers))
            looks = far.looks
            await eventually(lambda: far.looks > looks)
            await first.renew()
            assert first.is_held
            assert not second.is_held
            assert not waiting.done()


async def test_a_holder_that_stood_still_too_long_knows_it(candidates: tuple[Lease, Lease]) -> None:
    first, second = candidates
    await first.acquire()
    # The whole process stands still, as under SIGSTOP: nothing of it can renew.
    time.sleep(TTL)  # noqa: ASYNC251
    assert not first.is_held
    await second.acquire()
    with pytest.raises(LeaseLost):
        await first.renew()
    assert not first.is_held
    await first.release()
    await second.renew()
    assert second.is_held


async def test_a_lost_lease_can_be_won_again(candidates: tuple[Lease, Lease]) -> None:
    first, second = candidates
    lost = await first.acquire()
    await first.release()
    between = await second.acquire()
    await second.release()
    won = await first.acquire()
    assert lost.term < between.term < won.term
    await first.renew()
    assert first.is_held


@pytest.mark.parametrize("way", ["kill", "stop"])
async def test_a_restart_of_the_server_makes_no_second_holder(
    nats_server: NatsProcess, candidates: tuple[Lease, Lease], way: str
) -> None:
    terms: list[int] = []
    async with running(asyncio.create_task(see_that_only_one_leads(candidates))) as watch:
        first = asyncio.create_task(lead_for_ever(candidates[0], terms))
        await eventually(lambda: candidates[0].is_held)
        second = asyncio.create_task(lead_for_ever(candidates[1], terms))
        await (nats_server.kill() if way == "kill" else nats_server.stop())
        await nats_server.start()
        # Longer than a takeover takes: whoever holds it then got it after the restart, or kept it over it.
        until = time.monotonic() + TTL + 1
        await eventually(lambda: time.monotonic() > until and any(lease.is_held for lease in candidates))
        assert not watch.done()
        assert terms == sorted(set(terms))
        for task in (first, second):
            task.cancel()


class ForgetfulBus(Bus):
    """Stores what it is given; on demand it forgets to say so."""

    forgets = 0

    async def publish(self, message: Outgoing) -> PubAck:
        ack = await super().publish(message)
        if self.forgets:
            self.forgets -= 1
            raise Unpublished("no acknowledgement")
        return ack


async def test_a_renewal_whose_answer_was_lost_does_not_cost_the_lease(nats_server: NatsProcess) -> None:
    bus = ForgetfulBus()
    await bus.connect(nats_server.url, "test")
    await streams.recreate(bus.js, MAX_BYTES, 1)
    lease = candidate(bus, "a")
    await lease.acquire()
    bus.forgets = 1
    await lease.renew()
    assert lease.is_held
    assert abs((await lease.server_time()).offset) < 1
    await lease.renew()
    assert lease.is_held
    await lease.release()
    other = candidate(bus, "b")
    await asyncio.wait_for(other.acquire(), TTL / 2)
    await bus.close()


async def test_the_server_s_time_is_compared_with_that_of_the_renewal_that_it_stored(made_bus: Bus) -> None:
    lease = candidate(made_bus, "a")
    grant = await lease.acquire()
    assert abs(grant.server_time.offset) < 1
    await lease.renew()
    assert abs((await lease.server_time()).offset) < 1
