"""What exactly one gateway does: look after the store, relay, keep the ledger, project the reports, audit and sweep.

It runs for as long as this gateway holds the lease row and the bus connection stays the same; after any break it looks at
the store again before anything else.
"""

import asyncio
import time
from functools import partial

import structlog

from services.gateway.auditor import Auditor
from services.gateway.background import keep_running
from services.gateway.bus_state import BusState, PositionMoved, find_damage, load_bus_state
from services.gateway.folding import Fold, absorb_to_end, follow
from services.gateway.housekeeping import Housekeeping
from services.gateway.relay import Relay
from services.gateway.seeding import Seeder
from services.gateway.settings import GatewaySettings
from services.gateway.sql_lease import SqlLease
from services.gateway.store.database import Database
from services.gateway.sweeper import Sweeper
from shared.bus import streams
from shared.bus.connect import Bus
from shared.bus.fence import read_generation
from shared.clock import Clock
from shared.errors import Transient
from shared.observability import BUS_FAILURES

STORE_CHECK = 5.0  # seconds between looks at the store of an unbroken connection
LEASE_LOOK = 0.1  # seconds
MAX_BACKOFF = 5.0  # seconds

logger = structlog.get_logger()


class StoreChanged(Exception):
    """The store is not the one that was looked at: stop, and look again."""


class Steward:
    """The tasks of the one gateway that looks after the bus."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        lease: SqlLease,
        relay: Relay,
        seeder: Seeder,
        housekeeping: Housekeeping,
        auditor: Auditor,
        sweeper: Sweeper,
        folds: list[Fold],
        settings: GatewaySettings,
        clock: Clock,
    ) -> None:
        self._database = database
        self._bus = bus
        self._lease = lease
        self._relay = relay
        self._seeder = seeder
        self._housekeeping = housekeeping
        self._auditor = auditor
        self._sweeper = sweeper
        self._folds = folds
        self._settings = settings
        self._clock = clock

    async def run(self) -> None:
        """Hold the lease and do the work, for ever."""
        while True:
            await self._lease.acquire()
            logger.info("this gateway looks after the bus", action="steward")
            await self._while_held()
            logger.warning("another gateway may look after the bus", action="steward")

    async def finish(self) -> None:
        """At the end: read what the bus still holds, then let another gateway take over."""
        if not self._lease.is_held:
            return
        try:
            async with asyncio.timeout(5):
                state = await load_bus_state(self._database, self._clock())
                for fold in self._folds if state.is_seeded else []:
                    await absorb_to_end(
                        self._bus, fold, getattr(state, fold.position_column), state.generation
                    )
        except (Transient, PositionMoved, TimeoutError) as error:
            logger.info("the bus was not read to its end", action="steward", error=repr(error))
        await self._lease.release()

    async def _while_held(self) -> None:
        work = asyncio.create_task(self._work())
        keep = asyncio.create_task(self._lease.keep())
        try:
            # Looked at here, since a renewal may hang for longer than the lease lasts.
            while self._lease.is_held and not work.done() and not keep.done():
                await asyncio.wait({work, keep}, return_when=asyncio.FIRST_COMPLETED, timeout=LEASE_LOOK)
        finally:
            work.cancel()
            keep.cancel()
            ended, *_ = await asyncio.gather(work, keep, return_exceptions=True)
        if isinstance(ended, Exception):
            raise ended  # unforeseen: it must be told, not taken for the end of the lease

    async def _work(self) -> None:
        backoff = 0.2
        while True:
            await self._bus.wait_connected()
            disconnects, began = self._bus.disconnects, time.monotonic()
            try:
                generation = await self._settle()
                began = time.monotonic()
                await self._serve(generation, disconnects)
                backoff = 0.2
            except (Transient, PositionMoved, *BUS_FAILURES) as error:
                if time.monotonic() - began > MAX_BACKOFF:
                    backoff = 0.2
                logger.warning("looking after the bus starts again", action="steward", error=repr(error))
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, MAX_BACKOFF)

    async def _settle(self) -> int:
        """Make the store whole and let everybody work in it; returns the generation."""
        state = await load_bus_state(self._database, self._clock())
        damage = "it was never seeded" if not state.is_seeded else await self._find_damage(state)
        if damage is not None:
            return await self._seeder.seed(state, self._folds, damage, self._must_hold)
        await streams.reconcile(self._bus.js, self._settings.bus_max_bytes, self._settings.nats_replicas)
        if await read_generation(self._bus) != state.generation:
            await self._seeder.raise_fence(state.generation)
        return state.generation

    async def _find_damage(self, state: BusState) -> str | None:
        return await find_damage(self._database, state, lambda: streams.read_streams(self._bus.js))

    def _must_hold(self) -> None:
        if not self._lease.is_held:
            raise Transient("another gateway may look after the bus")

    async def _serve(self, generation: int, disconnects: int) -> None:
        state = await load_bus_state(self._database, self._clock())
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._relay.run(generation))
                for fold in self._folds:
                    tasks.create_task(
                        follow(self._bus, fold, getattr(state, fold.position_column), generation)
                    )
                # What nobody foresaw in these must not stop what publishes and records.
                for name, work in (
                    ("housekeeping", self._housekeeping.run),
                    ("audit", self._auditor.run),
                    ("sweep", partial(self._sweeper.run, generation)),
                ):
                    tasks.create_task(keep_running(name, work))
                tasks.create_task(self._watch(generation, disconnects))
        except* StoreChanged as changed:
            logger.warning("the store changed", action="steward", reason=str(changed.exceptions[0]))
        except* (Transient, PositionMoved, *BUS_FAILURES) as failed:
            raise Transient(f"the work stopped: {failed.exceptions[0]!r}") from failed

    async def _watch(self, generation: int, disconnects: int) -> None:
        """Raise `StoreChanged` as soon as the connection broke or the store is not whole."""
        looked = 0.0
        while True:
            await asyncio.sleep(0.1)
            if self._bus.disconnects != disconnects:
                raise StoreChanged("the connection broke")
            looked += 0.1
            if looked < STORE_CHECK:
                continue
            looked = 0.0
            state = await load_bus_state(self._database, self._clock())
            damage = await self._find_damage(state)
            if damage is not None:
                raise StoreChanged(damage)
            if await read_generation(self._bus) != generation:
                raise StoreChanged("the fence is down")
