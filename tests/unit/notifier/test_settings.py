"""What the notifier reads from its environment."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.notifier.settings import NotifierSettings

JOB = UUID("9d4c2282-9b95-4f79-823b-43c73fc3f7c7")


def read(**values: Any) -> NotifierSettings:
    return NotifierSettings.model_validate(values)


def test_by_itself_it_mails_nobody() -> None:
    settings = read()
    assert (settings.mail_enabled, settings.mail_server, settings.mail_port) == (False, "localhost", 587)
    assert settings.mail_use_tls
    assert settings.sender.addr_spec == "jetcron@localhost"
    assert settings.webhook_allowed_networks == ()


def test_names_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MAIL_ENABLED": "True",
        "MAIL_SERVER": "smtp.example.com",
        "MAIL_PORT": "2525",
        "MAIL_USE_TLS": "False",
        "MAIL_USERNAME": "someone",
        "MAIL_PASSWORD": "mail-password-value",
        "MAIL_DEFAULT_SENDER": "Jobs <jobs@example.com>",
        "FRONTEND_BASE_URL": "https://jobs.example.com/ui/",
        "WEBHOOK_ALLOWED_NETWORKS": "10.0.0.0/8, fd00::/8",
    }.items():
        monkeypatch.setenv(name, value)
    settings = NotifierSettings()
    assert (settings.mail_enabled, settings.mail_server, settings.mail_port) == (
        True,
        "smtp.example.com",
        2525,
    )
    assert (settings.mail_use_tls, settings.mail_username) == (False, "someone")
    assert "mail-password-value" not in repr(settings)
    assert (settings.sender.display_name, settings.sender.addr_spec) == ("Jobs", "jobs@example.com")
    assert settings.job_url(JOB) == f"https://jobs.example.com/ui/jobs/{JOB}/edit"
    assert len(settings.webhook_allowed_networks) == 2


def test_what_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAIL_ENABLED", "MAIL_SERVER", "MAIL_PORT", "MAIL_USERNAME", "MAIL_DEFAULT_SENDER"):
        monkeypatch.setenv(name, "")
    assert NotifierSettings() == read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mail_port", 0),
        ("mail_default_sender", "nobody"),
        ("mail_default_sender", "a@b\r\nBcc: c@d"),
        ("mail_default_sender", "@"),
        ("mail_default_sender", ""),
        ("frontend_base_url", "jobs.example.com"),
        ("frontend_base_url", "https://jobs.example.com/<x>"),
        ("webhook_allowed_networks", "10.0.0.0/40"),
    ],
)
def test_what_cannot_work_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        read(**{name: value})
