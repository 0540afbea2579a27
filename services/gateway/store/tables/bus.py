"""What SQL knows of the bus, and who looks after it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    String,
    Table,
)

from services.gateway.store.tables.base import metadata
from services.gateway.store.types import Instant

# One row: what SQL knows of the bus.
bus_state = Table(
    "bus_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("is_seeded", Boolean, nullable=False),
    Column("ledgered_until", Instant, nullable=False),
    Column("ledgered_events_seq", BigInteger, nullable=False),
    Column("ledger_position", BigInteger, nullable=False),
    Column("projector_position", BigInteger, nullable=False),
    # Up to when every planned instant is known to have a row; None before the first look.
    Column("audited_until", Instant),
    # Since when nothing was decided, as administrators were told; None while all is well.
    Column("silent_since", Instant),
)

bus_streams = Table(
    "bus_streams",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("created_at", Instant, nullable=False),
    Column("acknowledged_seq", BigInteger, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(120), nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("expires_at", Instant, nullable=False),
)
