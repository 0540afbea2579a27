"""Mails by SMTP, one connection and one recipient each, so that no address can keep a mail from another one."""

import asyncio
import re
import ssl
from typing import ClassVar, NoReturn

import aiosmtplib

from services.notifier.channels.channel import Deferred, Refused, Unreachable
from services.notifier.channels.letter import LetterWriter
from services.notifier.settings import IMPLICIT_TLS_PORT, NotifierSettings
from shared.bus.subjects import MAIL
from shared.events import MailQueued

STEP_SECONDS = 10.0
"""For each answer on the way to the mail, and for the goodbye behind it."""
TAKING_SECONDS = 600.0
"""For the mail itself. Servers look at it before they take it, and whoever does not wait sends it twice (RFC 5321, 4.5.3.2.6)."""
SERVICE_CLOSING = 421  # RFC 5321, 3.8: the server, not this mail
MAX_ANSWER_LENGTH = 120

_ADDRESS = re.compile(r"\S+@\S+")


class EmailChannel:
    """The SMTP server of the settings."""

    name: ClassVar[str] = MAIL

    def __init__(self, settings: NotifierSettings) -> None:
        self._settings = settings
        self._writer = LetterWriter(settings.sender)
        self._tls = ssl.create_default_context()

    async def send(self, notice: MailQueued) -> None:
        """Hand the mail to the server."""
        letter = self._writer.write(notice)
        [to] = letter["To"].addresses
        try:
            # Within the connection: how the goodbye goes makes no difference to a mail that was taken.
            async with self._connection() as server, asyncio.timeout(TAKING_SECONDS):
                await server.send_message(
                    letter,
                    sender=self._settings.sender.addr_spec,
                    recipients=to.addr_spec,
                    timeout=TAKING_SECONDS,
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            _judge(error.recipients[0])
        except aiosmtplib.SMTPDataError as error:
            _judge(error)
        except aiosmtplib.SMTPNotSupported as error:
            if to.addr_spec.isascii():
                raise Unreachable("the server does not offer what the settings ask for") from error
            raise Refused("the server takes no international addresses") from error
        except aiosmtplib.SMTPResponseException as error:
            # Greeting, login, sender: nothing that another mail would not meet as well.
            raise Unreachable(_answer(error)) from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise Unreachable(type(error).__name__) from error

    def _connection(self) -> aiosmtplib.SMTP:
        settings = self._settings
        implicit = settings.mail_port == IMPLICIT_TLS_PORT
        password = settings.mail_password
        return aiosmtplib.SMTP(
            hostname=settings.mail_server,
            port=settings.mail_port,
            username=settings.mail_username,
            password=password.get_secret_value() if password is not None else None,
            use_tls=implicit,
            start_tls=settings.mail_use_tls and not implicit,
            tls_context=self._tls,
            timeout=STEP_SECONDS,
        )


def _judge(error: aiosmtplib.SMTPResponseException) -> NoReturn:
    if error.code == SERVICE_CLOSING:
        raise Unreachable(_answer(error)) from error
    if 500 <= error.code < 600:
        raise Refused(_answer(error)) from error
    raise Deferred(_answer(error)) from error


def _answer(error: aiosmtplib.SMTPResponseException) -> str:
    """What the server said, without the addresses that servers like to repeat."""
    text = " ".join(_ADDRESS.sub("...", error.message).split())
    return f"SMTP {error.code}: {text[:MAX_ANSWER_LENGTH]}"
