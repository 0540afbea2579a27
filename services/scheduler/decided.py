"""Reading what was decided: a new leader looks before it decides."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

import structlog

from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import unpack
from shared.bus.reader import StreamReader
from shared.events import InstantSettled, InstantsMissed, RunTriggered, UnreadableEvent

logger = structlog.get_logger()


async def read_decided(
    bus: Bus, generation: int, *, after: int, job_id: UUID | None = None
) -> dict[UUID, set[datetime]]:
    """The instants that decisions behind `after` are about, by job; of one job only where one is named.

    A decision of an older generation, stored late by a leader that stood still, does not count: nobody runs it.

    Raises nats-py's errors or `ConsumerGone` when the stream cannot be read to its end.
    """
    wanted = (
        [subjects.trigger("*", job_id), subjects.decision(job_id)]
        if job_id is not None
        else [subjects.ALL_TRIGGERS, subjects.ALL_DECISIONS]
    )
    decided: dict[UUID, set[datetime]] = defaultdict(set)
    async for batch in StreamReader(bus, subjects.TRIGGERS, after=after, subjects=wanted).read_to_end():
        for message in batch:
            try:
                event = unpack(message.body, message.headers).event
            except UnreadableEvent as error:
                logger.error(
                    "unreadable decision", action="lead", sequence=message.sequence, error=str(error)
                )
                continue
            if getattr(event, "generation", generation) != generation:
                continue
            if isinstance(event, RunTriggered) and event.facts.planned_at is not None:
                decided[event.facts.job_id].add(event.facts.planned_at)
            elif isinstance(event, InstantsMissed):
                decided[event.job_id].add(event.from_)
            elif isinstance(event, InstantSettled):
                decided[event.job_id].add(event.planned_at)
    return decided
