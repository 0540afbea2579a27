"""Noticing that nobody decides: no scheduler leads, or the one that does stands still, or there is no bus.

Every gateway looks, with the bus or without it; the first one that writes it down tells.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, exists, select, update
from sqlalchemy.exc import IntegrityError

from services.gateway.alerts import record, tell_administrators
from services.gateway.store.database import Database
from services.gateway.store.event_store import EventStore
from services.gateway.store.tables import bus_state, jobs
from shared.bus.connect import Bus
from shared.clock import Clock
from shared.errors import Transient
from shared.events import SchedulerHeard, SchedulerSilent

LOOK = 10.0  # seconds
PATIENCE = timedelta(seconds=60)
"""A leader moves the checkpoint each second; a new one takes over within a few.

So long one must have kept up, too, before a silence is told to be over: who stumbles is not told of again and again.
"""

logger = structlog.get_logger()


class SilenceWatch:
    """Compares how far everything is decided with the clock."""

    def __init__(
        self,
        database: Database,
        event_store: EventStore,
        bus: Bus,
        clock: Clock,
        *,
        is_expected: bool,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._event_store = event_store
        self._bus = bus
        self._clock = clock
        self._is_expected = is_expected
        self._ticks = ticks
        self._seen: tuple[datetime, float] | None = None
        """What the checkpoint was, and since when this process has seen it there."""
        self._keeping_up: tuple[float, datetime] | None = None
        """Since when this process has seen decisions in time, and up to when the last time."""

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            try:
                await self.look()
            except (Transient, IntegrityError) as error:
                logger.warning("whether anybody decides is not known", action="silence", error=repr(error))
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Tell of a silence that began or ended; raises `Transient` when the database does not answer."""
        async with self._database.read() as connection:
            state = (await connection.execute(select(bus_state))).first()
            has_jobs = await connection.scalar(select(exists().where(jobs.c.is_active)))
        if state is None or state.generation == 0:
            return
        is_late = self._clock() - state.ledgered_until > PATIENCE
        if state.silent_since is not None:
            if self._keeps_up(state.silent_since, state.ledgered_until, is_late=is_late):
                await self._tell_of_end(state)
        elif is_late and self._stands_still(state.ledgered_until) and has_jobs and self._is_expected:
            await self._tell(state)

    def _stands_still(self, until: datetime) -> bool:
        """Whether this process saw no progress for long enough.

        Right after a start, or after the machine has slept, everything is late and about to be decided.
        """
        now = self._ticks()
        if self._seen is None or self._seen[0] != until:
            self._seen = (until, now)
        return now - self._seen[1] >= PATIENCE.total_seconds()

    def _keeps_up(self, silent_since: datetime, until: datetime, *, is_late: bool) -> bool:
        """Whether each look for long enough found more decided than the one before, and nothing late."""
        now = self._ticks()
        began, reached = self._keeping_up or (now, silent_since)
        self._keeping_up = (began, until) if until > reached and not is_late else None
        return self._keeping_up is not None and now - began >= PATIENCE.total_seconds()

    async def _tell(self, state: Row[Any]) -> None:
        now, is_reachable = self._clock(), self._bus.is_connected
        alert = SchedulerSilent(since=state.ledgered_until, at=now, bus_is_reachable=is_reachable)
        unchanged = (bus_state.c.silent_since.is_(None), bus_state.c.ledgered_until == alert.since)
        async with self._database.write() as connection:
            marked = await connection.execute(
                update(bus_state).where(*unchanged).values(silent_since=alert.since)
            )
            if marked.rowcount != 1 or not await record(self._event_store, connection, alert, now):
                return
            if not is_reachable:
                await tell_administrators(self._database, connection, alert)
        self._event_store.wake()
        logger.error(
            "nobody decides on planned runs",
            action="silence",
            since=alert.since.isoformat(),
            bus_is_reachable=is_reachable,
        )

    async def _tell_of_end(self, state: Row[Any]) -> None:
        now, self._keeping_up = self._clock(), None
        alert = SchedulerHeard(since=state.silent_since, at=now)
        async with self._database.write() as connection:
            unmarked = await connection.execute(
                update(bus_state).where(bus_state.c.silent_since == alert.since).values(silent_since=None)
            )
            if unmarked.rowcount != 1 or not await record(self._event_store, connection, alert, now):
                return
        self._event_store.wake()
        logger.info("planned runs are decided again", action="silence", since=alert.since.isoformat())
