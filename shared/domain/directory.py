"""Whom jobs belong to and who is told: users, teams, categories, accounts, and how messages get to Slack."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict


class _State(BaseModel):
    """A state that events carry whole."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class NotificationPreferences(BaseModel):
    """What a user wants to be told, and how."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    email_on_job_success: bool = True
    email_on_job_failure: bool = True
    email_on_job_disabled: bool = False
    browser_notifications: bool = False
    daily_digest: bool = False
    weekly_report: bool = False


class UiPreferences(BaseModel):
    """What a user's pages look like: which optional columns the table of jobs shows."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pic_team: bool = True
    end_date: bool = True
    cron_expression: bool = False
    target_url: bool = False
    last_execution_at: bool = False


class User(_State):
    """A user as other services may see one: no credentials."""

    username: str
    email: str
    role: Literal["admin", "user", "viewer"]
    is_active: bool = True
    token_version: int = 1
    notification_preferences: NotificationPreferences | None = None
    """None: never chosen, so the defaults."""
    ui_preferences: UiPreferences | None = None


class Category(_State):
    """What kind of job it is. The slug follows the name, and jobs follow the slug."""

    slug: str
    name: str
    is_active: bool = True


class Team(_State):
    """Who is in charge of a job. The slug follows the name, and jobs follow the slug."""

    slug: str
    name: str
    slack_handle: str
    is_active: bool = True


class Member(BaseModel):
    """A user's part in an account."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    user_id: UUID
    role: Literal["owner", "member"]
    since: AwareDatetime


class Account(_State):
    """Whose jobs they are, where several parties share an installation. Everybody belongs to the default one."""

    name: str
    members: tuple[Member, ...] = ()


class SlackSettings(_State):
    """Whether and where messages go to Slack. Whoever has the URL can post: it is sealed wherever it is stored."""

    is_enabled: bool = False
    sealed_webhook_url: str | None = None
    channel: str | None = None
