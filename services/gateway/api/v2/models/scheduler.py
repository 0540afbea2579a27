"""Who schedules, and how far."""

from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field
from pydantic.config import JsonDict

from services.gateway.api.v2.models.common import View

_INSTANCE: JsonDict = {
    "id": "6b1f0f5e-2f0b-4f5e-9a56-0b8f3c1f7d21",
    "hostname": "server-01",
    "pid": 12345,
    "is_leader": True,
    "leader_since": "2026-11-21T10:00:00Z",
    "term": 4711,
    "started_at": "2026-11-21T09:58:12Z",
    "last_heartbeat": "2026-11-21T10:30:01Z",
    "version": "0.1.0",
    "jobs": 120,
    "until": "2026-11-21T10:30:00Z",
}


class SchedulerInstanceView(View):
    """One scheduler process."""

    model_config = ConfigDict(json_schema_extra={"examples": [_INSTANCE]})

    id: UUID = Field(description="Of this process: the next one on the same machine has another.")
    hostname: str
    pid: int
    is_leader: bool
    leader_since: AwareDatetime | None
    term: int | None = Field(
        description="Of its leadership; each leader's is higher than its predecessor's. Null if it does not lead."
    )
    started_at: AwareDatetime
    last_heartbeat: AwareDatetime
    version: str
    jobs: int = Field(description="How many jobs it knows.")
    until: AwareDatetime | None = Field(
        description="Up to when it knows every planned instant to be decided."
    )


class NextJobView(View):
    """The job that is due next."""

    id: UUID
    name: str
    at: AwareDatetime = Field(description="Its planned instant.")


class SchedulerStatusView(View):
    """What the schedulers do. While the bus is out of reach, only what stands in the database."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "scheduler_enabled": True,
                    "running": True,
                    "leader": _INSTANCE,
                    "leader_since": "2026-11-21T10:00:00Z",
                    "last_heartbeat": "2026-11-21T10:30:01Z",
                    "term": 4711,
                    "version": "0.1.0",
                    "decided_until": "2026-11-21T10:30:01.002Z",
                    "ledgered_until": "2026-11-21T10:30:00.001Z",
                    "lag_seconds": 1.4,
                    "total_jobs": 130,
                    "active_jobs": 120,
                    "running_jobs": 2,
                    "next_job": {
                        "id": "9f1c8f0e-6b1a-4d55-8a53-3f6d1d3f8f10",
                        "name": "nightly export",
                        "at": "2026-11-21T10:31:00Z",
                    },
                    "instances": [_INSTANCE],
                }
            ]
        }
    )

    scheduler_enabled: bool = Field(description="Whether there should be a scheduler (SCHEDULER_ENABLED).")
    running: bool = Field(description="Whether a scheduler leads.")
    leader: SchedulerInstanceView | None = Field(
        description="Null while nobody leads, and for the moment until a new leader has told of itself."
    )
    leader_since: AwareDatetime | None = Field(description="The leader's, as the following three.")
    last_heartbeat: AwareDatetime | None
    term: int | None
    version: str | None
    decided_until: AwareDatetime | None = Field(
        description="Up to when every planned instant is decided; null while the bus is out of reach."
    )
    ledgered_until: AwareDatetime | None = Field(
        description="Up to when every planned instant has its row in the database."
    )
    lag_seconds: float | None = Field(description="How far `ledgered_until` lies behind now.")
    total_jobs: int
    active_jobs: int
    running_jobs: int = Field(description="Jobs of which a run is in progress.")
    next_job: NextJobView | None = Field(description="As the leader last told.")
    instances: list[SchedulerInstanceView] = Field(
        description="All schedulers that are there, the oldest first. One that died is forgotten within seconds."
    )
