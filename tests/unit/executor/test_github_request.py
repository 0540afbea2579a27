"""What a dispatch sends: the ref, the inputs as text, the path, and what is not even tried."""

import json
from ipaddress import ip_network
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.targets.github import (
    MAX_INPUT_CHARACTERS,
    Dispatch,
    dispatch_url,
    dispatch_workflow,
    input_texts,
    inputs_problem,
    ref_of,
)
from shared.domain.job import GitHubTarget
from shared.egress import EgressPolicy, guarded_session

NOBODY = "http://127.0.0.1:9000"
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@pytest.mark.parametrize(
    ("metadata", "ref"),
    [
        ({}, "main"),
        ({"branch": "a", "ref": "b", "branchDetails": "c"}, "a"),
        ({"ref": "b", "branchDetails": "c"}, "b"),
        ({"branchDetails": "c"}, "c"),
        ({"branch": "", "ref": "  ", "branchDetails": " c "}, "c"),
        ({"branch": 7, "ref": ["x"], "branchDetails": None}, "main"),
    ],
)
def test_the_ref_is_the_first_text_that_names_one(metadata: dict[str, object], ref: str) -> None:
    assert ref_of(metadata) == ref


def test_inputs_are_texts_and_null_is_none() -> None:
    payload = {
        "text": "as it is ",
        "yes": True,
        "no": False,
        "whole": 3,
        "broken": 0.5,
        "list": [1, "ü", None],
        "object": {"a": {"b": False}},
        "nothing": None,
        "empty": "",
    }
    assert input_texts(payload) == {
        "text": "as it is ",
        "yes": "true",
        "no": "false",
        "whole": "3",
        "broken": "0.5",
        "list": '[1,"ü",null]',
        "object": '{"a":{"b":false}}',
        "empty": "",
    }


@given(st.dictionaries(st.text(), VALUES))
def test_every_input_is_a_text_that_keeps_its_value(payload: dict[str, object]) -> None:
    inputs = input_texts(payload)
    assert set(inputs) == {name for name, value in payload.items() if value is not None}
    for name, text in inputs.items():
        value = payload[name]
        assert text == value if isinstance(value, str) else json.loads(text) == value


class TestLimits:
    def test_25_inputs_pass_and_26_do_not(self) -> None:
        inputs = {str(number): "" for number in range(25)}
        assert inputs_problem(inputs) is None
        assert inputs_problem(inputs | {"one": "more"}) == "GitHub takes at most 25 inputs, and there are 26"

    def test_characters_are_counted_as_they_are_sent(self) -> None:
        around = len('{"a":""}')
        assert inputs_problem({"a": "ü" * (MAX_INPUT_CHARACTERS - around)}) is None
        assert (
            inputs_problem({"a": "ü" * (MAX_INPUT_CHARACTERS - around + 1)})
            == "GitHub takes at most 65,535 characters of inputs, and there are 65,536"
        )


@pytest.mark.parametrize(
    ("owner", "repo", "workflow"),
    [
        ("acme", "a.b_c-d", "x.yml"),
        ("x/y?", "#@evil", "a b"),
        ("a\r\nX: 1", "\\..\\", "%2e%2E"),
        ("日本", "ü", "%"),
    ],
)
def test_parts_of_the_path_stay_parts(owner: str, repo: str, workflow: str) -> None:
    target = GitHubTarget(owner=owner, repo=repo, workflow=workflow)
    dialled = EgressPolicy().check_url(dispatch_url("https://api.github.com", target))
    parts = [unquote(part) for part in dialled.raw_path.split("/")]
    assert parts == ["", "repos", owner, repo, "actions", "workflows", workflow, "dispatches"]
    assert (dialled.host, dialled.query_string, dialled.fragment) == ("api.github.com", "", "")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"token": None}, "GitHub token not configured"),
        ({"token": ""}, "GitHub token not configured"),
        ({"token": "gh\r\nX-Evil: 1"}, "The GitHub token has characters that no token has"),
        ({"token": "ghp_ü"}, "The GitHub token has characters that no token has"),
        ({"target": GitHubTarget(owner="..", repo="..", workflow="x.yml")}, "The workflow's owner, repository or file is no name"),
        ({"target": GitHubTarget(owner="acme", repo="deploys", workflow="")}, "The workflow's owner, repository or file is no name"),
        ({"payload": {str(number): 1 for number in range(26)}}, "GitHub takes at most 25 inputs, and there are 26"),
    ],
)  # fmt: skip
async def test_what_github_would_refuse_is_not_sent(change: dict[str, object], error: str) -> None:
    fields: dict[str, object] = {
        "target": GitHubTarget(owner="acme", repo="deploys", workflow="deploy.yml"),
        "token": "ghp_hunter2",
        "metadata": {},
        "payload": {},
        "timeout_seconds": 1,
    }
    policy = EgressPolicy(allowed_networks=(ip_network("0.0.0.0/32"),))
    async with guarded_session(policy) as session:
        dispatch = Dispatch(**{**fields, **change})  # type: ignore[arg-type] # of the types above
        result = await dispatch_workflow(session, policy, NOBODY, dispatch)
    # The guard would refuse this host: its words would be the error if it had come to that.
    assert (result.ok, result.error, result.response_status) == (False, error, None)
    assert "hunter2" not in repr(dispatch)
