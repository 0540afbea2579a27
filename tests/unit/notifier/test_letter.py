"""What mails look like, and what names cannot do to them."""

import email
from datetime import date
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.channels.channel import Refused
from services.notifier.channels.letter import LetterWriter
from services.notifier.settings import sender_address
from services.notifier.wording import one_line
from shared.events import MailQueued
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.notices import JOB, NOTICE, job_url, make_mail

WRITER = LetterWriter(sender_address("jetcron <noreply@jetcron.example>"))
SCALARS = st.text(st.characters(exclude_categories=["Cs"]))


def arrived(mail: MailQueued) -> EmailMessage:
    """The mail as a reader sees it who got it over the wire."""
    message = email.message_from_bytes(WRITER.write(mail).as_bytes(policy=SMTP), policy=SMTP)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, subtype: str) -> str:
    found = message.get_body((subtype,))
    assert found is not None
    content: str = found.get_content()
    return content.replace("\r\n", "\n")


def test_a_failure() -> None:
    message = arrived(make_mail())
    assert message["Subject"] == "🔴 Job Failure Alert: Critical Data Sync Job"
    assert message["From"] == "jetcron <noreply@jetcron.example>"
    assert message["To"] == "ops@example.com"
    assert message["Message-ID"] == f"<{NOTICE}@jetcron.example>"
    assert message["Date"].datetime == SOME_TIME
    assert message["Auto-Submitted"] == "auto-generated"
    assert [one.get_content_type() for one in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert part(message, "plain").splitlines() == [
        "Job Execution Failed",
        "====================",
        "",
        "Job Name: Critical Data Sync Job",
        f"Job ID: {JOB}",
        "Error: Webhook returned status 500",
        "",
        "The execution shows each attempt and what came back.",
        "",
        job_url(JOB),
    ]
    html = part(message, "html")
    for text in ("Job Execution Failed", "Critical Data Sync Job", str(JOB), "Webhook returned status 500"):
        assert text in html
    assert f'<a href="{job_url(JOB)}">' in html


def test_a_success() -> None:
    message = arrived(make_mail(about="success", error=None, duration_seconds=45.2345))
    assert message["Subject"] == "✅ Job Success: Critical Data Sync Job"
    lines = part(message, "plain").splitlines()
    assert lines[:2] == ["Job Completed Successfully", "=========================="]
    assert lines[3:6] == ["Job Name: Critical Data Sync Job", f"Job ID: {JOB}", "Duration: 45.23 seconds"]
    assert "45.23 seconds" in part(message, "html")


def test_a_job_that_has_ended() -> None:
    message = arrived(make_mail(about="ended", error=None, last_day=date(2026, 11, 20)))
    assert message["Subject"].endswith("Job Paused: Critical Data Sync Job")
    assert "Last Day: 2026-11-20" in part(message, "plain")


def test_a_job_that_failed_too_often() -> None:
    message = arrived(make_mail(about="failing", error=None, failures=5))
    assert message["Subject"].endswith("Job Paused: Critical Data Sync Job")
    lines = part(message, "plain").splitlines()
    assert (lines[0], lines[5]) == ("Job Auto-Paused", "Failures in a Row: 5")


def test_a_mail_is_the_same_each_time_it_is_sent() -> None:
    first, second = arrived(make_mail()), arrived(make_mail())
    for header in ("Subject", "Message-ID", "Date", "To"):
        assert first[header] == second[header]


def test_a_name_cannot_add_a_header() -> None:
    message = arrived(make_mail(job_name="harmless\r\nBcc: victim@example.com\r\n\r\nHello"))
    assert message["Bcc"] is None
    assert message["Subject"] == "🔴 Job Failure Alert: harmless  Bcc: victim@example.com    Hello"


@pytest.mark.parametrize(
    "user",
    [
        "=?utf-8?b?eEBldmlsLmV4YW1wbGUNClN1YmplY3Q6IHk=?=",
        "=?utf-8?q?x=40evil.example=2C?=",
        "ops.=?utf-8?q?=0D=0ABcc=3A_x?=",
    ],
)
def test_an_address_cannot_hide_a_header_in_an_encoded_word(user: str) -> None:
    with pytest.raises(Refused):
        WRITER.write(make_mail(to=f"{user}@example.com"))


def test_a_name_cannot_add_html() -> None:
    html = part(arrived(make_mail(job_name="<script>x</script>", error="<img src=x>")), "html")
    assert "<script>" not in html
    assert "<img" not in html
    assert "&lt;script&gt;x&lt;/script&gt;" in html


def test_an_error_keeps_its_lines_and_loses_other_control_characters() -> None:
    text = part(arrived(make_mail(error="first\r\nsecond\x07\x00")), "plain")
    assert "Error: first\nsecond  \n" in text


@pytest.mark.parametrize("braces", ["{name}", "{0}", "{name.__class__}", "%s"])
def test_a_name_is_no_template(braces: str) -> None:
    message = arrived(make_mail(job_name=braces))
    assert message["Subject"] == f"🔴 Job Failure Alert: {braces}"
    assert f"Job Name: {braces}" in part(message, "plain")


@given(name=SCALARS.filter(lambda text: text == text.strip() and text))
def test_whatever_the_name_the_subject_arrives_and_nothing_else_does(name: str) -> None:
    letter = WRITER.write(make_mail(job_name=name))
    message = arrived(make_mail(job_name=name))
    assert sorted(message.keys()) == sorted(letter.keys())
    assert message["Subject"] == f"🔴 Job Failure Alert: {one_line(name)}"
    assert all(
        len(line) <= 78 for line in letter.as_string(policy=SMTP).partition("\r\n\r\n")[0].splitlines()
    )


@given(name=SCALARS, error=SCALARS)
def test_whatever_they_are_name_and_error_arrive_in_the_text(name: str, error: str) -> None:
    text = part(arrived(make_mail(job_name=name, error=error)), "plain")
    assert f"Job Name: {one_line(name)}".rstrip() in text
    for line in error.splitlines():
        assert one_line(line) in text


def test_an_international_domain_is_written_as_servers_know_it() -> None:
    assert WRITER.write(make_mail(to="ops@bücher.example"))["To"].addresses[0].addr_spec == (
        "ops@xn--bcher-kva.example"
    )


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "@",
        "a@",
        "@b",
        "a@b, c@d",
        "a@b\r\nBcc: c@d",
        "<a>@b",
        "a b@c",
        "a@" + "x" * 64 + ".com",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Refused):
        WRITER.write(make_mail(to=address))
