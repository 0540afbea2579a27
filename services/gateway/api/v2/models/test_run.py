"""Trying a target without a job."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from services.gateway.api.v2.fields import GitHubName, Metadata, TargetUrl
from services.gateway.api.v2.models.common import Input, View
from services.gateway.api.v2.models.job_inputs import WebhookOptions
from shared.trial import MAX_TRIAL_SECONDS

DEFAULT_SECONDS = 10.0
MAX_TOKEN_LENGTH = 255


class TrialRequest(Input):
    """What to call: a URL or a workflow, as a job would name it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"target_url": "https://api.example.com/webhook", "timeout_seconds": 5},
                {
                    "github_owner": "myorg",
                    "github_repo": "myrepo",
                    "github_workflow_name": "tests.yml",
                    "metadata": {"branch": "main"},
                },
            ]
        }
    )

    target_url: TargetUrl | None = None
    webhook: WebhookOptions = WebhookOptions()
    github_owner: GitHubName | None = None
    github_repo: GitHubName | None = Field(default=None, description="Its name, or `owner/name`.")
    github_workflow_name: GitHubName | None = Field(
        default=None, description="The workflow's file, such as `deploy.yml`."
    )
    metadata: Metadata | None = Field(
        default=None,
        description="What a POST sends; for a workflow its branch (`branch` or `ref`) and inputs.",
    )
    github_token: (
        Annotated[str, StringConstraints(max_length=MAX_TOKEN_LENGTH, pattern=r"^[\x21-\x7e]+$")] | None
    ) = Field(default=None, repr=False, description="Used instead of the installation's token; never kept.")
    timeout_seconds: float = Field(
        default=DEFAULT_SECONDS,
        strict=True,
        ge=1,
        le=MAX_TRIAL_SECONDS,
        allow_inf_nan=False,
        description="For the call as a whole.",
    )

    def target(self) -> dict[str, str | None]:
        """The target as flat fields."""
        return {
            **self.webhook.model_dump(),
            "url": self.target_url,
            "github_owner": self.github_owner,
            "github_repo": self.github_repo,
            "github_workflow_name": self.github_workflow_name,
        }


class TrialAnswer(View):
    """What came of the call; a call that went wrong is an answer too."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ok": True,
                    "type": "webhook",
                    "status_code": 200,
                    "message": "Webhook test run succeeded.",
                    "duration_seconds": 0.127,
                },
                {
                    "ok": False,
                    "type": "github",
                    "status_code": None,
                    "error": "GitHub token not configured",
                    "message": "Set GITHUB_TOKEN, or send github_token.",
                    "duration_seconds": None,
                },
            ]
        }
    )

    ok: bool = Field(description="Whether a run of a job with this target would be a success.")
    type: Literal["webhook", "github"]
    status_code: int | None = Field(description="What the other side answered; null where it did not.")
    error: str | None = Field(
        default=None, description="What went wrong, in a few words; absent if nothing did."
    )
    message: str
    duration_seconds: float | None
