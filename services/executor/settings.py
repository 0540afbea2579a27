"""What the executor reads from its environment, beside the common settings."""

from ipaddress import ip_address
from typing import Annotated, Self

import yarl
from pydantic import Field, SecretStr, model_validator

from shared.domain.job import DEFAULT_QUEUE
from shared.egress import PRIVATE_NETWORKS, EgressPolicy, EgressRefused
from shared.settings import EgressSettings

GITHUB_API_URL = "https://api.github.com"


class ExecutorSettings(EgressSettings):
    """Whom to call, and how much at once."""

    github_api_url: str = GITHUB_API_URL
    """Where workflows are dispatched; of a GitHub Enterprise Server `https://HOST/api/v3`."""
    github_token: SecretStr | None = None
    """For workflows that bring no token of their own."""
    executor_queue: str = DEFAULT_QUEUE
    executor_concurrency: Annotated[int, Field(ge=1, le=1_000)] = 128
    """Calls at once in this process."""
    executor_concurrency_per_host: Annotated[int, Field(ge=1, le=1_000)] = 32
    """Calls at once to one host, and trials at once to all of them."""
    executor_grace_seconds: Annotated[float, Field(ge=0, le=60)] = 8.0
    """How long running calls may go on after the process was told to stop."""

    @model_validator(mode="after")
    def _github_can_be_called(self) -> Self:
        # On this machine a token in the clear is seen by nobody else.
        require_https = self.webhook_require_https and not _is_loopback(self.github_api_url)
        try:
            EgressPolicy(require_https=require_https).check_url(self.github_api_url)
        except EgressRefused as refused:
            raise ValueError(f"GITHUB_API_URL: {refused}") from refused
        if "?" in self.github_api_url or "#" in self.github_api_url:
            raise ValueError("GITHUB_API_URL: the URL must end with its path")
        return self

    @property
    def trial_limit(self) -> int:
        """Trials at once: so few that none waits for a connection, since that would count as time of its call."""
        return min(self.executor_concurrency, self.executor_concurrency_per_host)

    @property
    def github_base(self) -> str:
        """The API's URL without a slash at the end."""
        return self.github_api_url.rstrip("/")

    @property
    def webhook_policy(self) -> EgressPolicy:
        """What webhooks may call: their URLs are written by users."""
        return EgressPolicy(
            allowed_networks=self.webhook_allowed_networks, require_https=self.webhook_require_https
        )

    @property
    def github_policy(self) -> EgressPolicy:
        """The API alone. Another one than the public one was chosen by the operator and may be in a private network."""
        return EgressPolicy(
            allowed_networks=() if self.github_base == GITHUB_API_URL else PRIVATE_NETWORKS,
            only_origin=yarl.URL(self.github_base).origin(),
        )


def _is_loopback(url: str) -> bool:
    try:
        host = yarl.URL(url).host or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name, or no URL at all
        return False
