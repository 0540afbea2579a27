"""Ranges of decisions, and the versions of a job that are due. A range stands for what one version planned: a change that
came late puts another version in force within it, which may plan more.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.scheduler.decided import Decided, DecidedOfJob, Stretch, moment
from services.scheduler.known_jobs import KnownJob, read_change
from services.scheduler.timetable import Due
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.reader import StreamReader
from shared.domain.schedule import fires_between
from shared.events import UnreadableEvent

AT_A_TIME = 1_000
"""Instants that are made before others get their turn."""
_INSTANT = timedelta(microseconds=1)


async def spell_out_ranges(bus: Bus, decided: Decided, dues: Mapping[UUID, Sequence[Due]]) -> None:
    """Replace the ranges of other versions than those that are due by the instants that they stand for.

    Raises nats-py's errors or `ConsumerGone` when a job's versions cannot be read.
    """
    for job_id, of_job in dues.items():
        of_this = decided.of(job_id)
        if of_this is None:
            continue
        ranges: set[Stretch] = set()
        for due in of_job:
            ranges |= of_this.ranges_of_others(due.job.version, due.first, due.until)
        if ranges:
            await _spell_out(bus, job_id, of_this, ranges, {due.job.version: due.job for due in of_job})


async def _spell_out(
    bus: Bus, job_id: UUID, decided: DecidedOfJob, ranges: set[Stretch], known: dict[int, KnownJob]
) -> None:
    if not {one.version for one in ranges} <= known.keys():
        known = await _versions(bus, job_id) | known
    for one in ranges:
        job = known.get(one.version) if one.version is not None else None
        decided.spell_out(one, await _instants(job, one) if job is not None else None)


async def _versions(bus: Bus, job_id: UUID) -> dict[int, KnownJob]:
    """All that the stream says of a job, by version; what a change replaced may be older than the stream."""
    found: dict[int, KnownJob] = {}
    reader = StreamReader(bus, subjects.EVENTS, subjects=[subjects.event("job", job_id)])
    async for batch in reader.read_to_end():
        for message in batch:
            try:
                change = read_change(message.body, message.headers)
            except UnreadableEvent:
                continue
            for job in (change.before, change.job) if change is not None else ():
                if job is not None:
                    found[job.version] = job
    return found


async def _instants(job: KnownJob, stretch: Stretch) -> list[datetime]:
    instants: list[datetime] = []
    for instant in fires_between(job.schedule, moment(stretch.begin) - _INSTANT, moment(stretch.end)):
        instants.append(instant)
        if len(instants) % AT_A_TIME == 0:
            await asyncio.sleep(0)
    return instants
