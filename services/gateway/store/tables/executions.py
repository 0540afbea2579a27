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
)

from services.gateway.store.tables.base import metadata, only_where
from services.gateway.store.types import Instant

NOT_RUN = "status IN ('missed', 'skipped', 'cancelled', 'failed', 'dead_letter', 'lost')"
RANGES = "planned_count > 1"
IN_TURN = "request_id IS NOT NULL AND sealed_order IS NOT NULL"
"""What a query says too, word for word, to be led through the index that has only these."""

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
    # The slot at which it may run, where that is later than planned.
    Column("not_before", Instant),
    # The planned instant that it makes up for.
    Column("backfills", Instant),
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
Index(
    "ix_executions_backfills",
    executions.c.job_id,
    executions.c.backfills,
    **only_where("backfills IS NOT NULL"),
)
# Planned instants that did not run, or not well: few among many.
Index(
    "ix_executions_not_run",
    executions.c.job_id,
    executions.c.planned_at,
    **only_where(NOT_RUN),
)
Index("ix_executions_planned", executions.c.planned_at)
# Those that stand for many instants: found where the first of these lies long before.
Index(
    "ix_executions_ranges",
    executions.c.job_id,
    executions.c.planned_to,
    **only_where(RANGES),
)
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
    **only_where("is_open", on_sqlite="is_open = 1"),
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
    # The backfill that it is part of.
    Column("request_id", Uuid),
    # Its place among the job's backfills that wait; None once its turn has come, and for all others.
    Column("turn", Integer),
)
Index(
    "ix_runs_unpublished",
    runs.c.requested_at,
    **only_where("published_seq IS NULL AND turn IS NULL"),
)
# Those of backfills that have not ended, whether their turn has come or not.
Index(
    "ix_runs_turn",
    runs.c.job_id,
    runs.c.turn,
    **only_where(IN_TURN),
)
Index(
    "ix_runs_request_id",
    runs.c.request_id,
    **only_where("request_id IS NOT NULL"),
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
    **only_where("deleted_at IS NULL"),
)
Index(
    "ix_notifications_unread",
    notifications.c.user_id,
    notifications.c.created_at.desc(),
    **only_where("NOT is_read AND deleted_at IS NULL", on_sqlite="is_read = 0 AND deleted_at IS NULL"),
)
Index(
    "ix_notifications_deleted",
    notifications.c.deleted_at,
    **only_where("deleted_at IS NOT NULL"),
)
