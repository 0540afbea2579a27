"""What a job may call: a URL, as far as its text says, or a GitHub Actions workflow. What a host's name leads to is judged
when it is called.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.domain.job import InvalidJob
from shared.domain.job import GitHubTarget, Target, WebhookTarget
from shared.domain.urls import url_problem

MAX_URL_LENGTH = 500
MAX_GITHUB_LENGTH = 255

_GITHUB_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,255}")
_WORKFLOW_SUFFIXES = (".yml", ".yaml")


class MissingTarget(InvalidJob):
    """Neither a URL nor a whole workflow."""

    title = "Missing target configuration"

    def __init__(self) -> None:
        super().__init__(
            "Provide target_url or GitHub config (github_owner, github_repo, github_workflow_name)."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRules:
    """What the installation adds."""

    require_https: bool = False
    default_github_owner: str | None = None
    """Of repositories that are named without one."""


def make_target(fields: Mapping[str, Any], rules: TargetRules) -> Target:
    """The target that flat fields mean: `url`, `method`, `github_owner`, `github_repo`, `github_workflow_name`.

    A whole workflow comes before a URL, which is kept for when the workflow is taken away. Empty text counts as absent.
    Raises `MissingTarget` and `InvalidJob`.
    """
    url, owner, repo, workflow = (
        _text(fields, name) for name in ("url", "github_owner", "github_repo", "github_workflow_name")
    )
    method = {"method": fields["method"]} if fields.get("method") else {}
    if url is not None:
        check_target_url(url, require_https=rules.require_https)
    if repo is None and workflow is None:
        if url is None:
            raise MissingTarget
        return WebhookTarget(url=url, **method)
    if repo is not None and repo.count("/") == 1:
        owner, repo = repo.split("/")
    owner = owner or rules.default_github_owner
    if owner is None or repo is None or workflow is None:
        raise MissingTarget
    _check_github_name("github_owner", owner)
    _check_github_name("github_repo", repo)
    _check_github_name("github_workflow_name", workflow)
    if not workflow.endswith(_WORKFLOW_SUFFIXES):
        raise _invalid("github_workflow_name", "must end with .yml or .yaml")
    return GitHubTarget(owner=owner, repo=repo, workflow=workflow, url=url, **method)


def target_fields(target: Target) -> dict[str, Any]:
    """A target as flat fields."""
    if isinstance(target, WebhookTarget):
        return {"url": target.url, "method": target.method}
    return {
        "url": target.url,
        "method": target.method,
        "github_owner": target.owner,
        "github_repo": target.repo,
        "github_workflow_name": target.workflow,
    }


def check_target_url(url: str, *, require_https: bool) -> None:
    """Raise `InvalidJob` unless this is an http(s) URL with a host, without credentials, of at most 500 characters."""
    problem = url_problem(url, require_https=require_https, max_length=MAX_URL_LENGTH)
    if problem is not None:
        raise _invalid("target_url", problem)


def _check_github_name(field: str, value: str) -> None:
    if len(value) > MAX_GITHUB_LENGTH or not _GITHUB_NAME.fullmatch(value):
        raise _invalid(field, "must have 1 to 255 letters, digits, dots, hyphens or underscores")


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _invalid(field: str, problem: str) -> InvalidJob:
    return InvalidJob(f"{field} {problem}", title=f"Invalid {field}", details={field: problem})
