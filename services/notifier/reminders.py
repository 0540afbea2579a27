"""Each Monday at nine: whose jobs end within thirty days? One notifier of several tells it; one that was down catches up.

A claim that ends by itself keeps the others away meanwhile. It saves work only: what is told has ids that follow from job and
Monday, so that telling it twice adds nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog

from services.notifier.posting import post
from services.notifier.replica import DirectoryReplica
from services.notifier.rules import Rules
from shared.bus import subjects
from shared.bus.connect import Bus, WrongLastSequence
from shared.bus.envelope import EXPECTED_LAST_SUBJECT_SEQUENCE, Outgoing, unpack
from shared.bus.fence import Fence
from shared.bus.pull import ConsumerGone
from shared.bus.reader import StreamMessage, StreamReader
from shared.bus.streams import SCHEDULER_STREAM, bucket_subject
from shared.clock import Clock
from shared.domain.job import Job
from shared.errors import Transient
from shared.events import AnyEvent, JobEvent, JobsSeeded, UnreadableEvent
from shared.observability import BUS_FAILURES

NINE = time(9)
DAYS_AHEAD = 30
LOOK = 20.0  # seconds
CLAIM_SECONDS = 60

_DONE = bucket_subject(subjects.SCHEDULER_BUCKET, subjects.REMINDERS_KEY)
_CLAIM = bucket_subject(subjects.SCHEDULER_BUCKET, subjects.REMINDERS_CLAIM_KEY)

logger = structlog.get_logger()


def newest_monday(now: datetime, zone: ZoneInfo) -> datetime:
    """The last time that it was nine o'clock on a Monday in that zone."""
    today = now.astimezone(zone).date()
    nine = datetime.combine(today - timedelta(days=today.weekday()), NINE, tzinfo=zone)
    return nine if nine <= now else datetime.combine(nine.date() - timedelta(days=7), NINE, tzinfo=zone)


def ending_jobs(jobs: Iterable[Job], monday: datetime, now: datetime) -> Iterator[tuple[Job, int]]:
    """The jobs to remind of, each with the days left to its last day by its own calendar.

    Active ones whose last day is today or within the next thirty days. Those made after that Monday have their first
    reminder next week, also when this one comes late.
    """
    for job in jobs:
        last_day = job.schedule.end_date
        if not job.is_active or last_day is None or job.created_at > monday:
            continue
        days_left = (last_day - now.astimezone(ZoneInfo(job.schedule.timezone)).date()).days
        if 0 <= days_left <= DAYS_AHEAD:
            yield job, days_left


class Reminders:
    """One notifier's part in them."""

    def __init__(
        self, bus: Bus, fence: Fence, replica: DirectoryReplica, rules: Rules, zone: ZoneInfo, clock: Clock
    ) -> None:
        self._bus = bus
        self._fence = fence
        self._replica = replica
        self._rules = rules
        self._zone = zone
        self._clock = clock

    async def run(self, generation: int) -> None:
        """Look whether reminders are due, for ever."""
        while True:
            try:
                await self.remind(generation)
            except Transient as error:
                logger.info("the reminders wait", action="reminders", reason=error.message)
            except (ConsumerGone, *BUS_FAILURES) as error:
                logger.warning("the reminders wait", action="reminders", error=repr(error))
            await asyncio.sleep(LOOK)

    async def remind(self, generation: int) -> bool:
        """Tell what is due unless it was told or somebody is at it; returns whether this call did it.

        Raises `Transient`, `ConsumerGone` or nats-py's errors when not all of it could be told: it is due still.
        """
        now = self._clock()
        monday = newest_monday(now, self._zone)
        if await self._is_done(monday.date()):
            return False
        directory = await self._replica.loaded()
        if not self._fence.holds(generation) or not await self._claim():
            return False
        count = 0
        async for jobs in self._jobs(generation):
            for job, days_left in ending_jobs(jobs, monday, now):
                told = self._rules.of_ending_job(job, days_left, directory, monday.date(), now)
                await post(self._bus, told)
                count += 1
        done = monday.date().isoformat()
        await self._bus.publish(Outgoing(subject=_DONE, body=done.encode(), headers={}))
        logger.info("reminded of jobs that end soon", action="reminders", monday=done, jobs=count)
        return True

    async def _is_done(self, monday: date) -> bool:
        last = await self._bus.last(SCHEDULER_STREAM, _DONE)
        if last is None or not last.data:
            return False
        return date.fromisoformat(last.data.decode()) >= monday

    async def _claim(self) -> bool:
        headers = {EXPECTED_LAST_SUBJECT_SEQUENCE: "0", "Nats-TTL": f"{CLAIM_SECONDS}s"}
        try:
            await self._bus.publish(Outgoing(subject=_CLAIM, body=b"1", headers=headers))
        except WrongLastSequence:
            return False
        return True

    async def _jobs(self, generation: int) -> AsyncIterator[list[Job]]:
        """All jobs, in batches; raises `Transient` at the end when the stream was not filled yet."""
        seeded = False
        async for batch in StreamReader(self._bus, subjects.JOBS).read_to_end():
            events = [event for message in batch if (event := _read(message)) is not None]
            yield [event.job for event in events if isinstance(event, JobEvent) and event.job is not None]
            seeded = seeded or any(
                isinstance(event, JobsSeeded) and event.generation == generation for event in events
            )
            await asyncio.sleep(0)
        if not seeded:
            raise Transient("the jobs of this generation are not all there yet")


def _read(message: StreamMessage) -> AnyEvent | None:
    try:
        return unpack(message.body, message.headers).event
    except UnreadableEvent:
        # Not why: that would quote addresses.
        logger.error("unreadable job", action="reminders", subject=message.subject)
        return None
