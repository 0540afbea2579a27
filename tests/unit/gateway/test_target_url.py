"""What the text of a URL gives away. Where a host's name leads is judged when it is called."""

import pytest

from services.gateway.domain.job import InvalidJob
from services.gateway.domain.target import check_target_url

WRONG_SCHEME = "must begin with http:// or https://"
USER_INFO = "must not contain a user name or password"
WRONG_HOST = "must name a host, and a port from 1 to 65535 if any"
WRONG_CHARACTER = "must not contain blanks, control characters or backslashes"
NO_URL = "is not a valid URL"

REFUSED = {
    "http://user:pass@127.0.0.1/": USER_INFO,
    "http://example.com@127.0.0.1/": USER_INFO,
    "http://example.com:80@127.0.0.1/": USER_INFO,
    "http://@example.com/": USER_INFO,
    "http://example.com#@127.0.0.1/": USER_INFO,
    "http://127.0.0.1\\@example.com/": WRONG_CHARACTER,
    "http:\\\\example.com/": WRONG_CHARACTER,
    "http://exa mple.com/": WRONG_CHARACTER,
    " http://example.com/": WRONG_CHARACTER,
    "http://example.com/ ": WRONG_CHARACTER,
    "http://example.com/\r\nX-A: 1": WRONG_CHARACTER,
    "http://example.com/\0": WRONG_CHARACTER,
    "http://exam\tple.com/": WRONG_CHARACTER,
    "http://example.com/\x7f": WRONG_CHARACTER,
    "http://example.com/\u2028": WRONG_CHARACTER,
    "http://example.com%0d%0aX-A:1/": WRONG_HOST,
    "http://example.com%0d%0a/": WRONG_HOST,
    "http://%31%32%37.0.0.1/": WRONG_HOST,
    "http://[fe80::1%25eth0]/": WRONG_HOST,
    "http://example.com:0/": WRONG_HOST,
    "http://:80/": WRONG_HOST,
    "http:///x": WRONG_HOST,
    "http://": WRONG_HOST,
    "http://./": WRONG_HOST,
    "http:example.com": WRONG_HOST,
    "http://example.com:99999/": NO_URL,
    "http://example.com:-1/": NO_URL,
    "http://example.com:eighty/": NO_URL,
    "http://[::1": NO_URL,
    "http://[example]/": NO_URL,
    "http://exa\uff0fmple.com/": NO_URL,
    "file:///etc/passwd": WRONG_SCHEME,
    "gopher://127.0.0.1:6379/_X": WRONG_SCHEME,
    "ftp://127.0.0.1/": WRONG_SCHEME,
    "dict://127.0.0.1:11211/": WRONG_SCHEME,
    "data:text/plain,x": WRONG_SCHEME,
    "javascript:alert(1)": WRONG_SCHEME,
    "//127.0.0.1/": WRONG_SCHEME,
    "example.com/hook": WRONG_SCHEME,
    "": WRONG_SCHEME,
    f"http://example.com/{'x' * 482}": "must have at most 500 characters",
    f"http://{'x' * 8_193}/": "must have at most 500 characters",
}
TAKEN = [
    "http://example.com",
    "https://example.com/hook?x=1&y=%20#part",
    "HTTPS://EXAMPLE.COM/",
    "https://example.com:8443/a@b",
    "https://example.com?mail=a@b.c",
    "http://[2001:db8::1]:8080/",
    "http://127.0.0.1:8000/",  # where that leads is another question
    f"http://example.com/{'x' * 481}",
]


@pytest.mark.parametrize(("url", "problem"), REFUSED.items())
def test_it_refuses_what_is_no_plain_address(url: str, problem: str) -> None:
    with pytest.raises(InvalidJob) as raised:
        check_target_url(url, require_https=False)
    refusal = raised.value
    assert (refusal.title, refusal.message) == ("Invalid target_url", f"target_url {problem}")
    assert refusal.details == {"target_url": problem}


@pytest.mark.parametrize("url", TAKEN)
def test_it_takes_a_plain_address(url: str) -> None:
    check_target_url(url, require_https=False)


def test_where_https_is_required_http_is_refused() -> None:
    check_target_url("https://example.com/", require_https=True)
    with pytest.raises(InvalidJob, match="must begin with https://"):
        check_target_url("http://example.com/", require_https=True)
