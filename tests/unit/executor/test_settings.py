"""GITHUB_API_URL: where the operator's token goes."""

import pytest
from pydantic import ValidationError

from services.executor.settings import ExecutorSettings
from shared.egress import EgressRefused


def settings(**values: object) -> ExecutorSettings:
    return ExecutorSettings.model_validate(values)


class TestGitHubApi:
    @pytest.mark.parametrize(
        ("url", "base"),
        [
            ("https://api.github.com", "https://api.github.com"),
            ("https://api.github.com/", "https://api.github.com"),
            ("https://github.example.com/api/v3/", "https://github.example.com/api/v3"),
            ("http://github.internal:8080/api/v3", "http://github.internal:8080/api/v3"),
        ],
    )
    def test_it_has_no_slash_at_its_end(self, url: str, base: str) -> None:
        assert settings(github_api_url=url).github_base == base

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("ftp://github.example.com", "must begin with http:// or https://"),
            ("github.example.com", "must begin with http:// or https://"),
            ("https://u:hunter2@github.example.com", "must not contain a user name or password"),
            ("https://github.example.com?x=hunter2", "must end with its path"),
            ("https://github.example.com#hunter2", "must end with its path"),
            ("https://github.example.com:22", "port 22 of github.example.com does not speak HTTP"),
        ],
    )
    def test_a_wrong_one_keeps_the_executor_from_starting(self, url: str, problem: str) -> None:
        with pytest.raises(ValidationError) as refusal:
            settings(github_api_url=url)
        [error] = refusal.value.errors(include_input=False)
        assert error["msg"].startswith("Value error, GITHUB_API_URL: ")
        assert problem in error["msg"]
        assert "hunter2" not in error["msg"]

    def test_where_https_is_required_only_this_machine_may_do_without(self) -> None:
        for url in (
            "http://127.0.0.1:8080",
            "http://localhost:8080",
            "http://[::1]:8080",
            "https://h.example",
        ):
            settings(github_api_url=url, webhook_require_https=True)
        with pytest.raises(ValidationError, match="must begin with https://"):
            settings(github_api_url="http://127.0.0.1.example", webhook_require_https=True)

    def test_the_token_is_not_shown(self) -> None:
        assert "hunter2" not in repr(settings(github_token="hunter2"))


class TestGuards:
    def test_the_public_api_must_be_at_a_public_address(self) -> None:
        policy = settings(webhook_allowed_networks="10.0.0.0/8").github_policy
        policy.check_address("140.82.121.6")
        for address in ("10.0.0.1", "127.0.0.1", "169.254.169.254"):
            with pytest.raises(EgressRefused):
                policy.check_address(address)

    def test_one_of_the_operator_s_may_be_in_a_private_network(self) -> None:
        policy = settings(github_api_url="http://github.internal/api/v3").github_policy
        for address in ("10.0.0.1", "127.0.0.1", "192.168.1.1", "fd00::1", "::1", "140.82.121.6"):
            policy.check_address(address)
        for address in ("169.254.169.254", "fe80::1", "::", "224.0.0.1", "168.63.129.16"):
            with pytest.raises(EgressRefused):
                policy.check_address(address)

    def test_that_exempts_nothing_but_the_api(self) -> None:
        given = settings(github_api_url="http://github.internal:8080/api/v3")
        given.github_policy.check_url("http://github.internal:8080/api/v3/repos/x")
        for url in (
            "http://github.internal/",
            "https://github.internal:8080/",
            "http://other.internal:8080/",
        ):
            with pytest.raises(EgressRefused, match=r"is not one of http://github\.internal:8080$"):
                given.github_policy.check_url(url)
        with pytest.raises(EgressRefused):
            given.webhook_policy.check_address("10.0.0.1")
