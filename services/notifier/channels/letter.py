"""What a mail says: its subject, its two parts and its headers. No input or output beside the templates.

A job's name and its error are other people's text. Names lose what could end a header, and the HTML part escapes everything.
"""

import re
from dataclasses import dataclass
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.notifier.channels.channel import Refused
from services.notifier.wording import one_line, several_lines
from shared.events import MailQueued

# No quoted forms: whoever wants to write two addresses, a comment or a header into one uses those characters. Nor what
# begins an encoded word: the library writes such a word decoded, and with it the line breaks that it holds.
_USER = re.compile(r"(?!.*=\?)[^\s\x00-\x20\x7f\"(),:;<>@\[\\\]]+")
_HOST = re.compile(r"[A-Za-z0-9.-]+")
TEMPLATES = Path(__file__).parent.parent / "templates"


@dataclass(frozen=True, slots=True)
class _Form:
    subject: str
    """What stands before the job's name."""
    title: str
    color: str
    closing: str


_FORMS = {
    "failure": _Form(
        subject="🔴 Job Failure Alert: ",
        title="Job Execution Failed",
        color="#b3261e",
        closing="The execution shows each attempt and what came back.",
    ),
    "success": _Form(
        subject="✅ Job Success: ",
        title="Job Completed Successfully",
        color="#1e7d32",
        closing="There is nothing to do: this is sent because the job asks for it.",
    ),
    "ended": _Form(
        subject="⏸️ Job Paused: ",
        title="Job Auto-Paused",
        color="#8a5a00",
        closing="It runs no more. Give it a later end date and enable it if it should go on.",
    ),
    "failing": _Form(
        subject="⏸️ Job Paused: ",
        title="Job Auto-Paused",
        color="#8a5a00",
        closing="It runs no more. Its executions show what went wrong; enable it when that is mended.",
    ),
}


class LetterWriter:
    """Writes all mails of one sender."""

    def __init__(self, sender: Address) -> None:
        self._sender = sender
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            keep_trailing_newline=True,
        )

    def write(self, mail: MailQueued) -> EmailMessage:
        """The mail, the same each time it is sent; raises `Refused` when the address is none."""
        form, name = _FORMS[mail.about], one_line(mail.job_name)
        letter = EmailMessage(policy=SMTP)
        letter["From"] = self._sender
        letter["To"] = recipient(mail.to)
        # Folding by the policy loses blanks of long subjects that are not ASCII (seen in Python 3.11).
        letter.set_raw("Subject", Header(form.subject + name, "utf-8", header_name="Subject").encode())
        letter["Date"] = format_datetime(mail.created_at)
        letter["Message-ID"] = f"<{mail.notification_id}@{self._sender.domain}>"
        letter["Auto-Submitted"] = "auto-generated"
        content = {
            "title": form.title,
            "color": form.color,
            "closing": form.closing,
            "lines": _lines(mail, name),
            "job_url": mail.job_url,
        }
        letter.set_content(self._templates.get_template("mail.txt").render(content))
        letter.add_alternative(self._templates.get_template("mail.html").render(content), subtype="html")
        return letter


def recipient(address: str) -> Address:
    """The address as mail servers take it; raises `Refused` when it is none."""
    user, _, domain = address.rpartition("@")
    try:
        # Most servers know international domains in this form only.
        host = domain.encode("idna").decode()
    except UnicodeError:
        host = ""
    if not (_USER.fullmatch(user) and _HOST.fullmatch(host)):
        raise Refused("the address cannot be written into a mail")
    return Address(username=user, domain=host)


def _lines(mail: MailQueued, name: str) -> list[tuple[str, str]]:
    lines = [("Job Name", name), ("Job ID", str(mail.job_id))]
    if mail.error is not None:
        lines.append(("Error", several_lines(mail.error)))
    if mail.duration_seconds is not None:
        lines.append(("Duration", f"{mail.duration_seconds:.2f} seconds"))
    if mail.last_day is not None:
        lines.append(("Last Day", mail.last_day.isoformat()))
    if mail.failures is not None:
        lines.append(("Failures in a Row", str(mail.failures)))
    return lines
