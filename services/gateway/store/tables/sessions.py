"""Who may log in, with what they go on, and what they have asked for: records that never leave the gateway."""

from sqlalchemy import (
    Column,
    Index,
    String,
    Table,
    Uuid,
)

from services.gateway.store.tables.base import Position, metadata
from services.gateway.store.types import Instant, JsonDocument

# Not folded from events: hashes never leave this table.
credentials = Table(
    "credentials",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("password_hash", String(255), nullable=False),
    Column("changed_at", Instant, nullable=False),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("jti_hash", String(64), primary_key=True),
    Column("family", Uuid, nullable=False, index=True),
    Column("user_id", Uuid, nullable=False, index=True),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("used_at", Instant),
    Column("revoked_at", Instant),
)

# Failures only, so that who knows their password is never slowed down. What was typed as a name may be a password: hashed.
login_failures = Table(
    "login_failures",
    metadata,
    Column("id", Position, primary_key=True, autoincrement=True),
    Column("login_hash", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("failed_at", Instant, nullable=False),
)
Index("ix_login_failures_login_hash", login_failures.c.login_hash, login_failures.c.failed_at)
Index("ix_login_failures_address", login_failures.c.address, login_failures.c.failed_at)

# Where somebody has logged in from before: others' failures from there do not lock them out.
known_addresses = Table(
    "known_addresses",
    metadata,
    Column("login_hash", String(64), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("last_at", Instant, nullable=False),
)

# What a client sent with an Idempotency-Key, and what became of it; written in the transaction of the command.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("operation", String(120), nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("resource_id", Uuid),
    Column("answer", JsonDocument),
    Column("created_at", Instant, nullable=False, index=True),
)
