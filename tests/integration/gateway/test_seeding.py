"""The store of the bus is lost, rolled back or damaged: a new generation is made from SQL, and no job is missing."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

import orjson
import pytest

from services.gateway import seeding, steward
from services.gateway.alerts import record
from services.gateway.auditor import Auditor
from services.gateway.commands.slack import update_slack_settings
from services.gateway.commands.teams import create_team, update_team
from services.gateway.commands.users import delete_user, register_user, update_user
from services.gateway.domain.actor import SYSTEM
from services.gateway.gateway import Gateway
from services.gateway.relay import Relay
from services.gateway.seeding import Seeder
from services.gateway.seeding_executions import ExecutionSeeds
from services.gateway.silence import PATIENCE
from services.gateway.store.tables import bus_streams, events
from shared.bus import streams, subjects
from shared.bus.connect import Bus
from shared.bus.envelope import unpack
from shared.bus.fence import read_generation
from shared.bus.streams import stream_configs
from shared.clock import utc_now
from shared.errors import Transient
from shared.events import (
    CheckpointReached,
    JobDeleted,
    JobEvent,
    JobsSeeded,
    SchedulerSilent,
    SlackSettingsUpdated,
    TeamEvent,
    User,
    UserEvent,
)
from tests.fixtures.builders import SOME_TIME, make_job
from tests.fixtures.bus import following, read_all, read_events
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess
from tests.integration.gateway.world import (
    at_work,
    background,
    change,
    create,
    delete,
    is_all_published,
    opened,
    reach_checkpoint,
    restart_without_store,
    state_of_bus,
    works_in,
)

FILE_STREAMS = [
    name for config in stream_configs(2**30, 1) if (name := config.name or "") != streams.FENCE_STREAM
]


@pytest.fixture
async def gateway(
    database_url: str, nats_server: NatsProcess, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """A gateway that does not work yet. Nobody else holds its fence, so nobody has to be waited for."""
    monkeypatch.setattr(seeding, "LIFETIME", 0.0)
    monkeypatch.setattr(steward, "STORE_CHECK", 0.3)
    # Here the checkpoint may run ahead of what was decided.
    monkeypatch.setattr(Auditor, "audit", AsyncMock(return_value=0))
    async with opened(database_url, nats_server.url) as gateway:
        yield gateway


@dataclass(frozen=True)
class History:
    """Jobs with changes on both sides of the last checkpoint."""

    until: datetime
    covered: dict[UUID, int]
    """Versions that the checkpoint covers."""
    later: dict[UUID, int]
    """Versions that it does not cover."""


async def make_history(gateway: Gateway) -> History:
    """Have many covered events of few jobs, and few uncovered ones."""
    store = gateway.event_store
    busy, late, gone, gone_late = [(await create(store, make_job())).id for _ in range(4)]
    for number in range(19):
        await change(store, busy, metadata={"n": number})
    await delete(store, gone)
    await eventually(lambda: is_all_published(gateway.database))
    until = utc_now() + timedelta(hours=1)
    await reach_checkpoint(gateway, until)
    await change(store, late, category="late")
    await delete(store, gone_late)
    new = (await create(store, make_job())).id
    await eventually(lambda: is_all_published(gateway.database))
    return History(until, {busy: 20, late: 1, gone_late: 1}, {late: 2, gone_late: 2, new: 1})


def version_of(event: JobEvent) -> int:
    """Which change it is."""
    return event.version if isinstance(event, JobDeleted) else event.current.version


async def checkpoint(bus: Bus) -> CheckpointReached:
    """What the next leader begins with."""
    subject = streams.bucket_subject(subjects.SCHEDULER_BUCKET, subjects.CHECKPOINT_KEY)
    last = await bus.last(streams.SCHEDULER_STREAM, subject)
    assert last is not None
    return CheckpointReached.model_validate(orjson.loads(last.data or b""))


async def check_seeded(gateway: Gateway, history: History, generation: int) -> None:
    """Everything stands where a scheduler needs it."""
    bus = gateway.bus
    begin = await checkpoint(bus)
    assert (begin.until, begin.generation, begin.decisions_seq) == (history.until, generation, 0)
    sequences: dict[tuple[UUID, int], int] = {}
    *changes, marker = await read_all(bus, subjects.EVENTS)
    for message in changes:
        event = unpack(message.body, message.headers).event
        assert isinstance(event, JobEvent)
        sequences[event.current.id, version_of(event)] = message.sequence
    covered = {key: seq for key, seq in sequences.items() if seq <= begin.events_seq}
    assert len(sequences) == len(changes)
    assert set(covered) == set(history.covered.items())
    assert set(sequences) - set(covered) == set(history.later.items())
    seeded = unpack(marker.body, marker.headers).event
    assert seeded == JobsSeeded(generation=generation)
    newest = {**history.covered, **history.later}
    await eventually(lambda: compacted_is(bus, newest, generation))
    marks = {
        (row["aggregate_id"], row["version"]): row["published_seq"]
        for row in await rows_of(gateway.database, events)
    }
    assert {key: marks[key] for key in sequences} == sequences
    state = await state_of_bus(gateway.database)
    assert (state["generation"], state["is_seeded"]) == (generation, True)
    assert (state["ledgered_until"], state["ledgered_events_seq"]) == (history.until, begin.events_seq)


async def compacted_is(bus: Bus, newest: dict[UUID, int], generation: int) -> bool:
    """Whether JOBS holds the newest of each job, and the marker behind all of them."""
    found = [unpack(one.body, one.headers).event for one in await read_all(bus, subjects.JOBS)]
    states = {event.current.id: version_of(event) for event in found if isinstance(event, JobEvent)}
    return states == newest and found[-1] == JobsSeeded(generation=generation)


async def test_the_first_start_makes_generation_1_with_all_jobs(gateway: Gateway) -> None:
    first, second = [await create(gateway.event_store, make_job()) for _ in range(2)]
    await change(gateway.event_store, first.id, category="other")
    began = utc_now()
    async with at_work(gateway):
        await works_in(gateway, 1)
        await eventually(lambda: compacted_is(gateway.bus, {first.id: 2, second.id: 1}, 1))
        begin = await checkpoint(gateway.bus)
        assert (begin.generation, begin.events_seq) == (1, 0)
        assert began <= begin.until <= utc_now()
        assert await is_all_published(gateway.database)


async def test_an_intact_store_keeps_its_generation_over_a_restart(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    async with at_work(gateway):
        await works_in(gateway, 1)
        history = await make_history(gateway)
        before = await streams.read_streams(gateway.bus.js)
        for stop in (nats_server.stop, nats_server.kill):
            await stop()
            await eventually(lambda: gateway.fence.generation is None)
            job = await create(gateway.event_store, make_job())
            history.later[job.id] = 1
            await nats_server.start()
            await works_in(gateway, 1)
            await eventually(lambda: is_all_published(gateway.database))
        after = await streams.read_streams(gateway.bus.js)
        assert [after[name].created for name in FILE_STREAMS] == [
            before[name].created for name in FILE_STREAMS
        ]
        assert (await state_of_bus(gateway.database))["generation"] == 1


async def test_another_gateway_on_the_same_store_keeps_its_generation(
    nats_server: NatsProcess, database_url: str, gateway: Gateway
) -> None:
    async with at_work(gateway):
        await works_in(gateway, 1)
    async with opened(database_url, nats_server.url) as other, at_work(other):
        await works_in(other, 1)
        await create(other.event_store, make_job())
        await eventually(lambda: is_all_published(other.database))


async def test_a_lost_store_is_made_again_as_often_as_it_is_lost(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    async with at_work(gateway):
        await works_in(gateway, 1)
        history = await make_history(gateway)
        for generation in (2, 3):
            await restart_without_store(nats_server)
            await works_in(gateway, generation)
            await check_seeded(gateway, history, generation)
        late = next(iter(history.later))
        await change(gateway.event_store, late, category="afterwards")
        await eventually(lambda: is_all_published(gateway.database))
        await eventually(
            lambda: compacted_is_behind(gateway.bus, {**history.covered, **history.later, late: 3})
        )


async def compacted_is_behind(bus: Bus, newest: dict[UUID, int]) -> bool:
    """Whether JOBS holds these, wherever the marker stands."""
    found = [unpack(one.body, one.headers).event for one in await read_all(bus, subjects.JOBS)]
    return {one.current.id: version_of(one) for one in found if isinstance(one, JobEvent)} == newest


async def test_everybody_who_is_there_is_known_in_a_new_store(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    async def register(name: str) -> User:
        address, password = f"{name}@example.com", "a good password"
        return await register_user(
            gateway, username=name, email=address, password=password, role="user", actor=SYSTEM
        )

    async with at_work(gateway):
        await works_in(gateway, 1)
        await register("stays")
        leaves, moves = [await register(name) for name in ("leaves", "moves")]
        await delete_user(gateway, leaves.id, SYSTEM)
        await update_user(gateway, moves.id, {"email": "moved@example.com"}, SYSTEM)
        team = await create_team(gateway, SYSTEM, name="Operations", slack_handle="@old")
        await update_slack_settings(
            gateway, {"is_enabled": True, "webhook_url": "https://hooks.example.com/x"}, SYSTEM
        )
        await eventually(lambda: is_all_published(gateway.database))
        await restart_without_store(nats_server)
        await works_in(gateway, 2)
        await update_team(gateway, team.id, SYSTEM, slack_handle="@new")
        await eventually(lambda: is_all_published(gateway.database))
        await eventually(lambda: directory_holds(gateway.bus, 4))
        known = [
            unpack(one.body, one.headers).event for one in await read_all(gateway.bus, subjects.DIRECTORY)
        ]
    assert {event.user.email for event in known if isinstance(event, UserEvent) and event.user} == {
        "stays@example.com",
        "moved@example.com",
    }
    assert [event.team.slack_handle for event in known if isinstance(event, TeamEvent)] == ["@new"]
    assert [event.settings.is_enabled for event in known if isinstance(event, SlackSettingsUpdated)] == [True]


async def test_old_alerts_are_not_told_again_and_new_ones_are(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    old, new = [SchedulerSilent(since=SOME_TIME + number * PATIENCE, at=SOME_TIME) for number in range(2)]
    async with at_work(gateway):
        await works_in(gateway, 1)
        async with gateway.database.write() as connection:
            assert await record(gateway.event_store, connection, old, SOME_TIME)
        await eventually(lambda: is_all_published(gateway.database))
        await nats_server.kill()
        async with gateway.database.write() as connection:
            assert await record(gateway.event_store, connection, new, SOME_TIME)
        await restart_without_store(nats_server)
        await works_in(gateway, 2)
        await eventually(lambda: is_all_published(gateway.database))
        assert await read_events(gateway.bus, subjects.EVENTS, subjects.ALERT_EVENTS) == [new]


async def directory_holds(bus: Bus, count: int) -> bool:
    """Whether that many people, teams and settings have been copied."""
    return (await bus.js.stream_info(subjects.DIRECTORY)).state.messages == count


async def test_a_store_of_an_earlier_version_is_made_anew(gateway: Gateway) -> None:
    async with at_work(gateway):
        await works_in(gateway, 1)
        job = await create(gateway.event_store, make_job())
        await eventually(lambda: is_all_published(gateway.database))
    added = [subjects.DIRECTORY, subjects.NOTICES]
    for name in added:
        await gateway.bus.js.delete_stream(name)
    async with gateway.database.write() as connection:
        await connection.execute(bus_streams.delete().where(bus_streams.c.name.in_(added)))
    async with background(gateway.steward.run()), following(gateway.fence):
        await works_in(gateway, 2)
        assert set(FILE_STREAMS) <= set(await streams.read_streams(gateway.bus.js))
        await eventually(lambda: compacted_is(gateway.bus, {job.id: 1}, 2))


async def test_an_older_copy_of_the_store_is_found_to_be_rolled_back(
    nats_server: NatsProcess, gateway: Gateway
) -> None:
    copy = nats_server.data_dir / "copy"
    async with at_work(gateway):
        await works_in(gateway, 1)
        await create(gateway.event_store, make_job())
        await eventually(lambda: is_all_published(gateway.database))
        await nats_server.stop()
        shutil.copytree(nats_server.store_dir, copy)
        await nats_server.start()
        await works_in(gateway, 1)
        await create(gateway.event_store, make_job())
        await eventually(lambda: is_all_published(gateway.database))
        await nats_server.stop()
        nats_server.delete_store()
        shutil.copytree(copy, nats_server.store_dir)
        await nats_server.start()
        await works_in(gateway, 2)
        jobs = {row["aggregate_id"]: 1 for row in await rows_of(gateway.database, events)}
        assert len(jobs) == 2
        await eventually(lambda: compacted_is(gateway.bus, jobs, 2))


STEPS: list[tuple[Any, str]] = [
    (streams, "recreate"),
    (Seeder, "_publish_covered"),
    (Relay, "drain_events"),
    (ExecutionSeeds, "publish"),
    (Seeder, "_publish_checkpoint"),
    (Seeder, "_publish_marker"),
    (seeding, "finish_generation"),
    (Seeder, "raise_fence"),
]


@pytest.mark.parametrize(("owner", "step"), STEPS, ids=[step for _, step in STEPS])
async def test_a_seeding_that_was_interrupted_ends_right(
    nats_server: NatsProcess, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, owner: Any, step: str
) -> None:
    original = getattr(owner, step)
    interrupted = 0

    async def interrupt(*arguments: Any, **more: Any) -> Any:
        nonlocal interrupted
        interrupted += 1
        if interrupted == 1:
            raise Transient(f"killed before {step}")
        done = await original(*arguments, **more)
        if interrupted == 2:
            raise Transient(f"killed behind {step}")
        return done

    async with at_work(gateway):
        await works_in(gateway, 1)
        history = await make_history(gateway)
        await nats_server.kill()
        nats_server.delete_store()
        await eventually(lambda: gateway.fence.generation is None)
        monkeypatch.setattr(owner, step, interrupt)
        await nats_server.start()
        await eventually(lambda: gateway.fence.generation)
        assert interrupted >= 2
        generation = gateway.fence.generation
        assert generation is not None
        assert generation > 1
        await check_seeded(gateway, history, generation)


@pytest.mark.parametrize("name", [subjects.JOBS, subjects.EXECUTIONS, streams.SCHEDULER_STREAM])
async def test_a_stream_that_is_deleted_by_hand_is_noticed(gateway: Gateway, name: str) -> None:
    async with at_work(gateway):
        await works_in(gateway, 1)
        job = await create(gateway.event_store, make_job())
        await eventually(lambda: is_all_published(gateway.database))
        await gateway.bus.js.delete_stream(name)
        await works_in(gateway, 2)
        await eventually(lambda: compacted_is(gateway.bus, {job.id: 1}, 2))


async def test_a_fence_that_is_deleted_by_hand_is_raised_again(gateway: Gateway) -> None:
    async with at_work(gateway):
        await works_in(gateway, 1)
        await streams.remove_fence(gateway.bus.js)
        await eventually(lambda: stands_in_the_fence(gateway.bus, 1))
        await works_in(gateway, 1)


async def stands_in_the_fence(bus: Bus, generation: int) -> bool:
    """Whether that is what everybody would read."""
    return await read_generation(bus) == generation
