"""Text that others wrote, made fit for a subject line or for Slack. Names and errors are not trusted."""

import re
import unicodedata

MAX_SLACK_ERROR_LENGTH = 300

# Marks that turn the reading direction around make a name read like another one; joiners are part of emoji and stay.
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})
# https://docs.slack.dev/messaging/formatting-message-text: what administrators write to mention a person or a group.
_MENTION = re.compile(r"<(@[A-Z0-9]+|!subteam\^[A-Z0-9]+|!here|!channel)>")


def one_line(text: str) -> str:
    """The text without line breaks and other control characters; a blank stands for each."""
    return "".join(
        " " if character in _TURNS or unicodedata.category(character) in _BREAKS else character
        for character in text
    )


def several_lines(text: str) -> str:
    """The text with its line breaks, and no other control characters."""
    return "\n".join(one_line(line) for line in text.splitlines())


def for_slack(text: str) -> str:
    """One line that mentions nobody and links nowhere."""
    return one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def first_line(text: str) -> str:
    """The first line that says something, cut to what fits into a message."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line), "")[:MAX_SLACK_ERROR_LENGTH]


def mention(handle: str | None) -> str:
    """A team's handle as an administrator wrote it, and a blank; nothing without a handle."""
    if not handle:
        return ""
    return f"{handle if _MENTION.fullmatch(handle) else for_slack(handle)} "
