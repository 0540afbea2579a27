"""Indexes for reading many executions; notifications that were deleted"""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True)
NOT_DELETED = sa.text("deleted_at IS NULL")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _take_all_the_time_it_needs()
    op.drop_index("ix_executions_job_queued", table_name="executions")
    op.create_index(
        "ix_executions_job_queued",
        "executions",
        ["job_id", sa.literal_column("queued_at DESC"), "status", "kind", "duration_seconds"],
    )
    op.drop_index("ix_executions_queued", table_name="executions")
    op.create_index(
        "ix_executions_queued",
        "executions",
        [sa.literal_column("queued_at DESC"), sa.literal_column("id DESC"), "kind", "target_kind"],
    )
    op.create_index(
        "ix_executions_status",
        "executions",
        [
            "status",
            sa.literal_column("queued_at DESC"),
            sa.literal_column("id DESC"),
            "kind",
            "target_kind",
            "duration_seconds",
        ],
    )
    op.add_column("notifications", sa.Column("deleted_at", INSTANT, nullable=True))
    op.drop_index("ix_notifications_user_created", table_name="notifications")
    op.create_index(
        "ix_notifications_user_created",
        "notifications",
        ["user_id", sa.literal_column("created_at DESC")],
        sqlite_where=NOT_DELETED,
        postgresql_where=NOT_DELETED,
    )
    op.create_index(
        "ix_notifications_unread",
        "notifications",
        ["user_id", sa.literal_column("created_at DESC")],
        sqlite_where=sa.text("is_read IS 0 AND deleted_at IS NULL"),
        postgresql_where=sa.text("is_read IS FALSE AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_notifications_deleted",
        "notifications",
        ["deleted_at"],
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )


def downgrade() -> None:
    _take_all_the_time_it_needs()
    # Without the column they would be there again.
    op.execute("DELETE FROM notifications WHERE deleted_at IS NOT NULL")
    op.drop_index("ix_notifications_deleted", table_name="notifications")
    op.drop_index("ix_notifications_unread", table_name="notifications")
    op.drop_index("ix_notifications_user_created", table_name="notifications")
    op.drop_column("notifications", "deleted_at")
    op.create_index(
        "ix_notifications_user_created", "notifications", ["user_id", sa.literal_column("created_at DESC")]
    )
    op.drop_index("ix_executions_status", table_name="executions")
    op.drop_index("ix_executions_queued", table_name="executions")
    op.create_index("ix_executions_queued", "executions", [sa.literal_column("queued_at DESC")])
    op.drop_index("ix_executions_job_queued", table_name="executions")
    op.create_index("ix_executions_job_queued", "executions", ["job_id", sa.literal_column("queued_at DESC")])


def _take_all_the_time_it_needs() -> None:
    """Indexes of many rows take longer than a request may."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")
