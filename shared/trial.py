"""A trial: calling a target once, by an executor, without a job and without a row. Asked for and answered over the bus.

The request travels sealed, since it may hold a token. Nobody answers while no executor is there.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.job import DEFAULT_TIMEOUT_SECONDS, Target
from shared.secretbox import SecretBox

MAX_TRIAL_SECONDS = DEFAULT_TIMEOUT_SECONDS
_CONTEXT = "trial"


def trial_subject(queue: str) -> str:
    """Where executors of a queue are asked (core NATS, one of a queue group answers)."""
    return f"jetcron.trials.{queue}"


class Trial(BaseModel):
    """What to call."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    target: Target
    metadata: dict[str, Any] = Field(default_factory=dict)
    github_token: str | None = Field(default=None, repr=False)
    timeout_seconds: float = MAX_TRIAL_SECONDS


class TrialResult(BaseModel):
    """What came of it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ok: bool
    type: str
    """The kind of target: `webhook` or `github_actions`."""
    status_code: int | None = None
    error: str | None = None
    """A short name of what went wrong, such as `GitHub token not configured`."""
    message: str
    duration_seconds: float | None = None


def seal_trial(box: SecretBox, trial: Trial) -> bytes:
    """As it is asked for."""
    return box.seal(trial.model_dump_json().encode(), _CONTEXT)


def open_trial(box: SecretBox, sealed: bytes) -> Trial:
    """What was asked for; raises `UnknownKey` and ValueError."""
    return Trial.model_validate_json(box.open(sealed, _CONTEXT))
