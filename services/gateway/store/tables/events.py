"""The record: every change, in its order. It is the outbox of the bus too."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    Uuid,
)

from services.gateway.store.tables.base import Position, metadata, only_where
from services.gateway.store.types import Instant, JsonDocument

events = Table(
    "events",
    metadata,
    Column("position", Position, primary_key=True, autoincrement=True),
    Column("id", Uuid, nullable=False, unique=True),
    Column("aggregate", String(32), nullable=False),
    Column("aggregate_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("type", String(64), nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("data", JsonDocument, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("correlation_id", String(64)),
    Column("causation_id", String(64)),
    Column("recorded_at", Instant, nullable=False),
    Column("published_seq", BigInteger),
    UniqueConstraint("aggregate_id", "version"),
)
Index(
    "ix_events_unpublished",
    events.c.aggregate_id,
    events.c.version,
    **only_where("published_seq IS NULL"),
)
Index("ix_events_recorded_at", events.c.aggregate, events.c.recorded_at)
