"""The URL of the Slack webhook: whoever has it can post, so it is sealed in SQL, in events and on the bus."""

import base64

from shared.secretbox import SecretBox

_CONTEXT = "settings:slack"


def seal_webhook_url(box: SecretBox, url: str) -> str:
    """The URL as text that may be stored."""
    return base64.b64encode(box.seal(url.encode(), _CONTEXT)).decode()


def open_webhook_url(box: SecretBox, sealed: str) -> str:
    """The URL; raises `UnknownKey` when another key sealed it, ValueError when it was tampered with."""
    return box.open(base64.b64decode(sealed, validate=True), _CONTEXT).decode()
