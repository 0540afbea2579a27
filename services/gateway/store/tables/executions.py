"""What ran and what did not, and whom that was told: records, not folded from events."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
)

from services.gateway.store.tables.base import metadata
from services.gateway.store.types import Instant

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
# What lists, counts and statistics of one job read, without its rows.
Index(
    "ix_executions_job_queued",
    executions.c.job_id,
    executions.c.queued_at.desc(),
    executions.c.status,
    executions.c.kind,
    executions.c.duration_seconds,
)
Index("ix_executions_planned", executions.c.planned_at)
# The order of all pages. Nothing in it ever changes, so that a report need not write it again.
Index(
    "ix_executions_queued",
    executions.c.queued_at.desc(),
    executions.c.id.desc(),
    executions.c.kind,
    executions.c.target_kind,
)
# The same for each status, and what statistics add up.
Index(
    "ix_executions_status",
    executions.c.status,
    executions.c.queued_at.desc(),
    executions.c.id.desc(),
    executions.c.kind,
    executions.c.target_kind,
    executions.c.duration_seconds,
)
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
    # What was deleted stays for a while, without its text: the bus may deliver it once more.
    Column("deleted_at", Instant),
)
Index(
    "ix_notifications_user_created",
    notifications.c.user_id,
    notifications.c.created_at.desc(),
    sqlite_where=text("deleted_at IS NULL"),
    postgresql_where=text("deleted_at IS NULL"),
)
Index(
    "ix_notifications_unread",
    notifications.c.user_id,
    notifications.c.created_at.desc(),
    sqlite_where=text("is_read IS 0 AND deleted_at IS NULL"),
    postgresql_where=text("is_read IS FALSE AND deleted_at IS NULL"),
)
Index(
    "ix_notifications_deleted",
    notifications.c.deleted_at,
    sqlite_where=text("deleted_at IS NOT NULL"),
    postgresql_where=text("deleted_at IS NOT NULL"),
)
