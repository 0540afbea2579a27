"""Who is there: what each scheduler tells of itself, and what is made of it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from shared.bus import instances, subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing
from shared.bus.instances import Instance, NextJob, Schedulers, look_at_schedulers, take_leave, tell
from shared.bus.lease import Lease
from shared.bus.streams import BUCKET_BYTES, SCHEDULER_STREAM, bucket_subject
from shared.clock import utc_now
from shared.errors import Transient
from shared.events import CheckpointReached
from tests.fixtures.bus import connected
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess

PATIENCE = 5.0  # seconds
BEGAN = datetime(2026, 11, 21, 12, tzinfo=UTC)


def make_instance(**overrides: Any) -> Instance:
    """A scheduler that leads."""
    values: dict[str, Any] = {
        "id": uuid4(),
        "name": "server-01:4711:abc123",
        "hostname": "server-01",
        "pid": 4711,
        "started_at": BEGAN,
        "last_heartbeat": BEGAN + timedelta(minutes=2),
        "version": "0.1.0",
        "is_leader": True,
        "leader_since": BEGAN + timedelta(minutes=1),
        "term": 7,
        "jobs": 3,
        "until": BEGAN + timedelta(minutes=2),
        "next_job": NextJob(id=uuid4(), name="nightly", at=BEGAN + timedelta(minutes=3)),
    }
    return Instance(**{**values, **overrides})


def not_leading(instance: Instance) -> Instance:
    return instance.model_copy(update={"is_leader": False, "leader_since": None, "term": None})


async def put(bus: Bus, key: str, body: bytes) -> None:
    subject = bucket_subject(subjects.SCHEDULER_BUCKET, key)
    await bus.publish(Outgoing(subject=subject, body=body, headers={}))


async def look(bus: Bus) -> Schedulers:
    return await look_at_schedulers(bus, PATIENCE)


async def test_before_anybody_has_told_anything_nobody_is_there(made_bus: Bus) -> None:
    assert await look(made_bus) == Schedulers(holder=None, decided_until=None, instances=[])


async def test_who_is_there_leads_and_what_is_decided_is_seen_in_one_look(made_bus: Bus) -> None:
    leader = make_instance()
    follower = not_leading(make_instance(name="server-02:1:f", started_at=BEGAN + timedelta(seconds=1)))
    await Lease(made_bus, leader.name, 2, utc_now).acquire()
    until = BEGAN + timedelta(minutes=2, microseconds=7)
    checkpoint = CheckpointReached(until=until, events_seq=1, decisions_seq=1, generation=1)
    await put(made_bus, subjects.CHECKPOINT_KEY, orjson.dumps(checkpoint.body()))
    for instance in (follower, leader):
        await tell(made_bus, instance)
    seen = await look(made_bus)
    assert seen == Schedulers(holder=leader.name, decided_until=until, instances=[leader, follower])
    assert seen.leader == leader


async def test_only_whoever_holds_the_lease_leads_whatever_the_others_say(made_bus: Bus) -> None:
    killed, leader = make_instance(), make_instance(name="server-02:1:f", term=8, leader_since=utc_now())
    await Lease(made_bus, leader.name, 2, utc_now).acquire()
    for instance in (killed, leader):
        await tell(made_bus, instance)
    seen = await look(made_bus)
    assert seen.leader == leader
    assert not_leading(killed) in seen.instances
    assert leader in seen.instances


async def test_until_a_new_leader_has_told_of_itself_only_its_name_is_known(made_bus: Bus) -> None:
    instance = not_leading(make_instance())
    await tell(made_bus, instance)
    await Lease(made_bus, instance.name, 2, utc_now).acquire()
    seen = await look(made_bus)
    assert (seen.holder, seen.leader, seen.instances) == (instance.name, None, [instance])


async def test_the_newest_beat_takes_the_place_of_the_one_before(made_bus: Bus) -> None:
    instance = not_leading(make_instance())
    for jobs in range(3):
        instance = instance.model_copy(update={"jobs": jobs})
        await tell(made_bus, instance)
    assert (await look(made_bus)).instances == [instance]


async def test_whoever_takes_leave_is_forgotten_at_once_and_leaves_nothing_behind(made_bus: Bus) -> None:
    leaving, staying = make_instance(), not_leading(make_instance())
    for instance in (leaving, staying):
        await tell(made_bus, instance)
    await take_leave(made_bus, leaving.id)
    assert (await look(made_bus)).instances == [staying]

    async def messages() -> int:
        return (await made_bus.js.stream_info(SCHEDULER_STREAM)).state.messages

    assert await messages() == 2

    async def only_one_is_left() -> bool:
        await tell(made_bus, staying)
        return await messages() == 1

    await eventually(only_one_is_left)


async def test_whoever_died_is_forgotten_after_three_beats(
    made_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "LIFETIME", 1)
    await tell(made_bus, make_instance())
    assert len((await look(made_bus)).instances) == 1

    async def nobody_is_there() -> bool:
        return (await look(made_bus)).instances == []

    await eventually(nobody_is_there)


def test_a_beat_may_fail_twice_before_its_author_is_forgotten() -> None:
    assert instances.LIFETIME >= 3 * instances.BEAT


def test_a_thousand_of_them_leave_room_in_the_bucket() -> None:
    name = "名" * 255
    instance = make_instance(
        name="h" * 255, hostname="h" * 255, next_job=NextJob(id=uuid4(), name=name, at=BEGAN)
    )
    assert 1_000 * len(instance.model_dump_json().encode()) < BUCKET_BYTES / 2


async def test_what_cannot_be_read_is_passed_over_and_unknown_fields_are_too(made_bus: Bus) -> None:
    instance = not_leading(make_instance())
    newer = {**instance.model_dump(mode="json"), "mood": "well"}
    await put(made_bus, f"{subjects.INSTANCE_KEYS}.{instance.id}", orjson.dumps(newer))
    await put(made_bus, f"{subjects.INSTANCE_KEYS}.{uuid4()}", b'{"id": 7}')
    await put(made_bus, f"{subjects.INSTANCE_KEYS}.{uuid4()}", b"no JSON")
    assert (await look(made_bus)).instances == [instance]


async def test_without_the_bucket_the_answer_is_that_there_is_none(bus: Bus) -> None:
    with pytest.raises(Transient, match="does not answer"):
        await look(bus)
    with pytest.raises(Transient):
        await tell(bus, make_instance())


async def test_without_the_server_nobody_waits(nats_server: NatsProcess) -> None:
    async with connected(nats_server.url) as bus:
        await nats_server.kill()
        await eventually(lambda: not bus.is_connected)
        began = time.monotonic()
        with pytest.raises(Transient, match="out of reach"):
            await look(bus)
        assert time.monotonic() - began < PATIENCE
        await nats_server.start()
        await bus.wait_connected()


async def test_a_server_that_says_nothing_is_not_waited_for(made_bus: Bus) -> None:
    with pytest.raises(Transient, match="cannot be read"):
        await look_at_schedulers(made_bus, 0.0)
    assert (await look(made_bus)).instances == []


async def test_many_are_seen_at_once(made_bus: Bus) -> None:
    all_of_them = [not_leading(make_instance(pid=pid)) for pid in range(300)]
    await asyncio.gather(*(tell(made_bus, instance) for instance in all_of_them))
    assert {one.pid for one in (await look(made_bus)).instances} == set(range(300))
