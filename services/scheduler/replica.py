"""A scheduler's warm view: the jobs, loaded from the compacted stream and kept up to date from EVENTS, and the board.

Every replica has one, so that a new leader need not load anything.
"""

import asyncio
from datetime import timedelta

import orjson
import structlog

from services.scheduler.board import Board
from services.scheduler.checkpoint import StoredCheckpoint, read_checkpoint
from services.scheduler.known_jobs import Change, read_change
from services.scheduler.open_runs import is_end
from services.scheduler.timetable import Timetable
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import source_sequence, unpack
from shared.bus.pull import ConsumerGone
from shared.bus.reader import StreamMessage, StreamReader
from shared.clock import Clock, utc_now
from shared.errors import Transient
from shared.events import JobsSeeded, UnreadableEvent
from shared.observability import BUS_FAILURES

LOOK = 1.0  # seconds between looks at another leader's checkpoint
RETRY = 0.1  # seconds
AT_A_TIME = 500
"""Jobs that are passed over before others get their turn."""
ASK_AGAIN = 60.0  # seconds
SUSPICIOUS = timedelta(minutes=2)
ASKED_AT_A_TIME = 100

logger = structlog.get_logger()


class Replica:
    """The timetable and the board of one generation, and how far they follow the streams."""

    def __init__(self, bus: Bus, generation: int, clock: Clock = utc_now) -> None:
        self._bus = bus
        self._generation = generation
        self._clock = clock
        self.timetable = Timetable()
        self.checkpoint: StoredCheckpoint | None = None
        """The newest checkpoint that this replica knows, its own when it leads."""
        self.leads = False
        self.changed = asyncio.Event()
        """Set when there may be something to do earlier than it seemed."""
        self.board = Board(bus, generation, self.changed)
        self._adopting = asyncio.Lock()
        self._following_decisions: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Read all jobs and what runs; returns once the gateway has seeded the generation and everything is there."""
        while True:
            try:
                self.checkpoint = await read_checkpoint(self._bus)
                if self.checkpoint is not None and await self._load_jobs(self.checkpoint):
                    await self._load_board(self.checkpoint)
                    await self.catch_up()
                    logger.info("jobs loaded", action="load", jobs=len(self.timetable))
                    return
            except (Transient, ConsumerGone, *BUS_FAILURES) as error:
                logger.warning("the jobs cannot be read yet", action="load", error=repr(error))
            await asyncio.sleep(RETRY)

    async def follow(self) -> None:
        """Take in everything as it comes, for ever. Raises when one part fails: a view that is not kept up is none."""
        async with asyncio.TaskGroup() as tasks:
            if not self.board.leads:
                self._following_decisions = tasks.create_task(self.board.follow_decisions())
            tasks.create_task(self.follow_jobs())
            tasks.create_task(self.follow_checkpoint())
            tasks.create_task(self.board.follow_reports())
            tasks.create_task(self._ask_again())

    async def lead(self) -> None:
        """From now on nobody else decides: learn what was decided until now, and what has ended.

        Raises nats-py's errors when the streams cannot be read.
        """
        self.leads = True
        if self._following_decisions is not None:
            self._following_decisions.cancel()
            await asyncio.wait([self._following_decisions])
        await self.catch_up()
        self.board.leads = True

    async def follow_jobs(self) -> None:
        """Take in changes as they come, for ever."""
        reader = self._reader()
        async for batch in reader.batches():
            for message in batch:
                self._take(message)

    async def follow_checkpoint(self) -> None:
        """While another one leads: pass over what it has decided, for ever."""
        while True:
            await asyncio.sleep(LOOK)
            if self.leads:
                continue
            try:
                found = await read_checkpoint(self._bus)
            except Transient as error:
                logger.debug("the checkpoint cannot be read", action="follow", error=error.message)
                continue
            if found is not None and not self.leads:
                await self.adopt(found)

    async def catch_up(self) -> None:
        """Take in all that the streams hold now; raises nats-py's errors when they cannot be read."""
        async for batch in self._reader().read_to_end():
            for message in batch:
                self._take(message)
        await self.board.catch_up()

    async def adopt(self, checkpoint: StoredCheckpoint) -> None:
        """Take over a checkpoint: what it covers is decided."""
        async with self._adopting:
            known = self.checkpoint
            if known is not None and known.revision > checkpoint.revision:
                return
            self.checkpoint = checkpoint
            value = checkpoint.value
            self.board.reach(value.until)
            for passed, _ in enumerate(self.timetable.skipping(value.until, value.events_seq)):
                if passed % AT_A_TIME == 0:
                    await asyncio.sleep(0)

    async def ask_about_open_runs(self) -> None:
        """Ask the stream how runs stand that seem to be open for long: an end that was not seen blocks its job for ever."""
        await self.board.end_acknowledged()
        suspects = self.board.open_runs.planned_before(self._clock() - SUSPICIOUS)
        for job_id, execution_id in suspects[:ASKED_AT_A_TIME]:
            self.board.open_runs.touch(job_id, execution_id)
            last = await self._bus.last(subjects.EXECUTIONS, subjects.execution(job_id, execution_id))
            if last is not None and last.data and is_end(orjson.loads(last.data)):
                logger.warning("the end of a run was not seen", action="follow", execution=str(execution_id))
                self.board.end(job_id, execution_id)

    async def _ask_again(self) -> None:
        while True:
            await asyncio.sleep(ASK_AGAIN)
            try:
                await self.ask_about_open_runs()
            except (Transient, *BUS_FAILURES, KeyError, ValueError) as error:
                logger.warning("open runs cannot be asked about", action="follow", error=repr(error))

    def _reader(self) -> StreamReader:
        return StreamReader(
            self._bus, subjects.EVENTS, after=self.timetable.applied_seq, subjects=[subjects.JOB_EVENTS]
        )

    def _take(self, message: StreamMessage) -> None:
        change = _change(message)
        if change is not None and self.checkpoint is not None:
            value = self.checkpoint.value
            self.timetable.follow(change, message.sequence, covered_seq=value.events_seq, until=value.until)
            if self.board.waiting.waits_in_turn(change.job_id):
                self.board.wake(change.job_id)
            self.changed.set()

    async def _load_jobs(self, checkpoint: StoredCheckpoint) -> bool:
        timetable, value = Timetable(), checkpoint.value
        seeded, newest = False, 0
        async for batch in StreamReader(self._bus, subjects.JOBS).read_to_end():
            for message in batch:
                seeded = seeded or self._is_marker(message)
                change, place = _change(message), source_sequence(message.headers, message.sequence)
                newest = max(newest, place)
                if change is not None:
                    timetable.load(change, place, covered_seq=value.events_seq, until=value.until)
            await asyncio.sleep(0)
        # What the checkpoint does not cover is read again, change by change; so is what was not copied here yet.
        timetable.applied_seq = min(value.events_seq, newest)
        self.timetable = timetable
        return seeded

    async def _load_board(self, checkpoint: StoredCheckpoint) -> None:
        board = Board(self._bus, self._generation, self.changed)
        board.reach(checkpoint.value.until)
        await board.load(checkpoint.value.decisions_seq)
        self.board = board

    def _is_marker(self, message: StreamMessage) -> bool:
        if message.subject != subjects.SEEDED:
            return False
        event = unpack(message.body, message.headers).event
        return isinstance(event, JobsSeeded) and event.generation == self._generation


def _change(message: StreamMessage) -> Change | None:
    try:
        return read_change(message.body, message.headers)
    except UnreadableEvent as error:
        logger.error(
            "unreadable change of a job", action="follow", sequence=message.sequence, error=str(error)
        )
        return None
