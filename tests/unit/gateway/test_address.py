"""What counts as an e-mail address, for users and for recipients."""

import pytest

from services.gateway.domain.address import email_address


@pytest.mark.parametrize(
    "text",
    ["grace@example.com", "a.b+c@sub.example.org", "ops@corp.local", "qa@build.test", "root@localhost"],
)
def test_addresses_of_closed_networks_are_addresses_too(text: str) -> None:
    assert email_address(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nowhere",
        "@example.com",
        "a@",
        "a b@example.com",
        "a@b@c.com",
        "a@example.com\n",
        "a\0@example.com",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid e-mail address"):
        email_address(text)


def test_the_domain_is_spelled_in_small_letters() -> None:
    assert email_address("Grace@EXAMPLE.com") == "Grace@example.com"
