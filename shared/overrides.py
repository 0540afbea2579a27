"""What one run has of its own: sealed in SQL and on the bus, opened by the executor that runs it, never in any answer."""

import base64
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.job import GitHubTarget, Target, WebhookTarget
from shared.errors import RuleViolation
from shared.secretbox import SecretBox


class RunOverrides(BaseModel):
    """What stands for this run in place of the job's own; None leaves the job's. `metadata` and `inputs` are laid over it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_url: str | None = None
    github_owner: str | None = None
    github_repo: str | None = None
    github_workflow_name: str | None = None
    github_token: str | None = Field(default=None, repr=False)
    metadata: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, Any] = Field(default_factory=dict)


class IncompleteWorkflow(RuleViolation):
    """Parts of a workflow were given that make no whole one, not even with those of the job's own."""

    title = "Missing target configuration"

    def __init__(self) -> None:
        super().__init__("The run's overrides name no whole workflow: owner, repository and file")


def target_of_run(own: Target, overrides: RunOverrides) -> Target:
    """What the run calls instead of the job's own target; raises `IncompleteWorkflow`.

    Given parts of a workflow come first and are laid over the job's own workflow, then a given URL, then the job's target.
    A token alone is no part of a workflow: a webhook job stays one.
    """
    given = {
        "owner": overrides.github_owner,
        "repo": overrides.github_repo,
        "workflow": overrides.github_workflow_name,
    }
    named = {name: value for name, value in given.items() if value}
    if named:
        parts = own.model_dump(include=set(given)) | named
        if len(parts) < len(given):
            raise IncompleteWorkflow
        return GitHubTarget(**parts)
    if overrides.target_url:
        return WebhookTarget(url=overrides.target_url, method=own.method)
    return own


def seal_overrides(box: SecretBox, execution_id: UUID, overrides: RunOverrides) -> str:
    """As they travel: only for this execution."""
    plain = overrides.model_dump_json(exclude_defaults=True).encode()
    return base64.b64encode(box.seal(plain, _context(execution_id))).decode()


def open_overrides(box: SecretBox, execution_id: UUID, sealed: str) -> RunOverrides:
    """What was sealed; raises `UnknownKey` when another key sealed them, ValueError when they were tampered with."""
    return RunOverrides.model_validate_json(box.open(base64.b64decode(sealed), _context(execution_id)))


def _context(execution_id: UUID) -> str:
    return f"overrides:{execution_id}"
