"""A rolling restart of the schedulers, as processes: every planned instant is decided, and none of them twice."""

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import pytest
from nats.aio.msg import Msg

from shared.bus import streams, subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing, unpack
from shared.bus.instances import Instance, Schedulers, look_at_schedulers
from shared.clock import utc_now
from shared.domain.job import Job
from shared.domain.schedule import CronSchedule, IntervalSchedule, Schedule, fires_between
from shared.events import (
    CheckpointReached,
    InstantsMissed,
    InstantsSkipped,
    JobCreated,
    JobsSeeded,
    RunTriggered,
)
from tests.fixtures.builders import make_job
from tests.fixtures.bus import GENERATION, packed, raise_fence
from tests.fixtures.eventually import eventually
from tests.fixtures.jetcron import Jetcron
from tests.fixtures.nats import NatsProcess

JOBS = 300
PERIODS = (1, 2, 3, 5)  # seconds
CRON_EVERY = 6
"""One job of so many has a cron expression."""
STOPPED_AT = (-0.005, 0.001, 0.004, 0.010, 0.030)
"""Seconds from a full one, at which all are due: just before it, and while decisions are being published."""
BETWEEN_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 5.0
INSTANT = timedelta(microseconds=1)
MAX_LATENESS_SECONDS = 30.0
"""On the slowest of machines; how late it was is printed."""

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Decided:
    """A planned instant that was decided."""

    job_id: UUID
    instant: datetime
    stored_at: datetime

    @property
    def lateness(self) -> float:
        """Seconds from the instant until its decision was stored."""
        return (self.stored_at - self.instant).total_seconds()


class Rolling:
    """Two scheduler processes, one of which is replaced now and then."""

    def __init__(self, jetcron: Jetcron, url: str, bus: Bus) -> None:
        self._jetcron = jetcron
        self._url = url
        self._bus = bus
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start one more."""
        process = self._jetcron.spawn_beside("scheduler", NATS_URL=self._url)
        self._running[process.pid] = process

    async def look(self) -> Schedulers:
        """Who is there."""
        return await look_at_schedulers(self._bus, LOOK_SECONDS)

    async def leader(self) -> Instance:
        """Who leads, once all that were started know all jobs and one of them leads."""
        found: list[Instance] = []

        async def all_are_ready() -> bool:
            seen = await self.look()
            ready = {one.pid for one in seen.instances if one.jobs == JOBS}
            found[:] = [seen.leader] if seen.leader is not None else []
            return ready == set(self._running) and bool(found)

        await eventually(all_are_ready, within=PATIENCE_SECONDS)
        return found[0]

    async def hand_over(self, leader: Instance) -> float:
        """Tell the leader to stop; returns the seconds until another one held the lease."""

        async def another_holds_it() -> bool:
            return (await self.look()).holder not in (None, leader.name)

        told = time.monotonic()
        process = self._running.pop(leader.pid)
        process.send_signal(signal.SIGTERM)
        await eventually(another_holds_it, within=PATIENCE_SECONDS)
        took = time.monotonic() - told
        assert await asyncio.to_thread(process.wait, PATIENCE_SECONDS) == 0
        return took

    async def stop(self) -> None:
        """Stop all of them."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            assert await asyncio.to_thread(process.wait, PATIENCE_SECONDS) == 0
        assert (await self.look()).instances == []


async def test_a_rolling_restart_decides_every_instant_exactly_once(
    jetcron: Jetcron, nats_server: NatsProcess, made_bus: Bus
) -> None:
    began = utc_now()
    jobs = make_jobs(began)
    await seed(made_bus, jobs, began)
    schedulers = Rolling(jetcron, nats_server.url, made_bus)
    schedulers.start()
    schedulers.start()
    leader = await schedulers.leader()
    led_at, terms, handovers = utc_now(), [leader.term], []
    for offset in STOPPED_AT:
        schedulers.start()
        await asyncio.sleep(BETWEEN_SECONDS)
        await asyncio.sleep(1 - time.time() % 1 + offset)
        handovers.append(await schedulers.hand_over(leader))
        leader = await schedulers.leader()
        terms.append(leader.term)
    await schedulers.stop()

    until = (await schedulers.look()).decided_until
    assert until is not None
    schedules = {job.id: job.schedule for job in jobs}
    decided = [one for message in await stored(made_bus) for one in decided_by(message, schedules)]
    counted = Counter((one.job_id, one.instant) for one in decided if one.instant <= until)
    planned = {(job.id, instant) for job in jobs for instant in fires_between(job.schedule, began, until)}
    late = max(one.lateness for one in decided if one.instant > led_at)
    sys.stdout.write(
        f"{len(planned)} instants of {len(jobs)} jobs; {len(handovers)} leaders stopped, the next one led within "
        f"{[round(took * 1000) for took in handovers]} ms; the latest decision came {late:.3f} s late\n"
    )
    assert set(counted) == planned
    assert set(counted.values()) == {1}
    assert terms == sorted(set(terms), key=lambda term: term or 0)
    assert late < MAX_LATENESS_SECONDS


def make_jobs(since: datetime) -> list[Job]:
    """Jobs that are due every few seconds; any number of their runs may be open, since nobody runs them here."""

    def schedule(number: int) -> CronSchedule | IntervalSchedule:
        if number % CRON_EVERY == 0:
            return CronSchedule(expression="*/2 * * * * *", seconds=True, timezone="Europe/Berlin")
        anchor = since.replace(microsecond=0) + timedelta(seconds=number // len(PERIODS))
        return IntervalSchedule(every_seconds=PERIODS[number % len(PERIODS)], anchor=anchor, timezone="UTC")

    times = {"effective_at": since, "created_at": since, "updated_at": since}
    return [make_job(schedule=schedule(number), max_instances=10_000, **times) for number in range(JOBS)]


async def seed(bus: Bus, jobs: list[Job], until: datetime) -> None:
    """The bus as a gateway leaves it: jobs, checkpoint, marker, fence."""
    acks = await bus.publish_all(packed(JobCreated(job=job), subjects.event("job", job.id)) for job in jobs)
    assert not [ack for ack in acks if isinstance(ack, BaseException)]
    checkpoint = CheckpointReached(until=until, events_seq=len(jobs), decisions_seq=0, generation=GENERATION)
    key = streams.bucket_subject(subjects.SCHEDULER_BUCKET, subjects.CHECKPOINT_KEY)
    await bus.publish(Outgoing(subject=key, body=orjson.dumps(checkpoint.body()), headers={}))
    await bus.publish(packed(JobsSeeded(generation=GENERATION), subjects.SEEDED))
    await raise_fence(bus, GENERATION)


async def stored(bus: Bus) -> list[Msg]:
    """All decisions that the stream holds, with the time at which it stored them."""
    found = []
    for subject in (subjects.ALL_TRIGGERS, subjects.ALL_DECISIONS):
        info = await bus.js.stream_info(subjects.TRIGGERS, subjects_filter=subject)
        count = sum((info.state.subjects or {}).values())
        reading = await bus.js.subscribe(subject, stream=subjects.TRIGGERS, ordered_consumer=True)
        found += [await reading.next_msg(timeout=PATIENCE_SECONDS) for _ in range(count)]
        await reading.unsubscribe()
    return found


def decided_by(message: Msg, schedules: dict[UUID, Schedule]) -> Iterator[Decided]:
    """The instants that a decision is about."""
    event = unpack(message.data, message.headers).event
    stored_at = message.metadata.timestamp.astimezone(UTC)
    match event:
        case RunTriggered(facts=facts) if facts.planned_at is not None:
            yield Decided(facts.job_id, facts.planned_at, stored_at)
        case InstantsMissed() | InstantsSkipped():
            first, last = event.from_, event.to
            covered = list(fires_between(schedules[event.job_id], first - INSTANT, last))
            assert len(covered) == event.count
            for instant in covered:
                yield Decided(event.job_id, instant, stored_at)
        case _:
            raise AssertionError(f"not to be expected here: {event}")
