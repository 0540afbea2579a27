"""A job as everybody sees it: the state that job events carry whole, before and after each change."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.domain.schedule import Schedule, next_fire
from shared.domain.spread import slot

DEFAULT_ACCOUNT_ID = UUID("00000000-0000-4000-8000-000000000001")
DEFAULT_QUEUE = "default"
DEFAULT_TIMEOUT_SECONDS = 30.0
MAX_TIMEOUT_SECONDS = 300.0
DEFAULT_MISFIRE_GRACE_SECONDS = 3600


class MisfirePolicy(StrEnum):
    """What becomes of instants whose time passed while nobody decided on them. Those beyond the grace are missed."""

    RUN_LATEST = "run_latest"
    """The latest one runs, in place of the others."""
    RUN_ALL = "run_all"
    """Each one runs, one after another, the latest hundred at most."""
    SKIP = "skip"
    """None runs."""


class OverlapPolicy(StrEnum):
    """What becomes of an instant that comes while as many runs as may (`max_instances`) have not ended."""

    SKIP = "skip"
    """It does not run."""
    QUEUE = "queue"
    """It waits until one has ended."""
    CANCEL_RUNNING = "cancel_running"
    """The oldest is cancelled, and it runs."""


class HttpMethod(StrEnum):
    """The methods that a webhook may be called with."""

    GET = "GET"
    POST = "POST"


class WebhookTarget(BaseModel):
    """An HTTP call. A POST without a body of its own sends the job, the execution and the metadata as JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["webhook"] = "webhook"
    url: str
    method: HttpMethod = HttpMethod.GET

    @property
    def label(self) -> str:
        """How the target is shown in lists."""
        return self.url


class GitHubTarget(BaseModel):
    """A dispatch of a GitHub Actions workflow. `ref` and inputs come from the metadata."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["github_actions"] = "github_actions"
    owner: str
    repo: str
    workflow: str
    """Its file name, such as `deploy.yml`."""
    url: str | None = None
    """A job may name a URL beside its workflow: the workflow is what runs, the URL waits until it is taken away."""
    method: HttpMethod = HttpMethod.GET
    """Of that URL."""

    @property
    def label(self) -> str:
        """How the target is shown in lists."""
        return f"{self.owner}/{self.repo}/{self.workflow}"


Target: TypeAlias = Annotated[WebhookTarget | GitHubTarget, Field(discriminator="kind")]


class Notifications(BaseModel):
    """Whom to tell what, beside the owner's inbox."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    email_enabled: bool = False
    emails: tuple[str, ...] = ()
    on_success: bool = False


class Job(BaseModel):
    """One version of a job. `effective_at` is the instant from which this version is in force."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    account_id: UUID = DEFAULT_ACCOUNT_ID
    name: str
    schedule: Schedule
    target: Target
    metadata: dict[str, Any] = Field(default_factory=dict)
    category: str = "general"
    pic_team: str | None = None
    notifications: Notifications = Notifications()
    queue: str = DEFAULT_QUEUE
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    misfire_policy: MisfirePolicy = MisfirePolicy.RUN_LATEST
    misfire_grace_seconds: int = DEFAULT_MISFIRE_GRACE_SECONDS
    max_instances: int = 1
    """How many planned runs may be unfinished at a time; those that a person asked for do not count."""
    overlap_policy: OverlapPolicy = OverlapPolicy.SKIP
    pause_after_failures: int | None = None
    """After so many failures in a row since its last change the job is paused; None never."""
    owner_id: UUID
    is_active: bool = True
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime
    effective_at: AwareDatetime

    @property
    def slot(self) -> timedelta:
        """How much later than planned its runs begin."""
        return slot(self.id, self.schedule.jitter_seconds)

    def next_instant(self, after: datetime) -> datetime | None:
        """The first planned instant strictly after `after`; None while paused and after the last one."""
        return next_fire(self.schedule, after) if self.is_active else None
