"""What running schedulers tell of themselves, and that telling disturbs nothing."""

import asyncio
import os
import socket
from datetime import datetime, timedelta
from importlib.metadata import version

import pytest

from services.scheduler.instances import Presence
from shared.bus.connect import Bus, Unpublished
from shared.bus.envelope import Outgoing
from shared.bus.instances import Instance, Schedulers, look_at_schedulers
from shared.bus.streams import SCHEDULER_STREAM
from shared.clock import utc_now
from shared.domain.schedule import IntervalSchedule
from shared.events import JobCreated
from tests.fixtures.builders import make_job
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess
from tests.integration.scheduler.world import World

PATIENCE = 5.0  # seconds


async def look(world: World) -> Schedulers:
    return await look_at_schedulers(world.bus, PATIENCE)


async def leader(world: World) -> Instance | None:
    return (await look(world)).leader


async def leading(world: World) -> Instance:
    """The leader, once there is one that has told of itself."""

    async def there_is_one() -> Instance | None:
        return await leader(world)

    return await eventually(there_is_one) or (await look(world)).instances[0]


async def test_a_leader_tells_who_it_is_and_what_comes_next(nats_server: NatsProcess, world: World) -> None:
    began = utc_now()
    due = began + timedelta(hours=1)
    job = make_job(
        effective_at=began, schedule=IntervalSchedule(timezone="UTC", every_seconds=86_400, anchor=due)
    )
    later = make_job(
        effective_at=began,
        schedule=IntervalSchedule(timezone="UTC", every_seconds=86_400, anchor=due + timedelta(seconds=1)),
    )
    await world.seed(until=began, jobs=[JobCreated(job=job), JobCreated(job=later)])
    world.start_scheduler(nats_server.url)
    found = await leading(world)
    assert (found.hostname, found.pid, found.version) == (
        socket.gethostname(),
        os.getpid(),
        version("jetcron"),
    )
    assert found.leader_since is not None
    assert began <= found.started_at <= found.leader_since <= found.last_heartbeat
    assert found.term is not None
    assert found.term > 0
    assert found.jobs == 2
    assert found.next_job is not None
    assert (found.next_job.id, found.next_job.name, found.next_job.at) == (job.id, job.name, due)


async def test_a_leader_keeps_telling_how_far_it_is(nats_server: NatsProcess, world: World) -> None:
    await world.seed(until=utc_now(), jobs=[])
    world.start_scheduler(nats_server.url)
    first = await leading(world)

    async def beats_again() -> bool:
        found = await leader(world)
        return found is not None and is_after(found.until, first.last_heartbeat)

    await eventually(beats_again)


def is_after(moment: datetime | None, other: datetime) -> bool:
    return moment is not None and moment > other


async def test_when_a_leader_stops_it_is_gone_and_its_follower_has_a_higher_term(
    nats_server: NatsProcess, world: World
) -> None:
    await world.seed(until=utc_now(), jobs=[])
    first = world.start_scheduler(nats_server.url)
    before = await leading(world)
    world.start_scheduler(nats_server.url)

    async def both_are_there() -> bool:
        return len((await look(world)).instances) == 2

    await eventually(both_are_there)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert before.id not in {one.id for one in (await look(world)).instances}

    after = await leading(world)
    assert (before.term or 0) < (after.term or 0)
    assert (await look(world)).instances == [after]


class Deaf(Bus):
    """Stores nothing that schedulers tell of themselves."""

    refused = 0

    async def publish(self, message: Outgoing) -> object:  # type: ignore[override] # passed through
        if ".instances." in message.subject:
            self.refused += 1
            raise Unpublished("refused")
        return await super().publish(message)


async def test_a_leader_leads_whatever_becomes_of_its_beats(
    nats_server: NatsProcess, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.scheduler.app.Bus", Deaf)
    monkeypatch.setattr("services.scheduler.instances.BEAT", 0.01)
    began = utc_now()
    await world.seed(until=began, jobs=[])
    running = world.start_scheduler(nats_server.url)
    await eventually(lambda: world.reached(began + timedelta(seconds=1)))
    assert (await look(world)).instances == []
    assert not running.done()


async def test_what_nobody_foresaw_in_a_beat_does_not_end_it(world: World) -> None:
    await world.seed(until=utc_now(), jobs=[])

    class Broken:
        """Cannot be counted."""

        checkpoint = None

        @property
        def timetable(self) -> object:
            raise RuntimeError("broken")

    presence = Presence(world.bus, "a", utc_now)
    presence.follows(Broken())  # type: ignore[arg-type] # what nobody foresaw
    telling = asyncio.create_task(presence.keep_telling())
    await asyncio.sleep(0.05)
    presence.follows(None)

    async def it_is_there() -> bool:
        return len((await look(world)).instances) == 1

    await eventually(it_is_there)
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    await presence.leave()
    assert (await look(world)).instances == []


async def test_leaving_a_bucket_that_is_gone_takes_no_time(world: World) -> None:
    await world.seed(until=utc_now(), jobs=[])
    presence = Presence(world.bus, "a", utc_now)
    await world.bus.js.delete_stream(SCHEDULER_STREAM)
    await presence.leave()
