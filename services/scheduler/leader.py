"""Leading: decide every planned instant whose time has come, publish the decisions, move the checkpoint.

A leader may publish only while its lease is certainly held and the fence holds its generation. Should it be paused at the
wrong moment all the same, its decisions carry the ids of its successor's, and its checkpoint is refused.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from nats.js.api import PubAck

from services.scheduler.checkpoint import Fenced, announce, read_checkpoint, write_checkpoint
from services.scheduler.decided import read_decided
from services.scheduler.decisions import ON_TIME, decide, message, planned_instant
from services.scheduler.replica import Replica
from services.scheduler.timetable import Due
from shared.bus.connect import CONCURRENT_PUBLISHES, Bus, Unpublished
from shared.bus.fence import Fence
from shared.bus.lease import Lease, LeaseLost, ServerTime
from shared.clock import Clock
from shared.errors import Transient
from shared.events import CheckpointReached, InstantsMissed, RunTriggered

MAX_CLOCK_ERROR = timedelta(seconds=2)
CHECKPOINT_EVERY = timedelta(seconds=1)
PART = 2_000
"""Decisions that are made at a time: the loop must not stand still for longer than the lease."""
RETRY = 0.1  # seconds, doubled up to MAX_RETRY
MAX_RETRY = 2.0  # seconds

logger = structlog.get_logger()


class ClockWrong(Exception):
    """This machine's clock and the server's are too far apart for this replica to lead."""


class Leader:
    """One term of leadership."""

    def __init__(
        self, bus: Bus, fence: Fence, lease: Lease, replica: Replica, generation: int, name: str, clock: Clock
    ) -> None:
        self._bus = bus
        self._fence = fence
        self._lease = lease
        self._replica = replica
        self._generation = generation
        self._name = name
        self._clock = clock
        self._server_time: ServerTime | None = None
        self._decided: dict[UUID, set[datetime]] = {}
        self._announced_at: datetime | None = None
        self._announced_seq = 0

    async def lead(self, server_time: ServerTime, poll_seconds: float) -> None:
        """Lead until the lease is lost (`LeaseLost`), another leader has written (`Fenced`) or the clock is wrong."""
        self._check_clock(server_time)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renew())
            tasks.create_task(self._take_over_and_tick(poll_seconds))

    async def _take_over_and_tick(self, poll_seconds: float) -> None:
        await self._take_over()
        await self._tick_for_ever(poll_seconds)

    async def _take_over(self) -> None:
        """Fence the old leader, then learn what it decided beyond its checkpoint."""
        found = await read_checkpoint(self._bus)
        if found is None or found.value.generation != self._generation:
            raise Fenced("there is no checkpoint of this generation")
        value = found.value
        catchup_until = value.catchup_until
        if catchup_until is None or catchup_until <= value.until:
            catchup_until = max(self._horizon(), value.until)
        taken = value.model_copy(update={"leader": self._name, "catchup_until": catchup_until})
        self._replica.adopt(await write_checkpoint(self._bus, taken, found.revision))
        await self._replica.catch_up()
        self._decided = await read_decided(self._bus, self._generation, after=value.decisions_seq)
        logger.info(
            "leading", action="lead", until=value.until.isoformat(), catchup_until=catchup_until.isoformat()
        )

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease.renew_interval)
            await self._lease.renew()
            try:
                self._check_clock(await self._lease.server_time())
            except Transient as error:
                logger.warning("the server's clock cannot be read", action="lease", error=error.message)

    def _check_clock(self, server_time: ServerTime) -> None:
        self._server_time = server_time
        if abs(server_time.offset) > MAX_CLOCK_ERROR.total_seconds():
            raise ClockWrong(f"the clocks are {server_time.offset:+.1f} s apart")

    def _horizon(self) -> datetime:
        """Up to when instants may be decided: now, and never far ahead of the server's time."""
        if self._server_time is None:
            raise ClockWrong("the server's time is not known")
        return min(self._clock(), self._server_time.latest(MAX_CLOCK_ERROR))

    async def _tick_for_ever(self, poll_seconds: float) -> None:
        while True:
            self._replica.changed.clear()
            await self.tick()
            next_instant = self._replica.timetable.next_instant()
            sleep = poll_seconds
            if next_instant is not None:
                sleep = min(sleep, max(0.0, (next_instant - self._clock()).total_seconds()))
            try:
                async with asyncio.timeout(sleep):
                    await self._replica.changed.wait()
            except TimeoutError:
                continue

    async def tick(self) -> None:
        """Decide what is due and move the checkpoint behind it."""
        checkpoint = self._checkpoint()
        horizon = self._horizon()
        if checkpoint.catchup_until is not None and checkpoint.until < checkpoint.catchup_until:
            horizon = checkpoint.catchup_until
        elif horizon <= checkpoint.until:
            # The clock went back: what is decided stays decided. Late changes are still looked at.
            horizon = checkpoint.until
        elif horizon - checkpoint.until > ON_TIME:
            # This leader stood still: fix up to when it catches up, so that a successor decides alike.
            await self._write(checkpoint.model_copy(update={"catchup_until": horizon}))
            checkpoint = self._checkpoint()
        events_seq = self._replica.timetable.applied_seq
        dues = self._replica.timetable.pop_due(horizon)
        await self._look_up_late(dues, checkpoint.until)
        highest = 0
        async for decisions in self._in_parts(decide(dues, horizon, self._clock(), self._generation)):
            highest = max(highest, await self._publish(decisions))
        if dues or self._announced_at is None or horizon - self._announced_at >= CHECKPOINT_EVERY:
            # What was announced before stands behind all decisions up to then.
            decisions_seq = max(highest, self._announced_seq, checkpoint.decisions_seq)
            await self._reach(checkpoint, horizon, max(events_seq, checkpoint.events_seq), decisions_seq)

    async def _look_up_late(self, dues: Sequence[Due], until: datetime) -> None:
        """A change that came late may plan instants that lie behind `until`: find out which of them are decided."""
        for job_id in {due.job.id for due in dues if due.first <= until}:
            decided = await read_decided(self._bus, self._generation, after=0, job_id=job_id)
            self._decided.setdefault(job_id, set()).update(decided.get(job_id, set()))

    async def _in_parts(
        self, decided_jobs: Iterable[list[RunTriggered | InstantsMissed]]
    ) -> AsyncIterator[list[RunTriggered | InstantsMissed]]:
        """What is not decided yet, in parts that can be published while the lease is renewed beside it."""
        part: list[RunTriggered | InstantsMissed] = []
        for decisions in decided_jobs:
            part += [decision for decision in decisions if not self._is_decided(decision)]
            if len(part) >= PART:
                yield part
                part = []
                await asyncio.sleep(0)
        if part:
            yield part

    def _is_decided(self, decision: RunTriggered | InstantsMissed) -> bool:
        return planned_instant(decision) in self._decided.get(_job_id(decision), ())

    async def _publish(self, decisions: Sequence[RunTriggered | InstantsMissed]) -> int:
        """Publish until every decision is acknowledged; returns the highest sequence (0 without decisions)."""
        highest, wait = 0, RETRY
        remaining = list(decisions)
        while remaining:
            failed: list[RunTriggered | InstantsMissed] = []
            for start in range(0, len(remaining), CONCURRENT_PUBLISHES):
                part = remaining[start : start + CONCURRENT_PUBLISHES]
                self._must_hold()
                acks = await self._bus.publish_all([message(decision) for decision in part])
                for decision, ack in zip(part, acks, strict=True):
                    if isinstance(ack, PubAck):
                        highest = max(highest, ack.seq)
                        self._note(decision)
                    elif isinstance(ack, Unpublished):
                        failed.append(decision)
                    else:
                        raise ack
            if failed:
                logger.warning("decisions are not stored yet", action="publish", count=len(failed))
                await asyncio.sleep(wait)
                wait = min(wait * 2, MAX_RETRY)
            remaining = failed
        return highest

    async def _reach(
        self, checkpoint: CheckpointReached, until: datetime, events_seq: int, decisions_seq: int
    ) -> None:
        catching_up = checkpoint.catchup_until is not None and until < checkpoint.catchup_until
        reached = checkpoint.model_copy(
            update={
                "until": until,
                "events_seq": events_seq,
                "decisions_seq": decisions_seq,
                "catchup_until": checkpoint.catchup_until if catching_up else None,
            }
        )
        await self._write(reached)
        self._announced_seq = max(self._announced_seq, await self._announce(reached))
        self._announced_at = until
        self._forget_decided(until)

    async def _write(self, value: CheckpointReached) -> None:
        wait = RETRY
        while True:
            self._must_hold()
            known = self._replica.checkpoint
            if known is None:
                raise Fenced("there is no checkpoint")
            try:
                self._replica.checkpoint = await write_checkpoint(self._bus, value, known.revision)
                return
            except Transient as error:
                logger.warning("the checkpoint is not stored yet", action="checkpoint", error=error.message)
                await asyncio.sleep(wait)
                wait = min(wait * 2, MAX_RETRY)

    async def _announce(self, value: CheckpointReached) -> int:
        try:
            return await announce(self._bus, value, self._clock)
        except Unpublished as error:
            # The next one says the same and more.
            logger.warning("the checkpoint was not announced", action="checkpoint", error=error.message)
            return 0

    def _must_hold(self) -> None:
        if not self._lease.is_held:
            raise LeaseLost("the lease ran out")
        if not self._fence.holds(self._generation):
            raise LeaseLost("the fence does not hold this generation")

    def _checkpoint(self) -> CheckpointReached:
        if self._replica.checkpoint is None:
            raise Fenced("there is no checkpoint")
        return self._replica.checkpoint.value

    def _note(self, decision: RunTriggered | InstantsMissed) -> None:
        self._decided.setdefault(_job_id(decision), set()).add(planned_instant(decision))

    def _forget_decided(self, until: datetime) -> None:
        # What lies behind the checkpoint comes up again only for changes that came late, and they look it up.
        self._decided = {
            job_id: later
            for job_id, instants in self._decided.items()
            if (later := {instant for instant in instants if instant > until})
        }


def _job_id(decision: RunTriggered | InstantsMissed) -> UUID:
    return decision.facts.job_id if isinstance(decision, RunTriggered) else decision.job_id
