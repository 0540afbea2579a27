"""What the text of a URL that is to be called gives away. Where its host's name leads is judged when it is called."""

import re
from urllib.parse import urlsplit

# Control characters and blanks have no place in a URL (RFC 3986, section 2); of a backslash parsers make different hosts.
_FORBIDDEN_CHARACTER = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\\]")


def url_problem(url: str, *, require_https: bool, max_length: int) -> str | None:
    """What is wrong with the text of a URL that is to be called, as the rest of a sentence; None if nothing is.

    The sentence repeats nothing of the URL, which may hold a password.
    """
    if len(url) > max_length:
        return f"must have at most {max_length} characters"
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
    # Judged on the text: an empty user (`http://@host/`) leaves no trace in the parsed URL, and parsers disagree on where
    # `host#@other` ends. So no @ may stand anywhere before the path.
    if "@" in re.split(r"[/?]", url.partition("//")[2], maxsplit=1)[0]:
        return "must not contain a user name or password"
    if not host or not host.strip(".") or "%" in host or port == 0:
        return "must name a host, and a port from 1 to 65535 if any"
    return None
