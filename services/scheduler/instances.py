"""This process's sign of life: who it is, whether it leads, what it knows. Nothing that goes wrong here reaches the leader."""

import asyncio
import os
import socket
from contextlib import suppress
from importlib.metadata import version
from uuid import uuid4

import structlog

from services.scheduler.replica import Replica
from shared.bus.connect import Bus
from shared.bus.instances import BEAT, Instance, NextJob, take_leave, tell
from shared.clock import Clock
from shared.errors import Transient

LEAVING_SECONDS = 1.0
"""How long a process that ends tries to say so; without that it is forgotten a little later."""

logger = structlog.get_logger()


class Presence:
    """Tells of this process every few seconds, and at once when it begins or ceases to lead."""

    def __init__(self, bus: Bus, name: str, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._replica: Replica | None = None
        self._news = asyncio.Event()
        now = clock()
        self._known = Instance(
            id=uuid4(),
            name=name,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            started_at=now,
            last_heartbeat=now,
            version=version("jetcron"),
        )

    def follows(self, replica: Replica | None) -> None:
        """It does not lead, or no longer; this is what it knows of the jobs."""
        self._replica = replica
        self._change(is_leader=False, leader_since=None, term=None)

    def leads(self, term: int) -> None:
        """It leads from now on."""
        self._change(is_leader=True, leader_since=self._clock(), term=term)

    async def keep_telling(self) -> None:
        """Write a beat every `BEAT` seconds, for ever; one that fails is made up for by the next."""
        while True:
            self._news.clear()
            try:
                await tell(self._bus, self._now())
            except Transient as error:
                logger.debug("a beat was not stored", action="instances", error=error.message)
            except Exception:  # unforeseen: the task group that this runs in would take the leader along
                logger.exception("a beat could not be told", action="instances")
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    await self._news.wait()

    async def leave(self) -> None:
        """Be forgotten at once, if the bus can be reached."""
        try:
            async with asyncio.timeout(LEAVING_SECONDS):
                await take_leave(self._bus, self._known.id)
        except (Transient, TimeoutError) as error:
            logger.debug("could not say goodbye", action="instances", error=repr(error))

    def _change(self, **fields: object) -> None:
        self._known = self._known.model_copy(update=fields)
        self._news.set()

    def _now(self) -> Instance:
        told: dict[str, object] = {"last_heartbeat": self._clock()}
        if self._replica is not None:
            checkpoint = self._replica.checkpoint
            told["jobs"] = len(self._replica.timetable)
            told["until"] = checkpoint.value.until if checkpoint is not None else None
            told["next_job"] = _next_job(self._replica)
        return self._known.model_copy(update=told)


def _next_job(replica: Replica) -> NextJob | None:
    planned = replica.timetable.next_planned()
    if planned is None:
        return None
    job, instant = planned
    return NextJob(id=job.id, name=job.name, at=instant)
