"""What the gateway reads from its environment, beside the common settings."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from services.gateway.domain.target import TargetRules
from shared.settings import CommonSettings, Environment, refuse_default_secret


class GatewaySettings(CommonSettings):
    """The gateway is the only service that knows the database and the secrets of the sessions."""

    database_url: SecretStr = SecretStr("sqlite+aiosqlite:///data/jetcron.db")
    jwt_secret_key: SecretStr | None = None
    """Signs the tokens; without it SECRET_KEY does."""
    jwt_access_token_expires: Annotated[int, Field(ge=1)] = 3600
    """Seconds."""
    jwt_refresh_token_expires: Annotated[int, Field(ge=1)] = 30 * 86_400
    """Seconds."""
    allow_default_admin: bool = True
    cors_origins: str = "*"
    """Origins whose pages may call the API, separated by commas; `*` is every one, then without credentials."""
    trusted_proxies: str = ""
    """Addresses and networks of proxies whose X-Forwarded-For says who calls, separated by commas."""
    expose_error_details: bool | None = None
    """Whether answers tell what nobody foresaw; by default in development only."""
    webhook_require_https: bool = False
    default_github_owner: str | None = None
    """Owner of repositories that a job names without one."""
    scheduler_enabled: bool = True
    metrics_token: SecretStr | None = None
    """Who sends it may read the metrics; without it administrators may."""

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses_or_networks(cls, value: str) -> str:
        for proxy in _parts(value):
            try:
                ip_network(proxy)
            except ValueError as error:
                raise ValueError(f"{proxy!r} is neither an IP address nor a network") from error
        return value

    @model_validator(mode="after")
    def _production_is_not_open_to_everybody(self) -> Self:
        refuse_default_secret(self.environment, "JWT_SECRET_KEY", self.signing_key)
        if self.environment is Environment.PRODUCTION and self.expose_error_details:
            raise ValueError("EXPOSE_ERROR_DETAILS must be off in production")
        return self

    @property
    def shows_error_details(self) -> bool:
        """Whether answers tell what nobody foresaw."""
        is_development = self.environment is Environment.DEVELOPMENT
        return is_development if self.expose_error_details is None else self.expose_error_details

    @property
    def signing_key(self) -> SecretStr:
        """What signs the tokens."""
        return self.jwt_secret_key or self.secret_key

    @property
    def default_admin_allowed(self) -> bool:
        """Whether the first start makes the administrator that everybody knows: never in production."""
        return self.allow_default_admin and self.environment is Environment.DEVELOPMENT

    @property
    def proxies(self) -> list[str]:
        """The trusted proxies, one by one."""
        return _parts(self.trusted_proxies)

    @property
    def target_rules(self) -> TargetRules:
        """What jobs may call here."""
        return TargetRules(
            require_https=self.webhook_require_https, default_github_owner=self.default_github_owner
        )

    @property
    def access_token_lifetime(self) -> timedelta:
        """How long an access token is good for."""
        return timedelta(seconds=self.jwt_access_token_expires)

    @property
    def refresh_token_lifetime(self) -> timedelta:
        """How long a refresh token is good for."""
        return timedelta(seconds=self.jwt_refresh_token_expires)


def _parts(value: str) -> list[str]:
    return [part for text in value.split(",") if (part := text.strip())]
