"""What exists on the bus is what is declared, and it behaves as declared."""

import asyncio
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from nats.js.api import PubAck, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from shared.bus import streams, subjects
from shared.bus.connect import Bus, Unpublished, WrongLastSequence
from shared.bus.envelope import STREAM_SOURCE, Outgoing, source_sequence
from shared.bus.streams import Durable, bucket_stream, durables, stream_configs
from shared.events import CheckpointReached, JobCreated, JobsSeeded, JobUpdated
from tests.fixtures.builders import SOME_TIME, make_job
from tests.fixtures.bus import MAX_BYTES, packed, publish_events, publish_numbers, read_all, read_events
from tests.fixtures.eventually import eventually

DECLARED = {config.name or "": config for config in stream_configs(MAX_BYTES, 1)}
FILE_STREAMS = sorted(set(DECLARED) - {streams.FENCE_STREAM})
COMPARED = (
    "subjects", "max_msgs_per_subject", "max_bytes", "max_age", "max_msg_size", "discard", "storage",
    "num_replicas", "duplicate_window", "allow_rollup_hdrs", "deny_delete", "allow_direct", "allow_msg_ttl",
    "subject_delete_marker_ttl",
)  # fmt: skip
COMPARED_OF_CONSUMERS = (
    "durable_name", "filter_subject", "filter_subjects", "ack_policy", "ack_wait", "max_deliver", "max_ack_pending",
    "deliver_subject", "deliver_group",
)  # fmt: skip


def settings(config: StreamConfig) -> dict[str, Any]:
    """What is compared, with the server's words for what is not set."""
    found = {name: getattr(config, name) or None for name in COMPARED}
    return {**found, "max_msgs_per_subject": max(config.max_msgs_per_subject, 0) or None}


async def test_everything_is_made_except_the_fence(bus: Bus) -> None:
    assert await streams.read_streams(bus.js) == {}
    made = await streams.recreate(bus.js, MAX_BYTES, 1)
    assert sorted(made) == FILE_STREAMS
    assert sorted(await streams.read_streams(bus.js)) == FILE_STREAMS
    await streams.ensure_fence(bus.js, MAX_BYTES, 1)
    assert sorted(await streams.read_streams(bus.js)) == sorted(DECLARED)


async def test_making_it_again_leaves_nothing_of_the_old(made_bus: Bus) -> None:
    before = await streams.read_streams(made_bus.js)
    await streams.ensure_fence(made_bus.js, MAX_BYTES, 1)
    await publish_numbers(made_bus, "jetcron.executions.a.b", range(3))
    after = await streams.recreate(made_bus.js, MAX_BYTES, 1)
    assert sorted(after) == FILE_STREAMS
    for name, info in after.items():
        assert streams.created_at(info) > streams.created_at(before[name])
        assert info.state.last_seq == 0


@pytest.mark.parametrize("name", DECLARED)
async def test_a_stream_has_the_settings_that_are_declared(made_bus: Bus, name: str) -> None:
    await streams.ensure_fence(made_bus.js, MAX_BYTES, 1)
    info = await made_bus.js.stream_info(name)
    assert settings(info.config) == settings(DECLARED[name])
    assert info.config.max_bytes
    assert info.config.max_bytes > 0
    assert info.config.retention == RetentionPolicy.LIMITS


@pytest.mark.parametrize("durable", durables(), ids=lambda durable: durable.config.durable_name)
async def test_a_durable_has_the_settings_that_are_declared(made_bus: Bus, durable: Durable) -> None:
    info = await made_bus.js.consumer_info(durable.stream, durable.config.durable_name or "")
    for name in COMPARED_OF_CONSUMERS:
        assert getattr(info.config, name) == getattr(durable.config, name), name
    assert info.config.max_waiting == durable.config.max_waiting or durable.config.max_waiting is None


def test_only_the_fence_lives_in_memory() -> None:
    in_memory = {name for name, config in DECLARED.items() if config.storage is StorageType.MEMORY}
    assert in_memory == {bucket_stream(subjects.FENCE_BUCKET)}


def test_shares_of_the_budget_leave_something_over() -> None:
    shares = sum(DECLARED[name].max_bytes or 0 for name in FILE_STREAMS if not name.startswith("KV_"))
    assert 0.9 * MAX_BYTES < shares < MAX_BYTES


async def test_reconciling_brings_settings_and_durables_back(made_bus: Bus) -> None:
    changed = await made_bus.js.stream_info(subjects.EVENTS)
    await made_bus.js.update_stream(changed.config.evolve(max_age=3_600.0, max_msg_size=1_000))
    await made_bus.js.delete_consumer(subjects.INBOX, subjects.INBOX_DURABLE)
    executor = subjects.executor_durable("default")
    other = await made_bus.js.consumer_info(subjects.TRIGGERS, executor)
    await made_bus.js.add_consumer(subjects.TRIGGERS, config=other.config.evolve(max_ack_pending=3))
    await streams.reconcile(made_bus.js, MAX_BYTES, 1)
    info = await made_bus.js.stream_info(subjects.EVENTS)
    assert settings(info.config) == settings(DECLARED[subjects.EVENTS])
    await made_bus.js.consumer_info(subjects.INBOX, subjects.INBOX_DURABLE)
    assert (await made_bus.js.consumer_info(subjects.TRIGGERS, executor)).config.max_ack_pending == 10_000
    assert info.created == changed.created


async def test_reconciling_never_makes_a_stream(made_bus: Bus) -> None:
    await made_bus.js.delete_stream(subjects.JOBS)
    await streams.reconcile(made_bus.js, MAX_BYTES, 1)
    assert subjects.JOBS not in await streams.read_streams(made_bus.js)


async def test_reconciling_keeps_what_was_acknowledged(made_bus: Bus) -> None:
    job = make_job()
    trigger = subjects.trigger("default", job.id)
    await publish_numbers(made_bus, trigger, range(3))
    executor = subjects.executor_durable("default")
    subscription = await made_bus.js.pull_subscribe_bind(executor, subjects.TRIGGERS)
    for message in await subscription.fetch(2):
        await message.ack_sync()
    await streams.reconcile(made_bus.js, MAX_BYTES, 1)
    info = await made_bus.js.consumer_info(subjects.TRIGGERS, executor)
    assert info.ack_floor is not None
    assert (info.ack_floor.stream_seq, info.num_pending) == (2, 1)


async def test_reconciling_widens_a_durable_and_keeps_its_place(made_bus: Bus) -> None:
    declared = next(one for one in durables() if one.config.durable_name == subjects.NOTIFIER_EVENTS_DURABLE)
    older = declared.config.evolve(filter_subjects=None, filter_subject=subjects.JOB_EVENTS)
    await made_bus.js.delete_consumer(subjects.EVENTS, subjects.NOTIFIER_EVENTS_DURABLE)
    await made_bus.js.add_consumer(subjects.EVENTS, config=older)
    job, alert = subjects.event("job", uuid4()), subjects.event("alert", uuid4())
    assert older.deliver_subject is not None
    subscription = await made_bus.nc.subscribe(older.deliver_subject, queue=older.deliver_group or "")
    await publish_numbers(made_bus, job, range(2))
    for _ in range(2):
        await (await subscription.next_msg(timeout=10)).ack_sync()
    await streams.reconcile(made_bus.js, MAX_BYTES, 1)
    info = await made_bus.js.consumer_info(subjects.EVENTS, subjects.NOTIFIER_EVENTS_DURABLE)
    assert (info.config.filter_subject, info.config.filter_subjects) == (
        None,
        [subjects.JOB_EVENTS, subjects.ALERT_EVENTS],
    )
    await publish_numbers(made_bus, alert, [3])
    await publish_numbers(made_bus, job, [4])
    received = [await subscription.next_msg(timeout=10) for _ in range(2)]
    assert [(one.subject, one.data) for one in received] == [(alert, b"3"), (job, b"4")]


async def test_removing_the_fence_twice_changes_nothing(made_bus: Bus) -> None:
    await streams.ensure_fence(made_bus.js, MAX_BYTES, 1)
    await streams.remove_fence(made_bus.js)
    await streams.remove_fence(made_bus.js)
    with pytest.raises(NotFoundError):
        await made_bus.js.stream_info(streams.FENCE_STREAM)


class TestDeduplication:
    @pytest.mark.parametrize(
        "subject", ["jetcron.triggers.default.j", "jetcron.executions.j.e", "jetcron.inbox.u"]
    )
    async def test_the_same_id_is_stored_once(self, made_bus: Bus, subject: str) -> None:
        message = packed(JobsSeeded(generation=1), subject, message_id="one")
        first, second = await made_bus.publish(message), await made_bus.publish(message)
        assert (bool(first.duplicate), bool(second.duplicate)) == (False, True)
        assert second.seq == first.seq
        assert (await made_bus.js.stream_info(first.stream)).state.messages == 1

    async def test_the_expected_sequence_is_checked_before_the_id(self, made_bus: Bus) -> None:
        message = packed(JobsSeeded(generation=1), "jetcron.executions.j.e", message_id="one")
        message.headers["Nats-Expected-Last-Subject-Sequence"] = "0"
        await made_bus.publish(message)
        with pytest.raises(WrongLastSequence):
            await made_bus.publish(message)


class TestJobs:
    async def test_the_newest_of_each_job_stands_there_and_says_where_it_came_from(
        self, made_bus: Bus
    ) -> None:
        jobs = [make_job(version=1) for _ in range(5)]
        subject_of = {job.id: subjects.event("job", job.id) for job in jobs}
        await publish_events(made_bus, [("jetcron.events.user.x", JobsSeeded(generation=9))])
        created = [(subject_of[job.id], JobCreated(job=job)) for job in jobs]
        changed = [job.model_copy(update={"version": 2}) for job in jobs[:3]]
        updated = [
            (subject_of[job.id], JobUpdated(job=job, before=jobs[index])) for index, job in enumerate(changed)
        ]
        sequences = await publish_events(made_bus, [*created, *updated])
        expected = dict(zip([subject for subject, _ in [*created, *updated]], sequences, strict=True))

        async def is_caught_up() -> bool:
            # Its own numbers count what it took; the last to arrive is the ninth of EVENTS.
            return (await made_bus.js.stream_info(subjects.JOBS)).state.last_seq >= len(sequences)

        await eventually(is_caught_up)
        found = await read_all(made_bus, subjects.JOBS)
        assert {one.subject: source_sequence(one.headers, one.sequence) for one in found} == expected
        assert all(STREAM_SOURCE in (one.headers or {}) for one in found)
        states = {
            event.job.id: event.job.version
            for event in await read_events(made_bus, subjects.JOBS)
            if isinstance(event, JobCreated | JobUpdated)
        }
        assert states == {job.id: 2 if index < 3 else 1 for index, job in enumerate(jobs)}


class TestFullStreams:
    async def test_claims_are_refused_when_executions_is_full_and_old_ones_stay(self, bus: Bus) -> None:
        await streams.recreate(bus.js, 2**20, 1)
        body = b"x" * 100_000
        acks = [await fill(bus, f"jetcron.executions.j.{number}", body) for number in range(8)]
        assert isinstance(acks[-1], Unpublished)
        info = await bus.js.stream_info(subjects.EXECUTIONS)
        assert info.state.first_seq == 1
        assert info.state.messages == sum(isinstance(ack, PubAck) for ack in acks) > 2

    async def test_events_makes_room_by_dropping_the_oldest(self, bus: Bus) -> None:
        await streams.recreate(bus.js, 2**20, 1)
        body = b"x" * 50_000
        acks = [await fill(bus, "jetcron.events.user.u", body) for _ in range(8)]
        assert all(isinstance(ack, PubAck) for ack in acks)
        info = await bus.js.stream_info(subjects.EVENTS)
        assert info.state.first_seq > 1
        assert info.state.last_seq == 8


async def fill(bus: Bus, subject: str, body: bytes) -> PubAck | Unpublished:
    """Publish something big."""
    try:
        return await bus.publish(Outgoing(subject=subject, body=body, headers={}))
    except Unpublished as error:
        return error


async def test_the_newest_of_everybody_stands_in_the_directory(bus: Bus) -> None:
    # More than once: what was lost was lost in one of three new streams.
    for _ in range(10):
        await streams.recreate(bus.js, MAX_BYTES, 1)
        known = [subjects.event(kind, uuid4()) for kind in ("user", "user", "team", "settings")]
        for subject in (*known, subjects.event("job", uuid4()), subjects.event("category", uuid4())):
            await publish_numbers(bus, subject, [1])
        await publish_numbers(bus, known[2], [2])
        newest = dict.fromkeys(known, b"1") | {known[2]: b"2"}
        await eventually(partial(directory_is, bus, newest), within=10)


async def directory_is(bus: Bus, newest: dict[str, bytes]) -> bool:
    """Whether DIRECTORY holds these and nothing else."""
    return {one.subject: one.body for one in await read_all(bus, subjects.DIRECTORY)} == newest


async def test_of_announced_checkpoints_only_the_newest_is_kept(made_bus: Bus) -> None:
    for number in range(1, 4):
        reached = CheckpointReached(until=SOME_TIME, events_seq=number, decisions_seq=0, generation=1)
        message = packed(reached, subjects.CHECKPOINT)
        message.headers["Nats-Rollup"] = "sub"
        await made_bus.publish(message)
    [kept] = await read_events(made_bus, subjects.TRIGGERS, subjects.CHECKPOINT)
    assert isinstance(kept, CheckpointReached)
    assert kept.events_seq == 3


async def test_waiting_for_a_consumer_ends_when_the_gateway_has_made_it(bus: Bus) -> None:
    waiting = asyncio.create_task(streams.wait_for_consumer(bus.js, subjects.INBOX, subjects.INBOX_DURABLE))
    await asyncio.sleep(0)
    assert not waiting.done()
    await streams.recreate(bus.js, MAX_BYTES, 1)
    await waiting
