"""What happened to a job, as it is shown."""

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from services.gateway.api.v2.models.common import View


class FieldChange(View):
    """A field's value before and after; null where the job did not exist."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    from_: Any = Field(alias="from")
    to: Any


class HistoryEntry(View):
    """One change of a job."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": 2,
                    "action": "updated",
                    "at": "2026-01-15T10:30:00Z",
                    "actor": "admin",
                    "actor_id": "4f5b0b52-54d0-4d36-9f5e-1d2c6c5a8f70",
                    "changes": {"cron_expression": {"from": "0 2 * * *", "to": "30 3 * * *"}},
                }
            ]
        }
    )

    version: int
    action: Literal["created", "updated", "deleted", "restored"]
    at: AwareDatetime
    actor: str = Field(description="A user name, or `system`.")
    actor_id: UUID | None
    changes: dict[str, FieldChange]


class HistoryAnswer(View):
    """A job's changes, newest first."""

    job_id: UUID
    total: int
    history: list[HistoryEntry]
