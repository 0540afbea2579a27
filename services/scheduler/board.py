"""The board: what is decided, what waits, what runs. Every replica keeps it up to date from TRIGGERS and EXECUTIONS.

It needs no more of TRIGGERS than what stands behind the place up to which the queues have acknowledged everything (an executor
acknowledges when the result is stored, so those runs have ended), and behind the checkpoint's `decisions_seq`, which stays
before the oldest decision that waits.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from services.scheduler.decided import Decided
from services.scheduler.decision_log import Entry, Meaning, entries
from services.scheduler.open_runs import OpenRuns, ended
from services.scheduler.waiting import WaitingRuns
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.reader import StreamMessage, StreamReader
from shared.bus.streams import durables

CLOCKS_APART = timedelta(seconds=10)
"""By which two streams' servers may name the same moment differently."""
_WANTED = [subjects.ALL_TRIGGERS, subjects.ALL_DECISIONS]

logger = structlog.get_logger()


class Board:
    """The decisions of one generation and what came of them."""

    def __init__(self, bus: Bus, generation: int, changed: asyncio.Event) -> None:
        self._bus = bus
        self._generation = generation
        self._changed = changed
        self.decided = Decided()
        """Instants behind the checkpoint; what it covers is forgotten."""
        self.waiting = WaitingRuns()
        self.open_runs = OpenRuns()
        self.until: datetime | None = None
        """The checkpoint's; set by whoever follows it."""
        self.leads = False
        """Whether this replica decides: it notes what it decides, and does not read it back."""
        self._woken: set[UUID] = set()
        self._triggers_seq = 0
        self._reports_seq = 0
        self._ended_seq = 0
        """Up to here all runs have ended."""

    async def load(self, decisions_seq: int) -> None:
        """Read what a new leader needs; raises nats-py's errors, `Transient` or `ConsumerGone` when it cannot be read."""
        reports = await self._bus.js.stream_info(subjects.EXECUTIONS)
        self._ended_seq, oldest = await self._oldest_open()
        self._triggers_seq = min(self._ended_seq, decisions_seq)
        await self._catch_up_decisions()
        if oldest is None:
            self._reports_seq = reports.state.last_seq
        else:
            reader = StreamReader(self._bus, subjects.EXECUTIONS, since=oldest - CLOCKS_APART)
            async for batch in reader.read_to_end():
                self.take_reports(batch)
            self._reports_seq = max(self._reports_seq, reports.state.last_seq)

    async def catch_up(self) -> None:
        """Take in all that the streams hold now; raises as `load` does."""
        if not self.leads:
            await self._catch_up_decisions()
        async for batch in self._reports().read_to_end():
            self.take_reports(batch)

    async def follow_decisions(self) -> None:
        """Take in decisions as they come, for ever."""
        async for batch in self._decisions().batches():
            self.take_decisions(batch)

    async def follow_reports(self) -> None:
        """Take in reports as they come, for ever."""
        async for batch in self._reports().batches():
            self.take_reports(batch)

    def take_decisions(self, batch: Sequence[StreamMessage]) -> None:
        """Messages of TRIGGERS; those that were taken in before change nothing."""
        new = [message for message in batch if message.sequence > self._triggers_seq]
        if new:
            self._triggers_seq = new[-1].sequence
        for entry in entries(new, self._generation):
            self._apply(entry)

    def take_reports(self, batch: Sequence[StreamMessage]) -> None:
        """Messages of EXECUTIONS; those that were taken in before change nothing."""
        for message in batch:
            if message.sequence <= self._reports_seq:
                continue
            self._reports_seq = message.sequence
            try:
                end = ended(message)
            except ValueError as error:
                logger.error(
                    "unreadable report", action="follow", sequence=message.sequence, error=str(error)
                )
                continue
            if end is not None:
                self.end(*end)

    def note(self, entry: Entry) -> None:
        """A decision that the leader has stored. Nobody else decides, so it reads none back."""
        self._apply(entry)
        if self.waiting.waits_in_turn(entry.job_id):
            # What it waits for may have ended while the decision was on its way.
            self.wake(entry.job_id)

    async def note_stored(self, sequence: int) -> bool:
        """Note what stands at a place of TRIGGERS, stored under an id that the leader used too; raises `Transient`.

        Returns whether it is a decision of this generation, or gone: what another generation decided, nobody runs.
        """
        found = await self._bus.next(subjects.TRIGGERS, ">", sequence)
        if found is None or found.seq != sequence:
            return True
        message = StreamMessage(sequence, found.subject or "", found.data or b"", found.headers, 0)
        found_entries = list(entries([message], self._generation))
        for entry in found_entries:
            self.note(entry)
        return bool(found_entries)

    def end(self, job_id: UUID, execution_id: UUID) -> None:
        """A planned run has ended; a run of its job that waits for it may go on."""
        if not self.open_runs.end(job_id, execution_id):
            self.open_runs.end_early(execution_id)
        elif self.waiting.waits_in_turn(job_id):
            self.wake(job_id)

    async def end_acknowledged(self) -> None:
        """End the runs whose triggers are acknowledged: if no end of them was seen, none will be. Raises as `load` does."""
        self._ended_seq, _ = await self._oldest_open()
        for job_id, execution_id in self.open_runs.ordered_up_to(self._ended_seq):
            self.end(job_id, execution_id)

    def wake(self, job_id: UUID) -> None:
        """Something that a waiting run of the job may have waited for has happened."""
        self._woken.add(job_id)
        self._changed.set()

    def take_woken(self) -> set[UUID]:
        """The jobs whose waiting runs must be looked at; each is named once."""
        woken, self._woken = self._woken, set()
        return woken

    def reach(self, until: datetime) -> None:
        """A checkpoint covers everything up to `until`."""
        self.until = until
        self.decided.forget(until)

    def _apply(self, entry: Entry) -> None:
        """Take in a decision. Of several on one instant the first one counts; only an instant that waits is decided again."""
        before = self.decided.of(entry.job_id)
        is_first = before is None or entry.version is None or not before.covers(entry.first, entry.version)
        if self.until is None or entry.last > self.until:
            self.decided.add(entry)
        if entry.meaning is Meaning.WAITS:
            if is_first:
                self.waiting.add(entry)
            return
        if entry.meaning is Meaning.SETTLED:
            return
        self.waiting.remove(entry.execution_id)
        if entry.meaning is Meaning.RUNS and entry.sequence > self._ended_seq:
            self.open_runs.begin(entry)

    async def _catch_up_decisions(self) -> None:
        async for batch in self._decisions().read_to_end():
            self.take_decisions(batch)

    async def _oldest_open(self) -> tuple[int, datetime | None]:
        """Up to where all runs have ended, and when the oldest trigger behind it was stored, if there is one."""
        end = (await self._bus.js.stream_info(subjects.TRIGGERS)).state.last_seq
        oldest = None
        for durable in durables():
            if durable.stream != subjects.TRIGGERS:
                continue
            consumer = await self._bus.js.consumer_info(durable.stream, durable.config.durable_name or "")
            floor = (consumer.ack_floor.stream_seq if consumer.ack_floor else 0) or 0
            subject = durable.config.filter_subject or subjects.ALL_TRIGGERS
            message = await self._bus.next(subjects.TRIGGERS, subject, floor + 1)
            if message is None or message.seq is None or message.time is None:
                continue
            end = min(end, message.seq - 1)
            oldest = message.time if oldest is None else min(oldest, message.time)
        return end, oldest

    def _decisions(self) -> StreamReader:
        return StreamReader(self._bus, subjects.TRIGGERS, after=self._triggers_seq, subjects=_WANTED)

    def _reports(self) -> StreamReader:
        return StreamReader(self._bus, subjects.EXECUTIONS, after=self._reports_seq)
