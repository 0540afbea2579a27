"""Which URLs a job may call, as far as their text says. What a host's name leads to is judged when it is called."""

import re
from urllib.parse import urlsplit

from services.gateway.domain.job import InvalidJob

MAX_URL_LENGTH = 500

# Control characters and blanks have no place in a URL (RFC 3986, section 2); of a backslash parsers make different hosts.
_FORBIDDEN_CHARACTER = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\\]")


def check_target_url(url: str, *, require_https: bool) -> None:
    """Raise `InvalidJob` unless this is an http(s) URL with a host, without credentials, of at most 500 characters."""
    problem = _problem(url, require_https)
    if problem is not None:
        raise InvalidJob(f"target_url {problem}", title="Invalid target_url", details={"target_url": problem})


def _problem(url: str, require_https: bool) -> str | None:
    if len(url) > MAX_URL_LENGTH:
        return f"must have at most {MAX_URL_LENGTH} characters"
    if _FORBIDDEN_CHARACTER.search(url):
        return "must not contain blanks, control characters or backslashes"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is not a valid URL"
    if parts.scheme not in ("http", "https"):
        return "must begin with http:// or https://"
    if require_https and parts.scheme != "https":
        return "must begin with https://"
    # Parsers disagree on where `host#@other` ends, so no @ may stand anywhere before the path.
    if "@" in re.split(r"[/?]", url.partition("//")[2], maxsplit=1)[0]:
        return "must not contain a user name or password"
    if not host or not host.strip(".") or "%" in host or port == 0:
        return "must name a host, and a port from 1 to 65535 if any"
    return None
