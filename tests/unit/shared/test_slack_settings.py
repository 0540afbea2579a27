"""The Slack URL is readable with the key that sealed it, and not without."""

import pytest

from shared.secretbox import SecretBox, UnknownKey
from shared.slack_settings import open_webhook_url, seal_webhook_url

URL = "https://hooks.slack.com/services/T000/B000/secret"


def test_what_was_sealed_can_be_opened() -> None:
    sealed = seal_webhook_url(SecretBox("secret"), URL)
    assert sealed.isascii()
    assert "hooks" not in sealed
    assert open_webhook_url(SecretBox("secret"), sealed) == URL


def test_the_same_url_is_sealed_differently_each_time() -> None:
    box = SecretBox("secret")
    assert seal_webhook_url(box, URL) != seal_webhook_url(box, URL)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(UnknownKey):
        open_webhook_url(SecretBox("other"), seal_webhook_url(SecretBox("secret"), URL))


@pytest.mark.parametrize("broken", ["", "not base64!", "YWJj"])
def test_what_was_never_sealed_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        open_webhook_url(SecretBox("secret"), broken)
