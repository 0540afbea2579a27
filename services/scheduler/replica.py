"""A scheduler's warm view of the jobs: loaded from the compacted stream, kept up to date from EVENTS.

Every replica has one, so that a new leader need not load anything.
"""

import asyncio

import structlog

from services.scheduler.checkpoint import StoredCheckpoint, read_checkpoint
from services.scheduler.timetable import Timetable
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import source_sequence, unpack
from shared.bus.pull import ConsumerGone
from shared.bus.reader import StreamMessage, StreamReader
from shared.errors import Transient
from shared.events import JobEvent, JobsSeeded, UnreadableEvent
from shared.observability import BUS_FAILURES

LOOK = 1.0  # seconds between looks at another leader's checkpoint
RETRY = 0.1  # seconds

logger = structlog.get_logger()


class Replica:
    """The timetable of one generation, and how far it follows EVENTS."""

    def __init__(self, bus: Bus, generation: int) -> None:
        self._bus = bus
        self._generation = generation
        self.timetable = Timetable()
        self.checkpoint: StoredCheckpoint | None = None
        """The newest checkpoint that this replica knows, its own when it leads."""
        self.leads = False
        self.changed = asyncio.Event()
        """Set when a change may have brought an earlier instant."""

    async def load(self) -> None:
        """Read all jobs; returns once the gateway has seeded the generation and everything is there."""
        while True:
            try:
                self.checkpoint = await read_checkpoint(self._bus)
                if self.checkpoint is not None and await self._load_jobs(self.checkpoint):
                    await self.catch_up()
                    logger.info("jobs loaded", action="load", jobs=len(self.timetable))
                    return
            except (Transient, ConsumerGone, *BUS_FAILURES) as error:
                logger.warning("the jobs cannot be read yet", action="load", error=repr(error))
            await asyncio.sleep(RETRY)

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
                self.adopt(found)

    async def catch_up(self) -> None:
        """Take in all changes that the stream holds now; raises nats-py's errors when it cannot be read."""
        async for batch in self._reader().read_to_end():
            for message in batch:
                self._take(message)

    def adopt(self, checkpoint: StoredCheckpoint) -> None:
        """Take over a checkpoint: what it covers is decided."""
        self.checkpoint = checkpoint
        self.timetable.skip_to(checkpoint.value.until, checkpoint.value.events_seq)

    def _reader(self) -> StreamReader:
        return StreamReader(
            self._bus, subjects.EVENTS, after=self.timetable.applied_seq, subjects=[subjects.JOB_EVENTS]
        )

    def _take(self, message: StreamMessage) -> None:
        event = _job_event(message)
        if event is not None and self.checkpoint is not None:
            value = self.checkpoint.value
            self.timetable.follow(event, message.sequence, covered_seq=value.events_seq, until=value.until)
            self.changed.set()

    async def _load_jobs(self, checkpoint: StoredCheckpoint) -> bool:
        timetable, value = Timetable(), checkpoint.value
        seeded, newest = False, 0
        async for batch in StreamReader(self._bus, subjects.JOBS).read_to_end():
            for message in batch:
                seeded = seeded or self._is_marker(message)
                event, place = _job_event(message), source_sequence(message.headers, message.sequence)
                newest = max(newest, place)
                if event is not None:
                    timetable.load(
                        event,
                        place,
                        covered_seq=value.events_seq,
                        until=value.until,
                    )
            await asyncio.sleep(0)
        # What the checkpoint does not cover is read again, change by change; so is what was not copied here yet.
        timetable.applied_seq = min(value.events_seq, newest)
        self.timetable = timetable
        return seeded

    def _is_marker(self, message: StreamMessage) -> bool:
        if message.subject != subjects.SEEDED:
            return False
        event = unpack(message.body, message.headers).event
        return isinstance(event, JobsSeeded) and event.generation == self._generation


def _job_event(message: StreamMessage) -> JobEvent | None:
    try:
        event = unpack(message.body, message.headers).event
    except UnreadableEvent as error:
        logger.error(
            "unreadable change of a job", action="follow", sequence=message.sequence, error=str(error)
        )
        return None
    return event if isinstance(event, JobEvent) else None
