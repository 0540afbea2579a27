"""What the executor reads from its environment, beside the common settings."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from shared.domain.job import DEFAULT_QUEUE
from shared.settings import CommonSettings


class ExecutorSettings(CommonSettings):
    """Which networks may be called, and how much at once."""

    webhook_allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Networks that are exempt from the refusal of private addresses: CIDRs, separated by commas."""
    webhook_require_https: bool = False
    executor_queue: str = DEFAULT_QUEUE
    executor_concurrency: Annotated[int, Field(ge=1, le=1_000)] = 128
    """Calls at once in this process."""
    executor_concurrency_per_host: Annotated[int, Field(ge=1, le=1_000)] = 32
    executor_grace_seconds: Annotated[float, Field(ge=0, le=60)] = 8.0
    """How long running calls may go on after the process was told to stop."""

    @field_validator("webhook_allowed_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())
        return value
