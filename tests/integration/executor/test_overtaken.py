"""Orders that a leader which stood still has stored after another one had decided in its place."""

from datetime import timedelta
from typing import Any

from services.executor.overtaken import STOOD_STILL, is_overtaken
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.fence import Fence
from shared.clock import utc_now
from shared.domain.job import Job
from shared.events import InstantsNotRun, RunCancelled, RunTriggered
from tests.fixtures.builders import make_facts, make_job, make_missed, make_trigger
from tests.fixtures.bus import GENERATION, publish_events
from tests.fixtures.eventually import eventually
from tests.fixtures.github import GitHub
from tests.fixtures.nats import NatsProcess
from tests.integration.executor.world import World

NOW = utc_now().replace(microsecond=0)
LONG_AGO = NOW - STOOD_STILL - timedelta(seconds=1)


def order_of(job: Job, **changes: Any) -> RunTriggered:
    """The order of an instant, made long ago."""
    facts = make_facts(job, planned_at=LONG_AGO, queued_at=LONG_AGO)
    return make_trigger(job, facts=facts, **changes)


async def overtaken(bus: Bus, order: RunTriggered, *before: InstantsNotRun, behind: bool = False) -> bool:
    """Whether an order is, that is stored behind these decisions (or before them)."""
    subject = subjects.decision(order.facts.job_id)
    trigger = (subjects.trigger("default", order.facts.job_id), order)
    decided = [(subject, one) for one in before]
    places = await publish_events(bus, [trigger, *decided] if behind else [*decided, trigger])
    place = places[0] if behind else places[-1]
    return await is_overtaken(bus, order, stored_at=utc_now(), sequence=place)


async def test_the_decision_that_was_stored_first_counts(made_bus: Bus) -> None:
    job = make_job()
    order = order_of(job)
    missed = make_missed(job, planned_at=LONG_AGO)
    assert await overtaken(made_bus, order, missed)
    called_off = RunCancelled(**missed.model_dump(exclude={"type"}))
    assert await overtaken(made_bus, order_of(job), called_off)


async def test_a_range_counts_for_what_its_version_planned(made_bus: Bus) -> None:
    for version, counts in ((1, True), (2, False)):
        job = make_job()
        begin, end = LONG_AGO - timedelta(hours=1), LONG_AGO + timedelta(hours=1)
        missed = make_missed(job, planned_at=begin, to=end, count=121, job_version=version)
        assert await overtaken(made_bus, order_of(job), missed) is counts


async def test_nothing_else_keeps_an_order_from_running(made_bus: Bus) -> None:
    job = make_job()
    missed = make_missed(job, planned_at=LONG_AGO)
    other_instant = make_missed(job, planned_at=LONG_AGO - timedelta(minutes=1))
    older = missed.model_copy(update={"generation": GENERATION - 1})
    assert not await overtaken(made_bus, order_of(job), other_instant, older)
    assert not await overtaken(made_bus, order_of(job), missed, behind=True)


async def test_a_run_that_is_driven_again_or_made_now_is_not_looked_up(made_bus: Bus) -> None:
    job = make_job()
    missed = make_missed(job, planned_at=LONG_AGO)
    assert not await overtaken(made_bus, order_of(job, redrive=1), missed)
    released = order_of(job)
    fresh = released.facts.model_copy(update={"queued_at": utc_now()})
    assert not await overtaken(made_bus, released.model_copy(update={"facts": fresh}), missed)


async def test_the_executor_lets_it_be_and_says_nothing(
    nats_server: NatsProcess, made_bus: Bus, fence: Fence, github: GitHub
) -> None:
    assert fence.holds(GENERATION)
    world, job = World(nats_server, made_bus, github), make_job()
    await world.publish(job)
    overtaken_order = order_of(job)
    await publish_events(made_bus, [(subjects.decision(job.id), make_missed(job, planned_at=LONG_AGO))])
    await world.give(overtaken_order)
    async with world.executor():
        await eventually(world.are_all_acknowledged)
    assert await world.reports(overtaken_order.facts) == []
