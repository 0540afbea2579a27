import sys
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError
from typer.testing import CliRunner

from services.cli.main import app
from shared.settings import CommonSettings


class ServiceSettings(CommonSettings):
    required_key: SecretStr


class Message(BaseModel):
    number: int


def stand_in(monkeypatch: pytest.MonkeyPatch, service: str, run: Any) -> None:
    monkeypatch.setitem(sys.modules, f"services.{service}.app", SimpleNamespace(run=run))


class TestServices:
    def test_the_gateway_is_told_where_to_listen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[dict[str, object]] = []
        stand_in(monkeypatch, "gateway", lambda **options: calls.append(options))
        runner = CliRunner()
        assert runner.invoke(app, ["gateway"]).exit_code == 0
        assert runner.invoke(app, ["gateway", "--host", "::1", "--port", "81"]).exit_code == 0
        assert calls == [{"host": "127.0.0.1", "port": 5001}, {"host": "::1", "port": 81}]

    @pytest.mark.parametrize("service", ["scheduler", "executor", "notifier"])
    def test_each_service_runs_without_options(self, monkeypatch: pytest.MonkeyPatch, service: str) -> None:
        calls: list[str] = []
        stand_in(monkeypatch, service, lambda: calls.append(service))
        assert CliRunner().invoke(app, [service]).exit_code == 0
        assert calls == [service]

    def test_a_port_that_cannot_be_is_refused(self) -> None:
        assert CliRunner().invoke(app, ["gateway", "--port", "65536"]).exit_code == 2

    def test_the_version_is_the_packages(self) -> None:
        result = CliRunner().invoke(app, ["version"])
        assert (result.exit_code, result.output.count(".")) == (0, 2)


class TestConfigurationErrors:
    @pytest.fixture(autouse=True)
    def executor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stand_in(monkeypatch, "executor", ServiceSettings)

    def test_each_problem_is_one_line_with_the_variables_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SCHEDULER_TIMEZONE", "Mars/Base")
        result = CliRunner().invoke(app, ["executor"])
        assert result.exit_code == 2
        assert result.stderr.splitlines() == [
            "jetcron: configuration: SCHEDULER_TIMEZONE: 'Mars/Base' is not an IANA time zone",
            "jetcron: configuration: REQUIRED_KEY: Field required",
        ]

    def test_no_secret_is_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ENVIRONMENT", "production")
        monkeypatch.setenv("REQUIRED_KEY", "hush-hush")
        monkeypatch.setenv("SECRET_KEY", "too-short-but-secret")
        result = CliRunner().invoke(app, ["executor"])
        assert result.exit_code == 2
        assert result.output.splitlines() == [
            "jetcron: configuration: SECRET_KEY must have at least 32 bytes in production"
        ]

    def test_what_is_no_setting_keeps_its_traceback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stand_in(monkeypatch, "notifier", lambda: Message.model_validate({"number": "x"}))
        result = CliRunner().invoke(app, ["notifier"])
        assert isinstance(result.exception, ValidationError)
