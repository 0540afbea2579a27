"""Calendars; backfills, slots and turns of runs; what the auditor knows"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
INSTANT = sa.DateTime(timezone=True)
BACKFILLS = sa.text("backfills IS NOT NULL")
UNPUBLISHED = sa.text("published_seq IS NULL")
NOT_RUN = sa.text("status IN ('missed', 'skipped', 'cancelled', 'failed', 'dead_letter', 'lost')")
RUN_INDEXES = (
    ("ix_runs_unpublished", ["requested_at"], sa.text("published_seq IS NULL AND turn IS NULL")),
    ("ix_runs_turn", ["job_id", "turn"], sa.text("request_id IS NOT NULL AND sealed_order IS NOT NULL")),
    ("ix_runs_request_id", ["request_id"], sa.text("request_id IS NOT NULL")),
)
RANGES = sa.text("planned_count > 1")
BOOLEAN_INDEXES: tuple[tuple[str, str, list[Any], str, str], ...] = (
    ("ix_executions_open", "executions", ["report_seq"], "is_open", "is_open = 1"),
    ("ix_jobs_ends_at", "jobs", ["ends_at"], "is_active", "is_active = 1"),
    (
        "ix_notifications_unread",
        "notifications",
        ["user_id", sa.literal_column("created_at DESC")],
        "NOT is_read AND deleted_at IS NULL",
        "is_read = 0 AND deleted_at IS NULL",
    ),
)
"""Said as the queries say it, which SQLite takes literally: it was never led through the ones before."""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _take_all_the_time_it_needs()
    op.add_column("executions", sa.Column("not_before", INSTANT, nullable=True))
    op.add_column("executions", sa.Column("backfills", INSTANT, nullable=True))
    op.create_index(
        "ix_executions_backfills",
        "executions",
        ["job_id", "backfills"],
        sqlite_where=BACKFILLS,
        postgresql_where=BACKFILLS,
    )
    op.create_index(
        "ix_executions_ranges",
        "executions",
        ["job_id", "planned_to"],
        sqlite_where=RANGES,
        postgresql_where=RANGES,
    )
    op.create_index(
        "ix_executions_not_run",
        "executions",
        ["job_id", "planned_at"],
        sqlite_where=NOT_RUN,
        postgresql_where=NOT_RUN,
    )
    op.add_column("runs", sa.Column("request_id", sa.Uuid, nullable=True))
    op.add_column("runs", sa.Column("turn", sa.Integer, nullable=True))
    op.drop_index("ix_runs_unpublished", table_name="runs")
    for name, columns, where in RUN_INDEXES:
        op.create_index(name, "runs", columns, sqlite_where=where, postgresql_where=where)
    op.add_column("bus_state", sa.Column("audited_until", INSTANT, nullable=True))
    op.add_column("bus_state", sa.Column("silent_since", INSTANT, nullable=True))
    op.create_table(
        "calendars",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("slug", sa.String(100), nullable=False, unique=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("pic_team", sa.String(100)),
        sa.Column("exclusions", DOCUMENT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
    )
    op.create_index("ix_calendars_pic_team", "calendars", ["pic_team"])
    op.create_table(
        "job_calendars",
        sa.Column("job_id", sa.Uuid, primary_key=True),
        sa.Column("calendar_id", sa.Uuid, primary_key=True),
    )
    op.create_index("ix_job_calendars_calendar_id", "job_calendars", ["calendar_id"])
    for boolean_index in BOOLEAN_INDEXES:
        _replace(*boolean_index)


def downgrade() -> None:
    _take_all_the_time_it_needs()
    _replace("ix_executions_open", "executions", ["report_seq"], "is_open", "is_open")
    _replace("ix_jobs_ends_at", "jobs", ["ends_at"], "is_active", "is_active")
    _replace(
        "ix_notifications_unread",
        "notifications",
        ["user_id", sa.literal_column("created_at DESC")],
        "is_read IS FALSE AND deleted_at IS NULL",
        "is_read IS 0 AND deleted_at IS NULL",
    )
    op.drop_table("job_calendars")
    op.drop_table("calendars")
    op.drop_column("bus_state", "silent_since")
    op.drop_column("bus_state", "audited_until")
    for name, _, _ in RUN_INDEXES:
        op.drop_index(name, table_name="runs")
    op.create_index(
        "ix_runs_unpublished",
        "runs",
        ["requested_at"],
        sqlite_where=UNPUBLISHED,
        postgresql_where=UNPUBLISHED,
    )
    op.drop_column("runs", "turn")
    op.drop_column("runs", "request_id")
    op.drop_index("ix_executions_not_run", table_name="executions")
    op.drop_index("ix_executions_ranges", table_name="executions")
    op.drop_index("ix_executions_backfills", table_name="executions")
    op.drop_column("executions", "backfills")
    op.drop_column("executions", "not_before")


def _replace(name: str, table: str, columns: list[Any], where: str, on_sqlite: str) -> None:
    op.drop_index(name, table_name=table)
    op.create_index(name, table, columns, sqlite_where=sa.text(on_sqlite), postgresql_where=sa.text(where))


def _take_all_the_time_it_needs() -> None:
    """Indexes of many rows take longer than a request may."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")
