"""Whether everything is well."""

from typing import Literal

from pydantic import Field

from services.gateway.api.v2.models.common import View


class HealthView(View):
    """Whether everything that a job needs is there."""

    status: Literal["healthy", "degraded"] = Field(examples=["healthy"])
    scheduler_running: bool = Field(description="Whether a scheduler leads.")
    scheduled_jobs_count: int | None = Field(
        description="Active jobs; null while the database is out of reach."
    )
    database: Literal["ok", "unreachable"] = Field(examples=["ok"])
    bus: Literal["ok", "unreachable"] = Field(examples=["ok"])
