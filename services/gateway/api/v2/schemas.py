"""What v2 takes: input refuses fields that it does not know. What it answers is in `views`."""

import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.gateway.api.v2.fields import (
    CronExpression,
    Emails,
    EndDate,
    Flag,
    JobName,
    Metadata,
    NoGitHub,
    OneLine,
    Slug,
    TargetUrl,
    TimeoutSeconds,
    TimeZone,
)
from services.gateway.auth.passwords import MAX_LENGTH as MAX_PASSWORD_LENGTH
from services.gateway.domain.user import MAX_EMAIL_LENGTH
from shared.domain.job import DEFAULT_TIMEOUT_SECONDS, HttpMethod

# Where the flat fields of v2 stand in a job; the others have the same name in both.
_NESTED = {
    "cron_expression": ("schedule", "expression"),
    "timezone": ("schedule", "timezone"),
    "end_date": ("schedule", "end_date"),
    "target_url": ("target", "url"),
    "enable_email_notifications": ("notifications", "email_enabled"),
    "notification_emails": ("notifications", "emails"),
    "notify_on_success": ("notifications", "on_success"),
}
_GITHUB = {"github_owner", "github_repo", "github_workflow_name"}


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_text_throughout(cls, value: Any) -> Any:
        # JSON can spell half a character; neither hashes nor databases nor mails can hold one.
        if isinstance(value, dict):
            try:
                json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                raise ValueError("The body must not contain lone surrogates") from error
        return value


class LoginRequest(_Input):
    """Who logs in: by user name or by e-mail address."""

    username: OneLine | None = Field(default=None, max_length=MAX_EMAIL_LENGTH, description="Or `email`.")
    email: OneLine | None = Field(default=None, max_length=MAX_EMAIL_LENGTH, description="Or `username`.")
    password: str = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH, description="The password.")

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.login:
            raise ValueError("username or email is required")
        return self

    @property
    def login(self) -> str:
        """The name or the address."""
        return self.username or self.email or ""


class RefreshRequest(_Input):
    """A refresh token may also be sent as `Authorization: Bearer <token>`, without a body."""

    refresh_token: OneLine = Field(
        min_length=1, max_length=4096, description="What the login or the last refresh answered."
    )


class WebhookOptions(_Input):
    """How the target is called."""

    method: HttpMethod = Field(
        default=HttpMethod.GET, description="A POST sends job, execution and metadata as JSON."
    )


class JobCreate(_Input):
    """A new job."""

    name: JobName
    cron_expression: CronExpression
    end_date: EndDate
    pic_team: Slug = Field(description="The team in charge.")
    target_url: TargetUrl | None = None
    webhook: WebhookOptions = WebhookOptions()
    category: Slug = Field(default="general", description="What kind of job it is.")
    metadata: Metadata = Field(default_factory=dict)
    timezone: TimeZone | None = None
    timeout_seconds: TimeoutSeconds = DEFAULT_TIMEOUT_SECONDS
    enable_email_notifications: Flag = Field(
        default=False, description="Tell `notification_emails` of failures."
    )
    notification_emails: Emails = Field(default_factory=list)
    notify_on_success: Flag = Field(default=False, description="Tell them of successes too.")
    is_active: Flag = Field(default=True, description="Whether it runs on its schedule.")
    github_owner: NoGitHub = None
    github_repo: NoGitHub = None
    github_workflow_name: NoGitHub = None

    @model_validator(mode="after")
    def _has_a_target(self) -> Self:
        if self.target_url is None:
            raise ValueError("target_url is required")
        return self

    def fields(self) -> dict[str, Any]:
        """The same as fields of a job."""
        return _as_job_fields(self.model_dump(exclude_none=True))


def _not_given() -> Any:
    """Stands where an update leaves a field alone; which ones it sets is told by `exclude_unset`, not by a value."""
    return None


class JobUpdate(_Input):
    """Changes of a job: what is not given stays as it is."""

    name: JobName = Field(default_factory=_not_given)
    cron_expression: CronExpression = Field(default_factory=_not_given)
    end_date: EndDate = Field(default_factory=_not_given)
    pic_team: Slug = Field(default_factory=_not_given, description="The team in charge.")
    target_url: TargetUrl = Field(default_factory=_not_given)
    webhook: WebhookOptions = Field(default_factory=_not_given)
    category: Slug = Field(default_factory=_not_given, description="What kind of job it is.")
    metadata: Metadata = Field(default_factory=_not_given)
    timezone: TimeZone = Field(default_factory=_not_given)
    timeout_seconds: TimeoutSeconds = Field(default_factory=_not_given)
    enable_email_notifications: Flag = Field(
        default_factory=_not_given, description="Tell `notification_emails` of failures."
    )
    notification_emails: Emails = Field(default_factory=_not_given)
    notify_on_success: Flag = Field(default_factory=_not_given, description="Tell them of successes too.")
    is_active: Flag = Field(default_factory=_not_given, description="Whether it runs on its schedule.")
    github_owner: NoGitHub = None
    github_repo: NoGitHub = None
    github_workflow_name: NoGitHub = None

    def fields(self) -> dict[str, Any]:
        """The same as fields of a job, as far as they are given."""
        return _as_job_fields(self.model_dump(exclude_unset=True))


class RunRequest(_Input):
    """What a run may have of its own: nothing yet."""

    @model_validator(mode="before")
    @classmethod
    def _has_no_overrides(cls, value: Any) -> Any:
        if isinstance(value, dict) and value:
            raise ValueError("Run overrides are not available yet")
        return value


def _as_job_fields(flat: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in flat.items():
        if name in _GITHUB:
            continue
        if name == "webhook":
            fields.setdefault("target", {}).update(value)
        elif name in _NESTED:
            part, field = _NESTED[name]
            fields.setdefault(part, {})[field] = tuple(value) if isinstance(value, list) else value
        else:
            fields[name] = value
    return fields
