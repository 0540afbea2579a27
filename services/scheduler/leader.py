"""Leading: decide every planned instant whose time has come, publish the decisions, move the checkpoint.

There are two sources of work, planned instants and runs that wait, and one clock for both. A leader may publish only while its
lease is certainly held and the fence holds its generation. Should it be paused at the wrong moment all the same, its
decisions carry the ids of its successor's, and its checkpoint is refused.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from services.scheduler.decided import read_decided
from services.scheduler.decisions import decide
from services.scheduler.messages import Published
from services.scheduler.misfires import ON_TIME
from services.scheduler.other_versions import spell_out_ranges
from services.scheduler.outcomes import Decision, Join
from services.scheduler.progress import Progress
from services.scheduler.publishing import Publisher, Right
from services.scheduler.replica import Replica
from services.scheduler.timetable import Due
from services.scheduler.turns import Standing
from shared.bus.connect import Bus
from shared.bus.fence import Fence
from shared.bus.lease import Lease, ServerTime
from shared.clock import Clock
from shared.errors import Transient

MAX_CLOCK_ERROR = timedelta(seconds=2)
PART = 2_000
"""Jobs that are taken out at a time, and decisions that are published at a time."""
LONGEST_STEP = 0.05  # seconds that deciding may keep all else waiting, the lease above all

logger = structlog.get_logger()


class ClockWrong(Exception):
    """This machine's clock and the server's are too far apart for this replica to lead."""


class Leader:
    """One term of leadership."""

    def __init__(
        self, bus: Bus, fence: Fence, lease: Lease, replica: Replica, generation: int, name: str, clock: Clock
    ) -> None:
        self._bus = bus
        self._lease = lease
        self._replica = replica
        self._generation = generation
        self._name = name
        self._clock = clock
        self._server_time: ServerTime | None = None
        right = Right(lease, fence, generation)
        self._progress = Progress(bus, right, replica, clock)
        self._publisher = Publisher(bus, right, replica, clock)

    async def lead(self, server_time: ServerTime, poll_seconds: float) -> None:
        """Lead until the lease is lost (`LeaseLost`), another leader has written (`Fenced`) or the clock is wrong."""
        self.check_clock(server_time)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renew())
            tasks.create_task(self._take_over_and_tick(poll_seconds))

    async def take_over(self) -> None:
        """Fence the old leader, then learn what it decided beyond its checkpoint and what has ended since."""
        taken = await self._progress.take_over(self._name, self._horizon())
        await self._replica.lead()
        for job_id in self._replica.board.waiting.jobs_in_turn():
            self._replica.board.wake(job_id)
        logger.info(
            "leading",
            action="lead",
            until=taken.until.isoformat(),
            catchup_until=taken.catchup_until.isoformat() if taken.catchup_until is not None else None,
        )

    async def tick(self) -> None:
        """Decide what is due and what need not wait any longer, and move the checkpoint behind it."""
        checkpoint = self._progress.checkpoint
        horizon = self._horizon()
        if checkpoint.catchup_until is not None and checkpoint.until < checkpoint.catchup_until:
            horizon = checkpoint.catchup_until
        elif horizon <= checkpoint.until:
            # The clock went back: what is decided stays decided. Late changes are still looked at.
            horizon = checkpoint.until
        elif horizon - checkpoint.until > ON_TIME:
            await self._progress.fix_catch_up(horizon)
        events_seq = self._replica.timetable.applied_seq
        highest, any_due = 0, False
        async for dues in self._work(horizon):
            any_due = any_due or any(dues.values())
            await self._look_up(dues, checkpoint.until)
            async for decisions in self._in_parts(dues, horizon):
                highest = max(highest, await self._publisher.publish(decisions))
        if any_due or self._progress.is_announcement_due(horizon):
            await self._progress.reach(horizon, events_seq, highest)

    def check_clock(self, server_time: ServerTime) -> None:
        """Take in what time it is at the server; raises `ClockWrong` when this machine's clock is too far from it."""
        self._server_time = server_time
        if abs(server_time.offset) > MAX_CLOCK_ERROR.total_seconds():
            raise ClockWrong(f"the clocks are {server_time.offset:+.1f} s apart")

    def next_wake(self) -> datetime | None:
        """When there is something to do next, unless something changes."""
        moments = (self._replica.timetable.next_instant(), self._replica.board.waiting.next_slot())
        return min((moment for moment in moments if moment is not None), default=None)

    async def _take_over_and_tick(self, poll_seconds: float) -> None:
        await self.take_over()
        while True:
            self._replica.changed.clear()
            await self.tick()
            sleep, wake = poll_seconds, self.next_wake()
            if wake is not None:
                sleep = min(sleep, max(0.0, (wake - self._clock()).total_seconds()))
            try:
                async with asyncio.timeout(sleep):
                    await self._replica.changed.wait()
            except TimeoutError:
                continue

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease.renew_interval)
            await self._lease.renew()
            try:
                self.check_clock(await self._lease.server_time())
            except Transient as error:
                logger.warning("the server's clock cannot be read", action="lease", error=error.message)

    def _horizon(self) -> datetime:
        """Up to when instants may be decided: now, and never far ahead of the server's time."""
        if self._server_time is None:
            raise ClockWrong("the server's time is not known")
        return min(self._clock(), self._server_time.latest(MAX_CLOCK_ERROR))

    async def _work(self, horizon: datetime) -> AsyncIterator[Mapping[UUID, Sequence[Due]]]:
        """The jobs to look at, some at a time: what of theirs is due, if anything is.

        What wakes meanwhile has its turn at the next tick: this one comes to an end.
        """
        timetable, board = self._replica.timetable, self._replica.board
        waiting = board.take_woken()
        while True:
            waiting |= board.waiting.pop_slots(horizon, PART)
            dues: dict[UUID, Sequence[Due]] = dict.fromkeys(waiting, ())
            dues.update(timetable.pop_due(horizon, PART))
            if not dues:
                return
            yield dues
            await asyncio.sleep(0)
            waiting = set()

    async def _look_up(self, dues: Mapping[UUID, Sequence[Due]], until: datetime) -> None:
        """A change that came late may plan instants that lie behind `until`: find out which of them are decided."""
        decided = self._replica.board.decided
        late = [job_id for job_id, of_job in dues.items() if any(due.first <= until for due in of_job)]
        if late:
            decided.add_all(await read_decided(self._bus, self._generation, late))
        await spell_out_ranges(self._bus, decided, dues)

    async def _in_parts(
        self, dues: Mapping[UUID, Sequence[Due]], horizon: datetime
    ) -> AsyncIterator[list[Published]]:
        """Decide job by job, in parts that can be published while the lease is renewed beside it."""
        part: list[Published] = []
        began = time.monotonic()
        for job_id, of_job in dues.items():
            part += self._decide(job_id, of_job, horizon)
            if len(part) >= PART:
                yield part
                part = []
                began = time.monotonic()
            elif time.monotonic() - began > LONGEST_STEP:
                await asyncio.sleep(0)
                began = time.monotonic()
        if part:
            yield part

    def _decide(self, job_id: UUID, dues: Sequence[Due], horizon: datetime) -> list[Published]:
        try:
            return _published(decide(dues, self._standing(job_id, horizon), horizon))
        except Exception:  # unforeseen: one job must not keep all others from running
            # The checkpoint passes its instants: the auditor finds that they have no row, and tells.
            logger.exception("a job cannot be decided on", action="decide", job=str(job_id))
            return []

    def _standing(self, job_id: UUID, horizon: datetime) -> Standing:
        board = self._replica.board
        return Standing(
            newest=self._replica.timetable.newest(job_id),
            open=board.open_runs.of(job_id),
            waiting=board.waiting.ready(job_id, horizon),
            decided=board.decided.of(job_id),
            covered_until=self._progress.checkpoint.until,
        )


def _published(decisions: Iterable[Decision]) -> list[Published]:
    published: list[Published] = []
    for decision in decisions:
        if isinstance(decision, Join):
            decision.waiting.in_turn = True
        else:
            published.append(decision)
    return published
