"""Two schedulers, and the leader dies or stands still just when something is due."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import nats
import orjson
import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from shared.bus.streams import SCHEDULER_STREAM, bucket_subject
from shared.bus.subjects import CHECKPOINT_KEY, LEASE_KEY, SCHEDULER_BUCKET
from tests.chaos.load import next_minute, sleep_until
from tests.fixtures.accounting import assert_accounted
from tests.fixtures.eventually import eventually
from tests.fixtures.jetcron import Jetcron, Json
from tests.fixtures.processes import is_alive
from tests.fixtures.receiver import Receiver

JOBS = 3
LEASE_SECONDS = 2
TAKEOVER_SECONDS = LEASE_SECONDS + 1.0
PATIENCE_SECONDS = 60.0
BEFORE_SECONDS = 1.0
"""How long before the full minute the leader is killed or stopped."""

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True)
class Scheduler:
    """One replica, by the name that it leads under."""

    name: str

    @property
    def pid(self) -> int:
        return int(self.name.split(":")[-2])


class Leadership:
    """Who leads, read from the bucket in which schedulers settle it."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    async def leader(self) -> Scheduler | None:
        """Who holds the lease and has made the checkpoint theirs; None while nobody does both."""
        lease, checkpoint = await self._value(LEASE_KEY), await self._value(CHECKPOINT_KEY)
        if lease is None or checkpoint is None or lease["holder"] != checkpoint["leader"]:
            return None
        return Scheduler(lease["holder"])

    async def other_than(self, before: Scheduler) -> Scheduler:
        """The leader, once it is another one."""

        async def another() -> Scheduler | None:
            leader = await self.leader()
            return leader if leader != before else None

        return await eventually(another, within=PATIENCE_SECONDS) or before

    async def _value(self, key: str) -> dict[str, Any] | None:
        try:
            message = await self._js.get_last_msg(SCHEDULER_STREAM, bucket_subject(SCHEDULER_BUCKET, key))
        except NotFoundError:
            return None
        # Without data it is the marker of a lease that has ended.
        value: dict[str, Any] | None = orjson.loads(message.data) if message.data else None
        return value


@asynccontextmanager
async def leadership(jetcron: Jetcron) -> AsyncIterator[Leadership]:
    client = await nats.connect(jetcron.nats_url)
    try:
        yield Leadership(client.jetstream())
    finally:
        await client.close()


async def test_no_instant_is_lost_or_doubled_when_the_leader_dies_or_stands_still(
    jetcron: Jetcron, receiver: Receiver
) -> None:
    jetcron.environment |= {"SCHEDULER_LEASE_SECONDS": str(LEASE_SECONDS)}
    await jetcron.start()
    other = jetcron.spawn_on_bus("scheduler")
    jobs = [await jetcron.create_job(f"{receiver.url}/{number}") for number in range(JOBS)]
    async with leadership(jetcron) as bucket:
        first = await eventually(bucket.leader, within=PATIENCE_SECONDS) or Scheduler("")
        assert first.pid == await jetcron.pid_of("scheduler")
        await eventually(lambda: jetcron.output.count("jobs loaded") >= 2, within=PATIENCE_SECONDS)

        minute = next_minute(BEFORE_SECONDS + 1)
        second = await the_leader_is_killed(bucket, first, minute)
        assert second.pid in (other.pid, await jetcron.pid_of("scheduler"))
        await each_is_called_once(receiver, jobs, minute)

        minute = next_minute(BEFORE_SECONDS + 5)
        await the_leader_stands_still(bucket, second, minute)
        await each_is_called_once(receiver, jobs, minute)

    account = await assert_accounted(jetcron, receiver, jobs, statuses=["success"])
    sys.stdout.write(f"{account}\n")
    assert Counter(len(row["attempts"]) for row in account.rows) == {1: len(account.rows)}
    other.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(other.wait, PATIENCE_SECONDS) == 0
    await jetcron.stop()


async def the_leader_is_killed(bucket: Leadership, leader: Scheduler, minute: datetime) -> Scheduler:
    """Just before the full minute; returns the next leader."""
    await sleep_until(minute - timedelta(seconds=BEFORE_SECONDS))
    os.kill(leader.pid, signal.SIGKILL)
    killed = time.monotonic()
    following = await bucket.other_than(leader)
    took = time.monotonic() - killed
    sys.stdout.write(f"the next one led {took:.2f} s after the kill\n")
    assert took < TAKEOVER_SECONDS
    return following


async def the_leader_stands_still(bucket: Leadership, leader: Scheduler, minute: datetime) -> None:
    """For three leases, across the full minute; then it goes on as if nothing had happened."""
    await sleep_until(minute - timedelta(seconds=BEFORE_SECONDS))
    os.kill(leader.pid, signal.SIGSTOP)
    try:
        stopped = time.monotonic()
        following = await bucket.other_than(leader)
        sys.stdout.write(f"the next one led {time.monotonic() - stopped:.2f} s after the stop\n")
        await asyncio.sleep(3 * LEASE_SECONDS - (time.monotonic() - stopped))
    finally:
        os.kill(leader.pid, signal.SIGCONT)
    await asyncio.sleep(LEASE_SECONDS)
    assert await eventually(bucket.leader, within=PATIENCE_SECONDS) == following
    assert is_alive(leader.pid)


async def each_is_called_once(receiver: Receiver, jobs: list[Json], minute: datetime) -> None:
    """Each job for this minute; then some more time passes for a second call to come."""

    def called() -> Counter[str]:
        wanted = [
            call
            for call in receiver.calls
            if datetime.fromisoformat(call.headers["jetcron-planned-at"]) == minute
        ]
        lateness = [(call.wall - minute).total_seconds() for call in wanted]
        sys.stdout.write(f"called late by {[round(one, 2) for one in lateness]} s\n" if lateness else "")
        return Counter(call.path for call in wanted)

    expected = Counter(f"/{number}" for number in range(len(jobs)))
    await eventually(lambda: called() == expected, within=PATIENCE_SECONDS)
    await asyncio.sleep(2 * LEASE_SECONDS)
    assert called() == expected
