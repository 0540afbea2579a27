"""What a run that somebody asks for may have of its own, in place of the job's."""

from collections.abc import Mapping
from typing import Any

from services.gateway.domain.job import InvalidJob
from services.gateway.domain.target import TargetRules, check_target_url, make_target
from shared.domain.job import GitHubTarget, Target
from shared.overrides import RunOverrides

MAX_ORDER_BYTES = 256 * 1024
"""Of a work order as it travels; the bus takes twice as much."""

_GITHUB = {"github_owner": "owner", "github_repo": "repo", "github_workflow_name": "workflow"}


class OrderTooLarge(InvalidJob):
    """The run's own metadata and inputs are too much beside the job's."""

    title = "Invalid payload"

    def __init__(self) -> None:
        super().__init__(
            f"The run and its job together must have at most {MAX_ORDER_BYTES // 1024} KiB; send less with it."
        )


def run_overrides(own: Target, given: Mapping[str, Any], rules: TargetRules) -> RunOverrides | None:
    """The given fields of `RunOverrides`, checked as a job's would be; None if nothing is given. Empty text is not.

    Parts of a workflow are completed from the job's own, so that what is called follows from the overrides alone.
    Raises `MissingTarget` and `InvalidJob`.
    """
    fields = {name: value for name, value in given.items() if value not in (None, "", {})}
    workflow = {name: fields[name] for name in _GITHUB if name in fields}
    url = fields.get("target_url")
    if workflow:
        if isinstance(own, GitHubTarget):
            workflow = {name: getattr(own, part) for name, part in _GITHUB.items()} | workflow
        whole = make_target(workflow, rules)
        fields |= {name: getattr(whole, part) for name, part in _GITHUB.items()}
    if url is not None:
        check_target_url(url, require_https=rules.require_https)
    return RunOverrides(**fields) if fields else None
