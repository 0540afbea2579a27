"""What the scheduler reads from its environment, beside the common settings."""

from typing import Annotated

from pydantic import Field

from shared.settings import CommonSettings


class SchedulerSettings(CommonSettings):
    """Names as the contracts fix them, and the lease."""

    scheduler_enabled: bool = True
    scheduler_poll_seconds: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """How long the leader may sleep at most; it wakes by itself for each planned instant."""
    scheduler_lease_seconds: Annotated[int, Field(ge=2, le=30)] = 2
    """Time to live of the leader's lease, in whole seconds."""
