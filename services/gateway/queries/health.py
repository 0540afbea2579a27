"""Looking at the parts from the outside, briefly: who asks for the health cannot wait for what is broken."""

import asyncio
from dataclasses import dataclass

from services.gateway.gateway import Gateway
from services.gateway.store.read_models import count_active_jobs
from shared.bus.streams import SCHEDULER_STREAM, bucket_subject
from shared.bus.subjects import LEASE_KEY, SCHEDULER_BUCKET
from shared.errors import Transient

PATIENCE = 1.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was found."""

    active_jobs: int | None
    """None: the database does not answer."""
    bus_is_connected: bool
    scheduler_leads: bool
    scheduler_is_expected: bool

    @property
    def is_healthy(self) -> bool:
        """Whether jobs run."""
        runs = self.scheduler_leads or not self.scheduler_is_expected
        return self.active_jobs is not None and self.bus_is_connected and runs


async def read_health(gateway: Gateway) -> Health:
    """Ask the database and the bus, each for a second at most; never raises because of them."""
    active_jobs, scheduler_leads = await asyncio.gather(_active_jobs(gateway), _scheduler_leads(gateway))
    return Health(
        active_jobs=active_jobs,
        bus_is_connected=gateway.bus.is_connected,
        scheduler_leads=scheduler_leads,
        scheduler_is_expected=gateway.settings.scheduler_enabled,
    )


async def _active_jobs(gateway: Gateway) -> int | None:
    try:
        async with asyncio.timeout(PATIENCE), gateway.database.read() as connection:
            return await count_active_jobs(connection)
    except (Transient, TimeoutError):
        return None


async def _scheduler_leads(gateway: Gateway) -> bool:
    if not gateway.bus.is_connected:
        return False
    try:
        async with asyncio.timeout(PATIENCE):
            lease = await gateway.bus.last(SCHEDULER_STREAM, bucket_subject(SCHEDULER_BUCKET, LEASE_KEY))
    except (Transient, TimeoutError):
        return False
    # Without data it is the marker that an ended lease leaves behind.
    return lease is not None and bool(lease.data)
