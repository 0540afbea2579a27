"""An instant that waits runs or is cancelled in the end, also where the leader knows nothing of it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from services.gateway.forgotten import PATIENCE
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import MESSAGE_ID, Outgoing, unpack
from shared.bus.streams import bucket_subject
from shared.domain.ids import released_message_id
from shared.domain.job import Job
from shared.events import CheckpointReached, RunCancelled, RunTriggered, RunWaiting
from tests.fixtures.builders import SOME_TIME, make_job, make_trigger
from tests.fixtures.bus import GENERATION, publish_events, read_all
from tests.integration.gateway.test_sweeper import World, world
from tests.integration.gateway.world import change, create, delete

__all__ = ["world"]

SECOND = timedelta(seconds=1)


async def decided_to_wait(world: World, job: Job, *, generation: int = GENERATION, **facts: Any) -> UUID:
    """A waiting instant, in the stream and in SQL; returns the execution."""
    order = make_trigger(job)
    order = order.model_copy(update={"generation": generation, "facts": order.facts.model_copy(update=facts)})
    await publish_events(world.bus, [(subjects.decision(job.id), RunWaiting(order=order, reason="overlap"))])
    await world.fold()
    return order.facts.execution_id


async def carried_out(bus: Bus, decisions_seq: int, *, generation: int = GENERATION) -> None:
    """A leader says so far it has carried out everything."""
    checkpoint = CheckpointReached(
        until=SOME_TIME, events_seq=0, decisions_seq=decisions_seq, generation=generation
    )
    subject = bucket_subject(subjects.SCHEDULER_BUCKET, subjects.CHECKPOINT_KEY)
    await bus.publish(Outgoing(subject=subject, body=orjson.dumps(checkpoint.body()), headers={}))


async def said_of(world: World, execution_id: UUID) -> list[tuple[str | None, object]]:
    """Id and content of what the stream says of it after the decision that it waits."""
    return [
        ((message.headers or {}).get(MESSAGE_ID), unpack(message.body, message.headers).event)
        for message in (await read_all(world.bus, subjects.TRIGGERS))
        if (message.headers or {}).get(MESSAGE_ID) == released_message_id(execution_id)
    ]


async def test_it_runs_where_the_leader_has_passed_over_it(world: World) -> None:
    execution_id = await decided_to_wait(world, await create(world.store, make_job()))
    await carried_out(world.bus, 1)
    await world.sweep()
    assert (await world.row(execution_id))["status"] == "waiting"
    await world.sweep()
    row = await world.row(execution_id)
    assert (row["status"], row["is_open"]) == ("queued", True)
    [(_, order)] = await said_of(world, execution_id)
    assert isinstance(order, RunTriggered)
    assert (order.facts.planned_at, order.generation) == (SOME_TIME, GENERATION)
    await world.sweep()
    assert len(await said_of(world, execution_id)) == 1
    assert b"jetcron_republished_runs_total 1.0" in await world.metrics.text()


async def test_it_goes_on_waiting_while_the_leader_knows_of_it(world: World) -> None:
    execution_id = await decided_to_wait(world, await create(world.store, make_job()))
    await carried_out(world.bus, 0)
    for _ in range(3):
        await world.sweep()
    assert (await world.row(execution_id))["status"] == "waiting"
    assert await said_of(world, execution_id) == []


@pytest.mark.parametrize("is_gone", [True, False])
async def test_it_is_cancelled_where_its_job_is_gone_or_paused(world: World, is_gone: bool) -> None:
    job = await create(world.store, make_job())
    execution_id = await decided_to_wait(world, job)
    if is_gone:
        await delete(world.store, job.id)
    else:
        await change(world.store, job.id, is_active=False)
    await carried_out(world.bus, 1)
    await world.sweep()
    await world.sweep()
    row = await world.row(execution_id)
    word = "deleted" if is_gone else "paused"
    assert (row["status"], row["reason"]) == ("cancelled", f"The job was {word} before it ran")
    [(_, event)] = await said_of(world, execution_id)
    assert isinstance(event, RunCancelled)


async def test_it_runs_where_its_decision_is_gone_from_the_stream(world: World) -> None:
    job = await create(world.store, make_job())
    execution_id = await decided_to_wait(world, job)
    await world.bus.js.purge_stream(subjects.TRIGGERS)
    await carried_out(world.bus, 1)
    await world.sweeper.sweep(GENERATION)
    await world.sweeper.sweep(GENERATION)
    assert len(await said_of(world, execution_id)) == 1


async def test_it_runs_where_a_leader_of_an_earlier_generation_decided_it(world: World) -> None:
    job = await create(world.store, make_job())
    execution_id = await decided_to_wait(world, job, generation=GENERATION - 1)
    await carried_out(world.bus, 0)
    await world.sweep()
    await world.sweep()
    assert (await world.row(execution_id))["status"] == "queued"


@pytest.mark.parametrize("late", [timedelta(0), SECOND])
async def test_it_has_its_time_from_its_slot_on(world: World, late: timedelta) -> None:
    slot = world.clock.now - PATIENCE - late
    job = await create(world.store, make_job())
    execution_id = await decided_to_wait(world, job, not_before=slot)
    await carried_out(world.bus, 1)
    await world.sweep()
    await world.sweep()
    assert (await world.row(execution_id))["status"] == ("queued" if late else "waiting")


async def test_nothing_is_judged_that_the_ledger_has_not_read(world: World) -> None:
    execution_id = await decided_to_wait(world, await create(world.store, make_job()))
    await carried_out(world.bus, 1)
    await publish_events(world.bus, [(subjects.CHECKPOINT, make_trigger())])
    await world.sweeper.sweep(GENERATION)
    await world.sweeper.sweep(GENERATION)
    assert await said_of(world, execution_id) == []
    await world.fold()
    await world.sweeper.sweep(GENERATION)
    assert len(await said_of(world, execution_id)) == 1


async def test_nothing_is_judged_by_a_checkpoint_of_another_generation(world: World) -> None:
    execution_id = await decided_to_wait(world, await create(world.store, make_job()))
    await carried_out(world.bus, 1, generation=GENERATION + 1)
    await world.sweep()
    await world.sweep()
    assert await said_of(world, execution_id) == []


async def test_a_run_of_an_earlier_generation_that_was_stored_late_runs_in_this_one(world: World) -> None:
    job = await create(world.store, make_job())
    order = make_trigger(job).model_copy(update={"generation": GENERATION - 1})
    await publish_events(world.bus, [(subjects.trigger(job.queue, job.id), order)])
    await world.fold()
    await world.sweep()
    _, (_, again) = await world.triggers_of(order.facts.execution_id)
    assert again.generation == GENERATION
