"""Whom the gateway believes about who calls."""

import pytest
from pydantic import ValidationError

from services.gateway.settings import GatewaySettings


def proxies(value: str) -> list[str]:
    return GatewaySettings.model_validate({"trusted_proxies": value}).proxies


def test_by_default_nobody_is_trusted() -> None:
    assert GatewaySettings().proxies == []
    assert proxies(" , ") == []


def test_addresses_and_networks_are_taken_one_by_one() -> None:
    assert proxies("192.0.2.1, 10.0.0.0/8,2001:db8::/32 , ::1") == [
        "192.0.2.1",
        "10.0.0.0/8",
        "2001:db8::/32",
        "::1",
    ]


@pytest.mark.parametrize(
    "value", ["*", "proxy.example.com", "10.0.0.1/8", "10.0.0.0/33", "192.0.2.1 10.0.0.1"]
)
def test_what_is_neither_is_refused_at_the_start(value: str) -> None:
    with pytest.raises(ValidationError, match="neither an IP address nor a network"):
        proxies(value)
