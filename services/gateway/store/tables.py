"""The tables. `events` is the record and the outbox; `jobs` and `users` are folded from it and can be rebuilt;
executions, attempts, runs and notifications are records themselves.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
)

from services.gateway.store.types import Instant, JsonDocument

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts up by itself only in a column of exactly this type.
Position = BigInteger().with_variant(Integer(), "sqlite")

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
    sqlite_where=text("published_seq IS NULL"),
    postgresql_where=text("published_seq IS NULL"),
)
Index("ix_events_recorded_at", events.c.aggregate, events.c.recorded_at)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, nullable=False),
    Column("name", String(255), nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("state", JsonDocument, nullable=False),
    UniqueConstraint("account_id", "name"),
)
Index("ix_jobs_created_at", jobs.c.created_at)

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("username", String(80), nullable=False, unique=True),
    Column("email", String(120), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("token_version", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

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

executions = Table(
    "executions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("job_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("job_name", String(255), nullable=False),
    Column("job_version", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("target_kind", String(32), nullable=False),
    Column("target_label", String(1024), nullable=False),
    Column("planned_at", Instant),
    Column("planned_to", Instant),
    Column("planned_count", Integer, nullable=False, server_default="1"),
    Column("reason", String(255)),
    Column("into_execution_id", Uuid),
    Column("queued_at", Instant, nullable=False),
    Column("status", String(16), nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("redrive", Integer, nullable=False, server_default="0"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("started_at", Instant),
    Column("completed_at", Instant),
    Column("duration_seconds", Float),
    Column("response_status", Integer),
    Column("timed_out", Boolean, nullable=False, server_default=false()),
    Column("error_message", Text),
    Column("output", Text),
    Column("is_open", Boolean, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("report_seq", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("job_id", "planned_at"),
)
Index("ix_executions_job_queued", executions.c.job_id, executions.c.queued_at.desc())
Index("ix_executions_planned", executions.c.planned_at)
Index("ix_executions_queued", executions.c.queued_at.desc())
Index(
    "ix_executions_open",
    executions.c.report_seq,
    sqlite_where=text("is_open"),
    postgresql_where=text("is_open"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("execution_id", Uuid, ForeignKey("executions.id", ondelete="CASCADE"), primary_key=True),
    Column("redrive", Integer, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("phase", String(16), nullable=False),
    Column("phase_order", Integer, nullable=False),
    Column("started_at", Instant),
    Column("completed_at", Instant),
    Column("duration_seconds", Float),
    Column("response_status", Integer),
    Column("error_message", Text),
    Column("executor", String(120)),
)

# Runs that people asked for: the outbox of their triggers. The order is kept until the execution has ended.
runs = Table(
    "runs",
    metadata,
    Column("execution_id", Uuid, primary_key=True),
    Column("job_id", Uuid, nullable=False),
    Column("sealed_order", LargeBinary),
    Column("requested_by", Uuid, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("published_seq", BigInteger),
)
Index(
    "ix_runs_unpublished",
    runs.c.requested_at,
    sqlite_where=text("published_seq IS NULL"),
    postgresql_where=text("published_seq IS NULL"),
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("title", String(255), nullable=False),
    Column("message", Text, nullable=False),
    Column("type", String(16), nullable=False),
    Column("related_job_id", Uuid),
    Column("related_execution_id", Uuid),
    Column("is_read", Boolean, nullable=False),
    Column("read_at", Instant),
    Column("created_at", Instant, nullable=False),
)
Index("ix_notifications_user_created", notifications.c.user_id, notifications.c.created_at.desc())

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
