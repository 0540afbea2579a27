"""Everything that a gateway process holds, made in one place."""

from dataclasses import dataclass

from services.gateway.auditor import Auditor
from services.gateway.auth.known_users import KnownUsers
from services.gateway.auth.passwords import Passwords
from services.gateway.auth.tokens import Tokens
from services.gateway.housekeeping import Housekeeping
from services.gateway.ledger import Ledger
from services.gateway.metrics import Metrics
from services.gateway.projector import Projector
from services.gateway.relay import Relay
from services.gateway.seeding import Seeder
from services.gateway.seeding_executions import ExecutionSeeds
from services.gateway.settings import GatewaySettings
from services.gateway.silence import SilenceWatch
from services.gateway.sql_lease import SqlLease
from services.gateway.steward import Steward
from services.gateway.store.database import Database
from services.gateway.store.event_store import EventStore
from services.gateway.sweeper import Sweeper
from shared.bus.connect import Bus
from shared.bus.fence import Fence
from shared.clock import Clock
from shared.process import instance_name
from shared.secretbox import SecretBox

STEWARD_LEASE = "steward"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What commands, queries, routes and background work share."""

    settings: GatewaySettings
    clock: Clock
    database: Database
    event_store: EventStore
    bus: Bus
    fence: Fence
    relay: Relay
    steward: Steward
    silence: SilenceWatch
    metrics: Metrics
    box: SecretBox
    passwords: Passwords
    tokens: Tokens
    known_users: KnownUsers

    async def close(self) -> None:
        """Let go of the bus and the database."""
        await self.bus.close()
        self.passwords.close()
        await self.database.close()


def make_gateway(settings: GatewaySettings, clock: Clock) -> Gateway:
    """Build all parts; nothing is connected or started yet."""
    database = Database(settings.database_url.get_secret_value())
    event_store = EventStore(database)
    bus = Bus()
    fence = Fence(bus)
    box = SecretBox(settings.secret_key.get_secret_value())
    relay = Relay(database, bus, fence, box, clock)
    event_store.wake_on_append(relay.wake)
    executions = ExecutionSeeds(database, bus, box, clock)
    metrics = Metrics(database, bus, clock)
    steward = Steward(
        database=database,
        bus=bus,
        lease=SqlLease(database, STEWARD_LEASE, instance_name(), clock),
        relay=relay,
        seeder=Seeder(database, bus, relay, executions, settings, clock),
        housekeeping=Housekeeping(database, bus, clock),
        auditor=Auditor(database, event_store, metrics, clock),
        sweeper=Sweeper(database, bus, fence, executions, metrics, clock),
        folds=[Ledger(database), Projector(database, event_store, clock)],
        settings=settings,
        clock=clock,
    )
    return Gateway(
        settings=settings,
        clock=clock,
        database=database,
        event_store=event_store,
        bus=bus,
        fence=fence,
        relay=relay,
        steward=steward,
        silence=SilenceWatch(database, event_store, bus, clock, is_expected=settings.scheduler_enabled),
        metrics=metrics,
        box=box,
        passwords=Passwords(),
        tokens=Tokens(settings, clock),
        known_users=KnownUsers(database),
    )
