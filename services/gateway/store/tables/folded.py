"""What commands leave and `rebuild` folds again from the events: the present state of everything."""

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from services.gateway.store.tables.base import metadata, only_where
from services.gateway.store.types import Instant, JsonDocument

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
    Column("category", String(100), nullable=False, server_default="general"),
    Column("pic_team", String(100)),
    Column("target_kind", String(32), nullable=False, server_default="webhook"),
    Column("ends_at", Instant),
    UniqueConstraint("account_id", "name"),
)
Index("ix_jobs_created_at", jobs.c.created_at)
Index("ix_jobs_category", jobs.c.category)
Index("ix_jobs_pic_team", jobs.c.pic_team)
Index("ix_jobs_owner_id", jobs.c.owner_id)
# Whose last day is over: found without looking at the others.
Index(
    "ix_jobs_ends_at",
    jobs.c.ends_at,
    **only_where("is_active", on_sqlite="is_active = 1"),
)

calendars = Table(
    "calendars",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", String(100), nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    Column("pic_team", String(100)),
    Column("exclusions", JsonDocument, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)
Index("ix_calendars_pic_team", calendars.c.pic_team)

# Which jobs follow a calendar.
job_calendars = Table(
    "job_calendars",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("calendar_id", Uuid, primary_key=True),
)
Index("ix_job_calendars_calendar_id", job_calendars.c.calendar_id)

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
    Column("notification_preferences", JsonDocument),
    Column("ui_preferences", JsonDocument),
)

categories = Table(
    "categories",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", String(100), nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

teams = Table(
    "teams",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", String(100), nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    Column("slack_handle", String(255), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

slack_settings = Table(
    "slack_settings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("is_enabled", Boolean, nullable=False),
    Column("sealed_webhook_url", Text),
    Column("channel", String(255)),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

account_members = Table(
    "account_members",
    metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("role", String(16), nullable=False),
    Column("since", Instant, nullable=False),
)
Index("ix_account_members_user_id", account_members.c.user_id)
