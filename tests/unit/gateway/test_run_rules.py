"""What a run may have of its own."""

from typing import Any

import pytest

from services.gateway.domain.job import InvalidJob
from services.gateway.domain.run import run_overrides
from services.gateway.domain.target import MissingTarget, TargetRules
from shared.domain.job import GitHubTarget, HttpMethod, Target, WebhookTarget
from shared.overrides import RunOverrides, target_of_run

RULES = TargetRules()
HOOK = WebhookTarget(url="https://example.com/hook", method=HttpMethod.POST)
WORKFLOW = GitHubTarget(owner="myorg", repo="myrepo", workflow="tests.yml", url="http://example.com/waits")
WHOLE = {"github_owner": "them", "github_repo": "theirs", "github_workflow_name": "x.yaml"}


@pytest.mark.parametrize(
    "given", [{}, {"metadata": {}, "inputs": {}}, {"target_url": "", "github_owner": None}]
)
def test_nothing_given_is_nothing(given: dict[str, Any]) -> None:
    assert run_overrides(HOOK, given, RULES) is None


@pytest.mark.parametrize(
    ("own", "given", "called"),
    [
        (HOOK, {"metadata": {"a": 1}}, HOOK),
        (HOOK, {"github_token": "secret"}, HOOK),
        (HOOK, {"target_url": "https://other.example.com/"}, HOOK.model_copy(update={"url": "https://other.example.com/"})),
        (HOOK, WHOLE, GitHubTarget(owner="them", repo="theirs", workflow="x.yaml")),
        (WORKFLOW, {"github_repo": "a/b"}, GitHubTarget(owner="a", repo="b", workflow="tests.yml")),
        (WORKFLOW, {"github_owner": "them"}, GitHubTarget(owner="them", repo="myrepo", workflow="tests.yml")),
        (WORKFLOW, {"target_url": "https://example.com/"}, WebhookTarget(url="https://example.com/")),
        (
            WORKFLOW,
            {"target_url": "https://example.com/", "github_workflow_name": "x.yml"},
            GitHubTarget(owner="myorg", repo="myrepo", workflow="x.yml"),
        ),
    ],
)  # fmt: skip
def test_what_it_calls_is_what_the_executor_makes_of_it(
    own: Target, given: dict[str, Any], called: Target
) -> None:
    overrides = run_overrides(own, given, RULES)
    assert overrides is not None
    assert target_of_run(own, overrides) == called


def test_a_workflow_without_an_owner_has_the_installations() -> None:
    given = {"github_repo": "repo", "github_workflow_name": "x.yml"}
    with pytest.raises(MissingTarget):
        run_overrides(HOOK, given, RULES)
    assert run_overrides(HOOK, given, TargetRules(default_github_owner="we")) == RunOverrides(
        github_owner="we", github_repo="repo", github_workflow_name="x.yml"
    )


def test_where_https_is_required_it_is_required_of_what_is_called() -> None:
    strict = TargetRules(require_https=True)
    with pytest.raises(InvalidJob, match="must begin with https://"):
        run_overrides(HOOK, {"target_url": "http://example.com/"}, strict)
    assert run_overrides(WORKFLOW, {"github_workflow_name": "x.yml"}, strict) is not None


def test_a_token_is_not_shown_where_overrides_are_printed() -> None:
    overrides = run_overrides(HOOK, {"github_token": "hush"}, RULES)
    assert overrides is not None
    assert (overrides.github_token, "hush" in repr(overrides)) == ("hush", False)
