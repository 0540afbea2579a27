"""A lease row in SQL: which gateway relays, keeps the ledger and seeds."""

import asyncio
import time
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.store.database import Database
from services.gateway.store.tables import leases
from shared.clock import Clock
from shared.errors import Transient

TTL = 6.0  # seconds
RENEW = 2.0  # seconds
MARGIN = 0.5  # seconds by which the holder stops before another one may start

logger = structlog.get_logger()


class SqlLease:
    """One candidate's side of the lease. Times are the database's, so that gateways need not agree on theirs."""

    def __init__(self, database: Database, name: str, holder: str, clock: Clock) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._clock = clock
        self._deadline = 0.0

    @property
    def is_held(self) -> bool:
        """Whether the lease is certainly still ours."""
        return time.monotonic() < self._deadline

    async def acquire(self) -> None:
        """Return once this candidate holds the lease; waits through outages of the database."""
        while not await self._take_quietly():
            await asyncio.sleep(RENEW / 2)

    async def keep(self) -> None:
        """Renew for as long as possible; returns when the lease is lost."""
        while True:
            await asyncio.sleep(RENEW)
            if not await self._take_quietly() and not self.is_held:
                return

    async def release(self) -> None:
        """Give the lease back, so that another gateway need not wait for its end."""
        if not self.is_held:
            return
        self._deadline = 0.0
        try:
            async with self._database.write() as connection:
                mine = (leases.c.name == self._name) & (leases.c.holder == self._holder)
                await connection.execute(leases.delete().where(mine))
        except Transient as error:
            logger.info("the lease ends by itself", action="sql_lease", error=error.message)

    async def _take_quietly(self) -> bool:
        asked = time.monotonic()
        try:
            async with self._database.write() as connection:
                taken = await self._take(connection)
        except Transient as error:
            logger.warning("the lease cannot be renewed", action="sql_lease", error=error.message)
            return False
        if taken:
            self._deadline = asked + TTL - MARGIN
        return taken

    async def _take(self, connection: AsyncConnection) -> bool:
        now = await self._now(connection)
        expires = now + timedelta(seconds=TTL)
        insert = self._database.upsert(leases).values(
            name=self._name, holder=self._holder, term=1, expires_at=expires
        )
        taken = await connection.execute(
            insert.on_conflict_do_update(
                index_elements=["name"],
                set_={"holder": self._holder, "term": leases.c.term + literal(1), "expires_at": expires},
                where=or_(leases.c.holder == self._holder, leases.c.expires_at < now),
            ).returning(leases.c.term)
        )
        return taken.first() is not None

    async def _now(self, connection: AsyncConnection) -> datetime:
        if self._database.is_sqlite:
            return self._clock()
        now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
        return now
