"""What the notifier reads from its environment, beside the common settings."""

from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from shared.settings import EgressSettings

IMPLICIT_TLS_PORT = 465  # RFC 8314: TLS from the first byte


class NotifierSettings(EgressSettings):
    """How mails leave, and where links lead."""

    mail_enabled: bool = False
    mail_server: str = "localhost"
    mail_port: Annotated[int, Field(ge=1, le=65535)] = 587
    mail_use_tls: bool = True
    """STARTTLS, which the server must offer; on port 465 TLS is spoken from the start whatever stands here."""
    mail_username: str | None = None
    mail_password: SecretStr | None = None
    mail_default_sender: str = "jetcron@localhost"
    """An address, or a name with an address in angle brackets."""
    frontend_base_url: Annotated[str, Field(pattern=r"^https?://[^\s<>|]+$")] = "http://localhost:5173"

    @field_validator("mail_default_sender")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        sender_address(value)
        return value

    @property
    def sender(self) -> Address:
        """Who sends all mails."""
        return sender_address(self.mail_default_sender)

    def job_url(self, job_id: object) -> str:
        """Where people look at a job."""
        return f"{self.frontend_base_url.rstrip('/')}/jobs/{job_id}/edit"


def sender_address(text: str) -> Address:
    """`name <user@host>` or `user@host`; raises ValueError."""
    name, address = parseaddr(text)
    if text.isprintable() and "@" in address:
        # All of these mean that it cannot be parsed.
        with suppress(ValueError, IndexError, MessageError):
            return Address(display_name=name, addr_spec=address)
    raise ValueError("must be an address, or a name with an address in angle brackets")
