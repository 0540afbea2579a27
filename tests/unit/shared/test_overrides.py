"""What a run has of its own: which target it makes, and how it travels."""

from uuid import uuid4

import pytest

from shared.domain.job import GitHubTarget, HttpMethod, Target, WebhookTarget
from shared.overrides import (
    IncompleteWorkflow,
    RunOverrides,
    open_overrides,
    seal_overrides,
    target_of_run,
)
from shared.secretbox import SecretBox, UnknownKey

BOX = SecretBox("one key")
URL = "https://example.com/instead"
POST = WebhookTarget(url="https://example.com/own", method=HttpMethod.POST)
DEPLOY = GitHubTarget(
    owner="acme",
    repo="deploys",
    workflow="deploy.yml",
    url="https://example.com/kept",
    method=HttpMethod.POST,
)
WHOLE = {"github_owner": "o", "github_repo": "r", "github_workflow_name": "w.yml"}


class TestTarget:
    @pytest.mark.parametrize(
        ("own", "given", "target"),
        [
            (POST, {}, POST),
            (DEPLOY, {}, DEPLOY),
            # A token is no part of a workflow, and empty text is nothing.
            (POST, {"github_token": "t"}, POST),
            (POST, {"target_url": "", "github_repo": ""}, POST),
            (POST, {"target_url": URL}, WebhookTarget(url=URL, method=HttpMethod.POST)),
            (DEPLOY, {"target_url": URL}, WebhookTarget(url=URL, method=HttpMethod.POST)),
            (POST, WHOLE, GitHubTarget(owner="o", repo="r", workflow="w.yml")),
            (POST, {**WHOLE, "target_url": URL}, GitHubTarget(owner="o", repo="r", workflow="w.yml")),
            (DEPLOY, {"github_repo": "r"}, GitHubTarget(owner="acme", repo="r", workflow="deploy.yml")),
            (
                DEPLOY,
                {"github_workflow_name": "w.yml", "target_url": URL},
                GitHubTarget(owner="acme", repo="deploys", workflow="w.yml"),
            ),
        ],
    )
    def test_it_is_the_workflow_then_the_url_then_the_job_s_own(
        self, own: Target, given: dict[str, str], target: Target
    ) -> None:
        assert target_of_run(own, RunOverrides.model_validate(given)) == target

    @pytest.mark.parametrize("given", [{"github_repo": "r"}, {"github_owner": "o", "target_url": URL}])
    def test_half_a_workflow_is_none(self, given: dict[str, str]) -> None:
        with pytest.raises(IncompleteWorkflow) as refusal:
            target_of_run(POST, RunOverrides.model_validate(given))
        assert refusal.value.title == "Missing target configuration"


class TestSealing:
    def test_they_are_opened_as_they_were_for_their_run_only(self) -> None:
        run, overrides = uuid4(), RunOverrides(github_token="hunter2", metadata={"a": [1, {"b": None}]})
        sealed = seal_overrides(BOX, run, overrides)
        assert open_overrides(BOX, run, sealed) == overrides
        with pytest.raises(ValueError, match="does not belong here"):
            open_overrides(BOX, uuid4(), sealed)
        with pytest.raises(UnknownKey):
            open_overrides(SecretBox("another key"), run, sealed)

    def test_a_token_is_not_shown(self) -> None:
        assert "hunter2" not in repr(RunOverrides(github_token="hunter2"))
