"""What exists on the bus: streams, buckets and durable consumers. Only the gateway creates and reconciles them.

Every stream is bounded. Shares of the whole budget follow what each holds: EXECUTIONS is the widest, since "no claim
stored, no call".
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
    StreamSource,
    SubjectTransform,
)
from nats.js.errors import APIError, NotFoundError

from shared.bus import subjects
from shared.domain.job import DEFAULT_QUEUE

DAY = 86_400.0  # seconds
SENT_DAYS = 14
"""As long as INBOX and EVENTS are kept, so that what is delivered again was certainly remembered."""
NOTICE_DAYS = 2
"""Longer than the notifier tries to send one."""
BUCKET_BYTES = 4 * 2**20
SENT_BYTES = 16 * 2**20
DUPLICATE_WINDOW = 600.0  # seconds
MAX_MESSAGE_BYTES = 512 * 1024
EXECUTOR_ACK_WAIT = 15.0  # seconds; a running call renews it
CONSUMER_ACK_WAIT = 30.0  # seconds
LEASE_MARKER_TTL = 5.0  # seconds; a follower that saw no marker finds the lease by polling

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Durable:
    """A durable consumer that outlives its reader."""

    stream: str
    config: ConsumerConfig


def bucket_stream(bucket: str) -> str:
    """The stream behind a key-value bucket."""
    return f"KV_{bucket}"


def bucket_subject(bucket: str, key: str) -> str:
    """The subject of a key."""
    return f"$KV.{bucket}.{key}"


FENCE_STREAM = bucket_stream(subjects.FENCE_BUCKET)
SCHEDULER_STREAM = bucket_stream(subjects.SCHEDULER_BUCKET)
SENT_STREAM = bucket_stream(subjects.SENT_BUCKET)


def stream_configs(max_bytes: int, replicas: int) -> list[StreamConfig]:
    """All streams and buckets, in the order of their creation (a source before what draws on it)."""

    def limits(
        name: str, subjects_: list[str] | None, share: float, days: float | None, discard: DiscardPolicy
    ) -> StreamConfig:
        return StreamConfig(
            name=name,
            subjects=subjects_,
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=discard,
            max_bytes=int(max_bytes * share),
            max_age=days * DAY if days else 0,
            max_msg_size=MAX_MESSAGE_BYTES,
            duplicate_window=DUPLICATE_WINDOW,
            allow_direct=True,
            num_replicas=replicas,
        )

    events = limits(subjects.EVENTS, [subjects.ALL_EVENTS], 0.15, 14, DiscardPolicy.OLD)
    jobs = limits(subjects.JOBS, None, 0.25, None, DiscardPolicy.NEW)
    jobs.sources = [StreamSource(name=subjects.EVENTS, filter_subject=subjects.JOB_EVENTS)]
    jobs.max_msgs_per_subject = 1
    directory = limits(subjects.DIRECTORY, None, 0.05, None, DiscardPolicy.NEW)
    # One source with several filters (an empty destination leaves a subject as it is). Several sources of one stream lose
    # what is published while the server opens them one by one (seen in nats-server 2.15.1).
    only = [SubjectTransform(src=filter_, dest="") for filter_ in subjects.DIRECTORY_EVENTS]
    directory.sources = [StreamSource(name=subjects.EVENTS, subject_transforms=only)]
    directory.max_msgs_per_subject = 1
    triggers = limits(
        subjects.TRIGGERS,
        [subjects.ALL_TRIGGERS, subjects.ALL_DECISIONS, subjects.CHECKPOINT],
        0.15,
        3,
        DiscardPolicy.NEW,
    )
    triggers.allow_rollup_hdrs = True
    return [
        _bucket(subjects.FENCE_BUCKET, replicas, storage=StorageType.MEMORY),
        events,
        jobs,
        directory,
        triggers,
        limits(subjects.EXECUTIONS, [subjects.ALL_EXECUTIONS], 0.35, 6, DiscardPolicy.NEW),
        limits(subjects.INBOX, [subjects.ALL_INBOX], 0.03, 14, DiscardPolicy.OLD),
        # What is full of mail that nobody takes must not keep anybody from telling the inbox.
        limits(subjects.NOTICES, [subjects.ALL_NOTICES], 0.02, NOTICE_DAYS, DiscardPolicy.OLD),
        _bucket(subjects.SCHEDULER_BUCKET, replicas, storage=StorageType.FILE),
        _bucket(
            subjects.SENT_BUCKET,
            replicas,
            storage=StorageType.FILE,
            max_age=SENT_DAYS * DAY,
            max_bytes=SENT_BYTES,
        ),
    ]


def durables() -> list[Durable]:
    """All durable consumers. Deliveries are unlimited: attempts are what is counted."""
    executor = subjects.executor_durable(DEFAULT_QUEUE)
    return [
        Durable(
            subjects.TRIGGERS,
            ConsumerConfig(
                durable_name=executor,
                filter_subject=subjects.trigger(DEFAULT_QUEUE, "*"),
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=EXECUTOR_ACK_WAIT,
                max_deliver=-1,
                max_ack_pending=10_000,
                max_waiting=2_048,
            ),
        ),
        _pushed(subjects.EXECUTIONS, subjects.NOTIFIER_DURABLE),
        _pushed(
            subjects.EVENTS, subjects.NOTIFIER_EVENTS_DURABLE, [subjects.JOB_EVENTS, subjects.ALERT_EVENTS]
        ),
        _pushed(subjects.INBOX, subjects.INBOX_DURABLE),
        *(_notices(channel) for channel in subjects.CHANNELS),
    ]


def _pushed(stream: str, durable: str, filter_subjects: list[str] | None = None) -> Durable:
    """A consumer whose messages are pushed to whichever of its subscribers is there."""
    return Durable(
        stream,
        ConsumerConfig(
            durable_name=durable,
            filter_subjects=filter_subjects,
            deliver_subject=f"jetcron.deliver.{durable}",
            deliver_group=durable,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=CONSUMER_ACK_WAIT,
            max_deliver=-1,
            max_ack_pending=1_000,
        ),
    )


def _notices(channel: str) -> Durable:
    """A channel takes its notices as it has room for them; a sending that takes long renews the wait."""
    return Durable(
        subjects.NOTICES,
        ConsumerConfig(
            durable_name=subjects.channel_durable(channel),
            filter_subject=subjects.notice(channel, "*"),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=CONSUMER_ACK_WAIT,
            max_deliver=-1,
            max_ack_pending=1_000,
            max_waiting=512,
        ),
    )


async def read_streams(js: JetStreamContext) -> dict[str, StreamInfo]:
    """What is there of ours, by name."""
    names = [config.name or "" for config in stream_configs(2**30, 1)]

    async def info(name: str) -> StreamInfo | None:
        try:
            return await js.stream_info(name)
        except NotFoundError:
            return None

    found = await asyncio.gather(*(info(name) for name in names))
    return {name: one for name, one in zip(names, found, strict=True) if one is not None}


def created_at(info: StreamInfo) -> datetime:
    """When a stream was created: a new time under an old name means that it was lost."""
    if info.created is None:
        raise ValueError("the server names no creation time")
    return info.created


async def reconcile(js: JetStreamContext, max_bytes: int, replicas: int) -> None:
    """Bring the settings of what lasts up to date; creates consumers, never streams."""
    for config in stream_configs(max_bytes, replicas):
        if config.name == FENCE_STREAM:
            continue
        try:
            await js.update_stream(config)
        except APIError as error:
            logger.warning(
                "stream not reconciled", action="reconcile", stream=config.name, error=error.description
            )
    await _ensure_durables(js)


async def recreate(js: JetStreamContext, max_bytes: int, replicas: int) -> dict[str, StreamInfo]:
    """Delete and create everything except the fence, which is deleted and not created: nobody may work yet."""
    configs = stream_configs(max_bytes, replicas)
    for config in reversed(configs):
        try:
            await js.delete_stream(config.name or "")
        except NotFoundError:
            continue
    for config in configs:
        if config.name != FENCE_STREAM:
            await js.add_stream(config)
    await _ensure_durables(js)
    return await read_streams(js)


async def remove_fence(js: JetStreamContext) -> None:
    """Delete the fence, so that whoever holds it stops within its lifetime."""
    try:
        await js.delete_stream(FENCE_STREAM)
    except NotFoundError:
        return


async def ensure_fence(js: JetStreamContext, max_bytes: int, replicas: int) -> None:
    """Create the fence's bucket where there is none."""
    config = next(config for config in stream_configs(max_bytes, replicas) if config.name == FENCE_STREAM)
    try:
        await js.stream_info(FENCE_STREAM)
    except NotFoundError:
        await js.add_stream(config)


async def wait_for_consumer(js: JetStreamContext, stream: str, durable: str) -> None:
    """Return once the gateway has made the stream and the consumer."""
    wait = 0.05
    while True:
        try:
            await js.consumer_info(stream, durable)
            return
        except (NatsError, APIError, TimeoutError):
            await asyncio.sleep(wait)
            wait = min(wait * 2, 1.0)


async def _ensure_durables(js: JetStreamContext) -> None:
    for durable in durables():
        # Creating one that exists updates its settings (unlike pull_subscribe, which leaves them as they are).
        await js.add_consumer(durable.stream, config=durable.config)


def _bucket(
    name: str,
    replicas: int,
    *,
    storage: StorageType,
    max_age: float = 0,
    max_bytes: int = BUCKET_BYTES,
) -> StreamConfig:
    """A key-value bucket as ADR-8 lays it out, so that ordinary tools can read it.

    https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-8.md
    """
    return StreamConfig(
        name=bucket_stream(name),
        subjects=[f"$KV.{name}.>"],
        storage=storage,
        max_msgs_per_subject=1,
        max_bytes=max_bytes,
        max_age=max_age,
        discard=DiscardPolicy.OLD if max_age else DiscardPolicy.NEW,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=True,
        allow_msg_ttl=True,
        subject_delete_marker_ttl=LEASE_MARKER_TTL,
        duplicate_window=120,
        num_replicas=replicas,
    )
