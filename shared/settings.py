"""What every service reads from its environment; each service adds its own in its `settings.py`.

Names are those that the HTTP contracts fix, without a prefix.
"""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Self
from zoneinfo import available_timezones

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

DEVELOPMENT_SECRET = "jetcron-development-secret-do-not-use-in-production"  # noqa: S105 # refused in production
KNOWN_DEFAULT_SECRETS = frozenset(
    {DEVELOPMENT_SECRET, "secret", "secret-key", "changeme", "change-me", "dev-secret-key", "jwt-secret-key"}
)
MINIMUM_SECRET_BYTES = 32


class Environment(StrEnum):
    """Where the process runs; production refuses what only development may have."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class CommonSettings(BaseSettings):
    """Settings that all four services share."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    environment: Environment = Environment.DEVELOPMENT
    debug: bool = False
    nats_url: SecretStr = SecretStr("nats://127.0.0.1:4222")
    nats_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    bus_max_bytes: Annotated[int, Field(ge=64 * 2**20)] = 2 * 2**30
    """What all streams together may hold on disk, in bytes."""
    secret_key: SecretStr = SecretStr(DEVELOPMENT_SECRET)
    """Seals what must not be read in SQL or on the bus."""
    scheduler_timezone: str = "Asia/Tokyo"
    log_level: str = "INFO"
    log_format: Annotated[str, Field(pattern="^(console|json)$")] = "console"

    @field_validator("scheduler_timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone")
        return value

    @model_validator(mode="after")
    def _production_has_its_own_secret(self) -> Self:
        refuse_default_secret(self.environment, "SECRET_KEY", self.secret_key)
        return self


class EgressSettings(CommonSettings):
    """What a service may call that calls addresses which people have written down."""

    webhook_allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Networks that are exempt from the refusal of private addresses: CIDRs, separated by commas."""
    webhook_require_https: bool = False

    @field_validator("webhook_allowed_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())
        return value


def refuse_default_secret(environment: Environment, name: str, secret: SecretStr) -> None:
    """Raise ValueError when a production start would run on a secret that everybody knows or that is too short."""
    if environment is not Environment.PRODUCTION:
        return
    value = secret.get_secret_value()
    if value.lower() in KNOWN_DEFAULT_SECRETS:
        raise ValueError(f"{name} is a known default; set your own before running in production")
    if len(value.encode()) < MINIMUM_SECRET_BYTES:
        raise ValueError(f"{name} must have at least {MINIMUM_SECRET_BYTES} bytes in production")
