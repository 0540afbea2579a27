"""People, teams, settings and accounts"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

INSTANT = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_members",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "user_id", name=op.f("pk_account_members")),
    )
    op.create_index("ix_account_members_user_id", "account_members", ["user_id"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
    )
    op.create_table(
        "categories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
        sa.UniqueConstraint("slug", name=op.f("uq_categories_slug")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("operation", sa.String(length=120), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=True),
        sa.Column("answer", DOCUMENT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "known_addresses",
        sa.Column("login_hash", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("login_hash", "address", name=op.f("pk_known_addresses")),
    )
    op.create_table(
        "login_failures",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("login_hash", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("failed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_failures")),
    )
    op.create_index("ix_login_failures_address", "login_failures", ["address", "failed_at"], unique=False)
    op.create_index(
        "ix_login_failures_login_hash", "login_failures", ["login_hash", "failed_at"], unique=False
    )
    op.create_table(
        "slack_settings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("sealed_webhook_url", sa.Text(), nullable=True),
        sa.Column("channel", sa.String(length=255), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_settings")),
    )
    op.create_table(
        "teams",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("slack_handle", sa.String(length=255), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("slug", name=op.f("uq_teams_slug")),
    )
    op.add_column(
        "jobs", sa.Column("category", sa.String(length=100), server_default="general", nullable=False)
    )
    op.add_column("jobs", sa.Column("pic_team", sa.String(length=100), nullable=True))
    op.add_column(
        "jobs", sa.Column("target_kind", sa.String(length=32), server_default="webhook", nullable=False)
    )
    op.add_column("jobs", sa.Column("ends_at", INSTANT, nullable=True))
    op.create_index("ix_jobs_category", "jobs", ["category"], unique=False)
    op.create_index(
        "ix_jobs_ends_at",
        "jobs",
        ["ends_at"],
        unique=False,
        sqlite_where=sa.text("is_active"),
        postgresql_where=sa.text("is_active"),
    )
    op.create_index("ix_jobs_owner_id", "jobs", ["owner_id"], unique=False)
    op.create_index("ix_jobs_pic_team", "jobs", ["pic_team"], unique=False)
    op.add_column("users", sa.Column("notification_preferences", DOCUMENT, nullable=True))
    op.add_column("users", sa.Column("ui_preferences", DOCUMENT, nullable=True))
    _fill_jobs()


def downgrade() -> None:

    op.drop_column("users", "ui_preferences")
    op.drop_column("users", "notification_preferences")
    op.drop_index("ix_jobs_pic_team", table_name="jobs")
    op.drop_index("ix_jobs_owner_id", table_name="jobs")
    op.drop_index(
        "ix_jobs_ends_at",
        table_name="jobs",
        sqlite_where=sa.text("is_active"),
        postgresql_where=sa.text("is_active"),
    )
    op.drop_index("ix_jobs_category", table_name="jobs")
    op.drop_column("jobs", "ends_at")
    op.drop_column("jobs", "target_kind")
    op.drop_column("jobs", "pic_team")
    op.drop_column("jobs", "category")
    op.drop_table("teams")
    op.drop_table("slack_settings")
    op.drop_index("ix_login_failures_login_hash", table_name="login_failures")
    op.drop_index("ix_login_failures_address", table_name="login_failures")
    op.drop_table("login_failures")
    op.drop_table("known_addresses")
    op.drop_index(op.f("ix_idempotency_keys_created_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("categories")
    op.drop_table("accounts")
    op.drop_index("ix_account_members_user_id", table_name="account_members")
    op.drop_table("account_members")


def _fill_jobs() -> None:
    """The new columns repeat what the states of the jobs say."""
    jobs = sa.table(
        "jobs",
        sa.column("id", sa.Uuid()),
        sa.column("state", DOCUMENT),
        sa.column("category"),
        sa.column("pic_team"),
        sa.column("target_kind"),
        sa.column("ends_at", INSTANT),
    )
    connection = op.get_bind()
    filled = [
        {"at": row.id, **_columns(row.state, naive=connection.dialect.name == "sqlite")}
        for row in connection.execute(sa.select(jobs.c.id, jobs.c.state))
    ]
    if filled:
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.id == sa.bindparam("at"))
            .values({name: sa.bindparam(f"new_{name}") for name in filled[0] if name != "at"}),
            [
                {"at": row["at"], **{f"new_{name}": value for name, value in row.items() if name != "at"}}
                for row in filled
            ],
        )


def _columns(state: dict[str, Any], *, naive: bool) -> dict[str, Any]:
    schedule = state["schedule"]
    ends_at: datetime | None = None
    if schedule.get("end_date"):
        ends_at = _midnight_after(date.fromisoformat(schedule["end_date"]), schedule["timezone"])
        ends_at = ends_at.replace(tzinfo=None) if naive else ends_at
    return {
        "category": state["category"],
        "pic_team": state.get("pic_team"),
        "target_kind": state["target"]["kind"],
        "ends_at": ends_at,
    }


def _midnight_after(day: date, timezone: str) -> datetime:
    # Nothing is planned after 9997, and the calendar has no midnight after its last day.
    if day.year > 9997:
        return datetime.max.replace(tzinfo=UTC)
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(timezone)).astimezone(UTC)
