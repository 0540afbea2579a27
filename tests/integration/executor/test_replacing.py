"""Runs that replace others of their job: whatever those are at, they end, and the new one runs."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from services.executor import control
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.fence import Fence
from shared.domain.execution import Phase
from shared.domain.job import Job, WebhookTarget
from shared.events import ExecutionReported, RunTriggered
from tests.fixtures.builders import SOME_TIME, make_job
from tests.fixtures.bus import GENERATION, read_events
from tests.fixtures.eventually import eventually
from tests.fixtures.github import GitHub
from tests.fixtures.nats import NatsProcess
from tests.fixtures.receiver import Call, Receiver
from tests.integration.executor.receiver import Receiver as RawReceiver
from tests.integration.executor.receiver import Receivers, endlessly
from tests.integration.executor.world import World

NOBODY = "nobody"
"""A queue whose triggers wait for ever."""
IN_FAVOUR = "Cancelled in favour of the run planned at 2026-11-21T12:01:00Z"
UNTOLD = 0.3
"""Seconds to wait for an answer that does not come."""


@pytest.fixture
async def world(nats_server: NatsProcess, made_bus: Bus, fence: Fence, github: GitHub) -> World:
    """A bus at work and no executor."""
    assert fence.holds(GENERATION)
    return World(nats_server, made_bus, github)


@pytest.fixture
async def endless() -> AsyncIterator[RawReceiver]:
    """Somebody whose answer never ends."""
    receivers = Receivers()
    yield await receivers.start(endlessly(b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.02))
    await receivers.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for for long."""
    monkeypatch.setattr(control, "ANSWER_WITHIN", UNTOLD)


async def job_at(world: World, url: str) -> Job:
    """A webhook job that the bus knows."""
    job = make_job(target=WebhookTarget(url=url))
    await world.publish(job)
    return job


def elsewhere(job: Job, url: str) -> WebhookTarget:
    """What the job calls from now on."""
    assert isinstance(job.target, WebhookTarget)
    return job.target.model_copy(update={"url": url})


async def phases(world: World, order: RunTriggered) -> list[Phase]:
    return [report.phase for report in await world.reports(order.facts)]


async def begun(world: World, order: RunTriggered) -> None:
    """Return once the run is claimed."""

    async def is_begun() -> bool:
        return Phase.STARTED in await phases(world, order)

    await eventually(is_begun)


async def replaces(world: World, job: Job, *others: RunTriggered, url: str, minute: int = 1) -> RunTriggered:
    """The order of the run that replaces the others."""
    ids = tuple(one.facts.execution_id for one in others)
    return await world.plan(job, minute, cancels=ids, target=elsewhere(job, url))


async def ended(world: World, order: RunTriggered) -> ExecutionReported:
    return await world.end_of(order.facts)


class TestOneThatRuns:
    @pytest.mark.parametrize("executors", [1, 2])
    async def test_it_is_stopped(
        self, executors: int, world: World, endless: RawReceiver, receiver: Receiver
    ) -> None:
        job = await job_at(world, endless.url)
        room = {1: 10, 2: 1}[executors]
        async with world.executor(executor_concurrency=room), world.executor(executor_concurrency=room):
            first = await world.plan(job)
            await endless.called.wait()
            began = time.monotonic()
            second = await replaces(world, job, first, url=receiver.url)
            assert (await ended(world, second)).phase is Phase.SUCCEEDED
            assert time.monotonic() - began < control.ANSWER_WITHIN
            await endless.hung_up.wait()
            await eventually(world.are_all_acknowledged)
        started, cancelled = await world.reports(first.facts)
        assert (cancelled.phase, cancelled.attempt, cancelled.error) == (Phase.CANCELLED, 1, IN_FAVOUR)
        assert (cancelled.facts, cancelled.started_at) == (first.facts, started.at)
        assert len(receiver.calls) == 1
        stored = await read_events(world.bus, subjects.EXECUTIONS)
        reported = [(one.facts, one.phase) for one in stored if isinstance(one, ExecutionReported)]
        assert reported.index((first.facts, Phase.CANCELLED)) < reported.index((second.facts, Phase.STARTED))

    async def test_it_makes_room_where_the_host_takes_one_at_a_time(
        self, world: World, receiver: Receiver
    ) -> None:
        async def hangs_once(_call: Call) -> web.StreamResponse:
            if len(receiver.calls) == 1:
                await asyncio.Event().wait()
            return web.Response(text="ok")

        receiver.handler = hangs_once
        job = await job_at(world, receiver.url)
        async with world.executor(executor_concurrency_per_host=1):
            first = await world.plan(job)
            await receiver.wait_for(1)
            second = await replaces(world, job, first, url=receiver.url)
            assert (await ended(world, second)).phase is Phase.SUCCEEDED
        assert (await ended(world, first)).phase is Phase.CANCELLED

    async def test_several_are_stopped_together(
        self, world: World, endless: RawReceiver, receiver: Receiver
    ) -> None:
        job = await job_at(world, endless.url)
        async with world.executor():
            others = [await world.plan(job, minute) for minute in range(3)]
            for order in others:
                await begun(world, order)
            last = await replaces(world, job, *others, url=receiver.url, minute=3)
            assert (await ended(world, last)).phase is Phase.SUCCEEDED
        for order in others:
            assert await phases(world, order) == [Phase.STARTED, Phase.CANCELLED]

    @pytest.mark.usefixtures("impatient")
    async def test_a_result_that_comes_all_the_same_is_the_end(
        self, world: World, receiver: Receiver
    ) -> None:
        """Whoever makes the call has not heard of it."""
        finish = asyncio.Event()

        async def waits(_call: Call) -> web.StreamResponse:
            await finish.wait()
            return web.Response(text="done")

        receiver.handler = waits
        job = await job_at(world, receiver.url)
        async with world.executor():
            order = await world.plan(job)
            await receiver.wait_for(1)
            await world.say(order, Phase.CANCELLED, attempt=1)
            finish.set()

            async def is_told() -> bool:
                return await phases(world, order) == [Phase.STARTED, Phase.CANCELLED, Phase.SUCCEEDED]

            await eventually(is_told)
            await eventually(world.are_all_acknowledged)

    @pytest.mark.usefixtures("impatient")
    async def test_one_whose_executor_was_killed_ends_and_never_runs_again(
        self, world: World, receiver: Receiver
    ) -> None:
        job = await job_at(world, receiver.url)
        first = await world.plan(job, queue=NOBODY)
        await world.say(first, Phase.STARTED, attempt=1, trigger_seq=1, token="of a dead one")
        async with world.executor():
            second = await replaces(world, job, first, url=f"{receiver.url}/second")
            assert (await ended(world, second)).phase is Phase.SUCCEEDED
            await world.give(first)
            await eventually(world.are_all_acknowledged)
        assert await phases(world, first) == [Phase.STARTED, Phase.CANCELLED]
        assert [call.path for call in receiver.calls] == ["/second"]


class TestOneThatDoesNotRun:
    async def test_one_that_waits_in_its_queue_never_begins(self, world: World, receiver: Receiver) -> None:
        job = await job_at(world, receiver.url)
        for minute in range(-20, 0):
            await world.plan(job, minute, queue=NOBODY)
        first = await world.plan(job, queue=NOBODY, facts={"job_version": 7, "not_before": SOME_TIME})
        async with world.executor():
            began = time.monotonic()
            second = await replaces(world, job, first, url=f"{receiver.url}/second")
            assert (await ended(world, second)).phase is Phase.SUCCEEDED
            assert time.monotonic() - began < control.ANSWER_WITHIN
            await world.give(first)
            await eventually(world.are_all_acknowledged)
        [cancelled] = await world.reports(first.facts)
        assert (cancelled.phase, cancelled.attempt, cancelled.error) == (Phase.CANCELLED, 0, IN_FAVOUR)
        assert (cancelled.facts, cancelled.started_at) == (first.facts, None)
        assert [call.path for call in receiver.calls] == ["/second"]

    async def test_what_it_was_to_replace_ends_with_it(
        self, world: World, endless: RawReceiver, receiver: Receiver
    ) -> None:
        job = await job_at(world, endless.url)
        async with world.executor():
            first = await world.plan(job)
            await endless.called.wait()
            cancels = (first.facts.execution_id,)
            second = await world.plan(job, 1, queue=NOBODY, cancels=cancels)
            third = await replaces(world, job, second, url=receiver.url, minute=2)
            assert (await ended(world, third)).phase is Phase.SUCCEEDED
        assert await phases(world, first) == [Phase.STARTED, Phase.CANCELLED]
        assert await phases(world, second) == [Phase.CANCELLED]

    @pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.DEAD_LETTER])
    async def test_one_that_just_ended_stays_as_it_ended(
        self, phase: Phase, world: World, receiver: Receiver
    ) -> None:
        job = await job_at(world, receiver.url)
        first = await world.plan(job, queue=NOBODY)
        await world.say(first, Phase.STARTED, attempt=1, trigger_seq=1)
        await world.say(first, phase, attempt=1)
        async with world.executor():
            second = await replaces(world, job, first, url=receiver.url)
            assert (await ended(world, second)).phase is Phase.SUCCEEDED
        assert await phases(world, first) == [Phase.STARTED, phase]

    @pytest.mark.parametrize("phase", [Phase.UNKNOWN, Phase.LOST, Phase.RETRYING])
    async def test_one_that_might_run_again_does_not(
        self, phase: Phase, world: World, receiver: Receiver
    ) -> None:
        job = await job_at(world, receiver.url)
        first = await world.plan(job, queue=NOBODY)
        await world.say(first, phase, attempt=3)
        async with world.executor():
            second = await replaces(world, job, first, url=f"{receiver.url}/second")
            assert (await ended(world, second)).phase is Phase.SUCCEEDED
            await world.give(first)
            await eventually(world.are_all_acknowledged)
        assert await phases(world, first) == [phase, Phase.CANCELLED]
        assert (await ended(world, first)).attempt == 3
        assert [call.path for call in receiver.calls] == ["/second"]

    async def test_one_that_a_person_drives_again_goes_on(self, world: World, receiver: Receiver) -> None:
        job = await job_at(world, receiver.url)
        first = await world.plan(job, queue=NOBODY)
        await world.say(first, Phase.STARTED, redrive=1, attempt=2, trigger_seq=1)
        async with world.executor():
            second = await replaces(world, job, first, url=receiver.url)
            assert (await ended(world, second)).phase is Phase.SUCCEEDED
        assert await phases(world, first) == [Phase.STARTED]

    async def test_one_whose_order_is_gone_is_in_nobody_s_way(self, world: World, receiver: Receiver) -> None:
        job = await job_at(world, receiver.url)
        async with world.executor():
            order = await world.plan(job, cancels=(uuid4(), uuid4()))
            assert (await ended(world, order)).phase is Phase.SUCCEEDED


class TestAgain:
    """An order that comes more than once changes nothing more."""

    async def test_a_repeated_order_ends_and_runs_nothing_twice(
        self, world: World, endless: RawReceiver, receiver: Receiver
    ) -> None:
        job = await job_at(world, endless.url)
        async with world.executor(), world.executor():
            first = await world.plan(job)
            await endless.called.wait()
            second = await replaces(world, job, first, url=receiver.url)
            await ended(world, second)
            for _ in range(3):
                await world.give(second)
                await eventually(world.are_all_acknowledged)
        assert await phases(world, first) == [Phase.STARTED, Phase.CANCELLED]
        assert await phases(world, second) == [Phase.STARTED, Phase.SUCCEEDED]
        assert len(receiver.calls) == 1

    async def test_whoever_takes_over_asks_once_more(
        self, world: World, endless: RawReceiver, receiver: Receiver
    ) -> None:
        """The one before stored the end, and was killed before it asked."""
        job = await job_at(world, endless.url)
        async with world.executor(executor_concurrency=1):
            first = await world.plan(job)
            await endless.called.wait()
            second = await replaces(world, job, first, url=receiver.url)
            await _deliver_once(world)
            await world.say(first, Phase.CANCELLED, attempt=1)
            async with world.executor():
                assert (await ended(world, second)).phase is Phase.SUCCEEDED
                await endless.hung_up.wait()
        assert await phases(world, first) == [Phase.STARTED, Phase.CANCELLED]

    async def test_one_that_is_replaced_before_it_begins_leaves_room_for_the_next(
        self, world: World, receiver: Receiver
    ) -> None:
        """All come at once, in any order: only the last one must run."""
        job = await job_at(world, receiver.url)
        orders = [await world.plan(job, queue=NOBODY)]
        for minute in range(1, 6):
            cancels = (orders[-1].facts.execution_id,)
            orders.append(await world.plan(job, minute, queue=NOBODY, cancels=cancels))
        async with world.executor(), world.executor():
            for order in (orders[-1], *orders[:-1]):
                await world.give(order)
            assert (await ended(world, orders[-1])).phase is Phase.SUCCEEDED
            await eventually(world.are_all_acknowledged)
        for order in orders[:-1]:
            assert (await ended(world, order)).phase in (Phase.CANCELLED, Phase.SUCCEEDED)


class TestRequests:
    async def test_only_whoever_is_at_it_answers(
        self, world: World, endless: RawReceiver, receiver: Receiver
    ) -> None:
        async with world.executor(), world.executor():
            with pytest.raises(NatsTimeout):
                await _ask(world, str(uuid4()))
            with pytest.raises(NatsTimeout):
                await _ask(world, "nonsense")
            order = await world.plan(await job_at(world, endless.url))
            await endless.called.wait()
            await _ask(world, str(order.facts.execution_id), within=5)
            await endless.hung_up.wait()
            await eventually(world.are_all_acknowledged)
        # Whoever asked had stored no end.
        cancelled = await ended(world, order)
        assert (cancelled.phase, cancelled.error) == (Phase.CANCELLED, "Stopped on request")
        with pytest.raises(NoRespondersError):
            await _ask(world, str(UUID(int=1)))


class TestLost:
    async def test_one_that_was_given_up_goes_on_with_the_next_attempt(
        self, world: World, receiver: Receiver
    ) -> None:
        order = await world.plan(await job_at(world, receiver.url), queue=NOBODY)
        await world.say(order, Phase.STARTED, attempt=1, trigger_seq=1)
        await world.say(order, Phase.LOST, attempt=1, unknown_count=1)
        async with world.executor():
            await world.give(order)
            end = await ended(world, order)
        assert (end.phase, end.attempt) == (Phase.SUCCEEDED, 2)
        assert await phases(world, order) == [
            Phase.STARTED,
            Phase.LOST,
            Phase.STARTED,
            Phase.SUCCEEDED,
        ]


async def _ask(world: World, execution: str, within: float = UNTOLD) -> None:
    await world.bus.nc.request(f"jetcron.control.{execution}", b"", timeout=within)


async def _deliver_once(world: World) -> None:
    """The next trigger is taken by somebody who gives it back."""
    durable = subjects.executor_durable("default")
    pull = await world.bus.js.pull_subscribe_bind(durable, subjects.TRIGGERS)
    [message] = await pull.fetch(1, timeout=5)
    await message.nak()
    await pull.unsubscribe()
