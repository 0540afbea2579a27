"""What the gateway counts, and what it looks up when somebody asks: for Prometheus, in its text format.

Counters are this process's own and begin at 0 with it; what is looked up is the same at every gateway.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Info, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.store.database import Database
from services.gateway.store.tables import bus_state, events, executions, runs
from shared.bus.connect import Bus
from shared.clock import Clock
from shared.errors import Transient

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """What SQL says."""

    ledgered_until: datetime | None
    audited_until: datetime | None
    generation: int
    open_executions: int
    unpublished_events: int
    unpublished_runs: int


class Metrics:
    """One gateway's metrics, in a registry of their own."""

    def __init__(self, database: Database, bus: Bus, clock: Clock) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._registry = CollectorRegistry()
        self.unaccounted = self._counter("unaccounted_instants", "Planned instants found without a decision")
        self.extra = self._counter(
            "extra_instants",
            "Rows of instants that the version in force did not plan, as the auditor saw them",
        )
        self.lost = self._counter("lost_executions", "Executions given up because nothing was heard of them")
        self.republished = self._counter(
            "republished_runs", "Runs published again since their message was gone"
        )
        build = Info("jetcron_build", "Which program this is", registry=self._registry)
        build.info({"version": version("jetcron")})

    def _counter(self, name: str, meaning: str) -> Counter:
        return Counter(f"jetcron_{name}", meaning, registry=self._registry)

    async def text(self) -> bytes:
        """Everything as of now; what SQL would say is left out while it does not answer."""
        try:
            async with self._database.read() as connection:
                stored = await _look(connection)
        except Transient:
            stored = None
        now = CollectorRegistry()
        now.register(_Snapshot(list(self._gauges(stored))))
        return generate_latest(self._registry) + generate_latest(now)

    def _gauges(self, stored: _Stored | None) -> Iterable[GaugeMetricFamily]:
        yield _gauge("bus_connected", "Whether NATS can be reached", self._bus.is_connected)
        yield _gauge("database_connected", "Whether the database answers", stored is not None)
        if stored is None:
            return
        yield _gauge("bus_generation", "The generation of the streams", stored.generation)
        yield _gauge("open_executions", "Executions that have not ended", stored.open_executions)
        yield _gauge("outbox_events", "Changes that are not on the bus yet", stored.unpublished_events)
        yield _gauge("outbox_runs", "Requested runs that are not on the bus yet", stored.unpublished_runs)
        for name, meaning, until in (
            ("scheduler_lag_seconds", "Since when nothing is known to be decided", stored.ledgered_until),
            ("audit_lag_seconds", "Since when nothing is audited", stored.audited_until),
        ):
            if until is not None:
                yield _gauge(name, meaning, max(0.0, (self._clock() - until).total_seconds()))


class _Snapshot(Collector):
    """Gauges that were made for one answer."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """What it was given."""
        return self._families


async def _look(connection: AsyncConnection) -> _Stored:
    state = (await connection.execute(select(bus_state))).first()
    return _Stored(
        ledgered_until=state.ledgered_until if state is not None else None,
        audited_until=state.audited_until if state is not None else None,
        generation=state.generation if state is not None else 0,
        # All three are counted in indexes that hold nothing else.
        open_executions=await _count(connection, executions, executions.c.is_open),
        unpublished_events=await _count(connection, events, events.c.published_seq.is_(None)),
        # Backfills that wait for their turn are not late.
        unpublished_runs=await _count(
            connection, runs, runs.c.published_seq.is_(None) & runs.c.turn.is_(None)
        ),
    )


async def _count(connection: AsyncConnection, table: Table, which: ColumnElement[bool]) -> int:
    return await connection.scalar(select(func.count()).select_from(table).where(which)) or 0


def _gauge(name: str, meaning: str, value: Any) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"jetcron_{name}", meaning, value=float(value))
