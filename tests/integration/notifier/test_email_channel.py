"""How mails leave: with or without TLS, with a login, and never past a certificate that nobody vouches for."""

import asyncio
import datetime
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.notifier.channels import email as email_module
from services.notifier.channels.channel import Deferred, Refused, Unreachable
from services.notifier.channels.email import EmailChannel
from services.notifier.settings import NotifierSettings
from shared.clock import utc_now
from tests.fixtures.mail import MailServer
from tests.fixtures.notices import make_mail

LOGIN = ("someone", "a password")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for this machine that nobody vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(utc_now() - datetime.timedelta(days=1))
        .not_valid_after(utc_now() + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
async def secured(mail_server: MailServer, certificate: Path) -> MailServer:
    """The server asks for TLS."""
    mail_server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    mail_server.tls.load_cert_chain(certificate)
    return mail_server


@pytest.fixture
def vouched_for(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine trusts the certificate, as it may trust that of a company."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def channel(server: MailServer, **overrides: object) -> EmailChannel:
    values = {"mail_server": "127.0.0.1", "mail_port": server.port, "mail_default_sender": "jobs@example.com"}
    return EmailChannel(NotifierSettings.model_validate({**values, **overrides}))


async def test_in_clear_when_the_settings_say_so(mail_server: MailServer) -> None:
    await channel(mail_server, mail_use_tls=False).send(make_mail())
    [mail] = mail_server.mails
    assert (mail.sender, mail.recipients) == ("jobs@example.com", ("ops@example.com",))


async def test_with_starttls(secured: MailServer, vouched_for: None) -> None:
    await channel(secured).send(make_mail())
    assert len(secured.mails) == 1


async def test_with_a_login(secured: MailServer, vouched_for: None) -> None:
    secured.login = LOGIN
    user, password = LOGIN
    await channel(secured, mail_username=user, mail_password=password).send(make_mail())
    assert len(secured.mails) == 1


async def test_with_tls_from_the_start(
    secured: MailServer, vouched_for: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await secured.stop()
    secured.implicit_tls = True
    await secured.start()
    monkeypatch.setattr(email_module, "IMPLICIT_TLS_PORT", secured.port)
    await channel(secured).send(make_mail())
    assert len(secured.mails) == 1


async def test_a_certificate_that_nobody_vouches_for_is_not_accepted(secured: MailServer) -> None:
    with pytest.raises(Unreachable):
        await channel(secured).send(make_mail())
    assert secured.attempts == []


async def test_a_server_without_tls_gets_nothing_when_tls_is_wanted(mail_server: MailServer) -> None:
    with pytest.raises(Unreachable):
        await channel(mail_server).send(make_mail())
    assert mail_server.attempts == []


async def test_a_wrong_password_is_not_the_mails_fault(secured: MailServer, vouched_for: None) -> None:
    secured.login = LOGIN
    with pytest.raises(Unreachable, match="535"):
        await channel(secured, mail_username="someone", mail_password="wrong").send(make_mail())


async def test_a_silent_server_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email_module, "STEP_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = MailServer()
        mute.port = silent.getsockname()[1]
        async with asyncio.timeout(5):
            with pytest.raises(Unreachable):
                await channel(mute, mail_use_tls=False).send(make_mail())


async def test_a_server_that_looks_long_at_a_mail_is_waited_for(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(email_module, "STEP_SECONDS", 0.3)
    mail_server.delay = 1.0
    await channel(mail_server, mail_use_tls=False).send(make_mail())
    assert len(mail_server.mails) == 1


async def test_nobody_there(mail_server: MailServer) -> None:
    await mail_server.stop()
    with pytest.raises(Unreachable):
        await channel(mail_server, mail_use_tls=False).send(make_mail())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("550 5.1.1 unknown", Refused), ("451 4.7.1 later", Deferred), ("421 4.3.2 closing", Unreachable)],
)
async def test_what_the_server_says_of_the_recipient(
    mail_server: MailServer, answer: str, expected: type[Exception]
) -> None:
    mail_server.refusals["ops@example.com"] = answer
    with pytest.raises(expected, match=answer[:3]) as raised:
        await channel(mail_server, mail_use_tls=False).send(make_mail())
    assert "ops@example.com" not in str(raised.value)


async def test_an_international_address_arrives(mail_server: MailServer) -> None:
    await channel(mail_server, mail_use_tls=False).send(make_mail(to="jürgen@bücher.example"))
    [mail] = mail_server.mails
    assert mail.recipients == ("jürgen@xn--bcher-kva.example",)


async def test_long_lines_and_lone_dots_arrive_as_they_are(mail_server: MailServer) -> None:
    error = "x" * 3_000 + "\n.\n..\nFrom here"
    await channel(mail_server, mail_use_tls=False).send(make_mail(error=error))
    [mail] = mail_server.mails
    assert error in mail.text("plain")
    assert max(map(len, mail.raw.split(b"\r\n"))) <= 998
