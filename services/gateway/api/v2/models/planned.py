"""What is planned, of all jobs."""

from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from services.gateway.api.v2.models.common import View
from services.gateway.api.v2.models.jobs import JobReference


class PlannedInstantView(View):
    """A planned instant of a job."""

    job_id: UUID
    job_name: str
    planned: AwareDatetime = Field(description="In the job's zone, with its offset.")
    actual: AwareDatetime = Field(
        description="When the run begins: at the job's slot where it spreads its runs."
    )
    timezone: str


class BusyMinuteView(View):
    """A minute in which many runs begin."""

    minute: AwareDatetime = Field(description="Its beginning, in UTC.")
    count: int
    jobs: list[JobReference] = Field(description="Some of the jobs.")


class BusiestView(View):
    """The busiest minutes, the busiest first; of equal ones the earliest first."""

    by_planned: list[BusyMinuteView]
    by_actual: list[BusyMinuteView]


class PlannedAnswer(View):
    """The instants that active jobs plan in a period."""

    model_config = ConfigDict(
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=True,
        json_schema_extra={
            "examples": [
                {
                    "from": "2026-11-21T12:00:00Z",
                    "to": "2026-11-22T12:00:00Z",
                    "jobs": 1,
                    "total": 1,
                    "count": 1,
                    "truncated": False,
                    "instants": [
                        {
                            "job_id": "550e8400-e29b-41d4-a716-446655440000",
                            "job_name": "Daily Backup Job",
                            "planned": "2026-11-22T02:00:00+09:00",
                            "actual": "2026-11-22T02:03:10.500000+09:00",
                            "timezone": "Asia/Tokyo",
                        }
                    ],
                    "sampled": False,
                    "jobs_counted": 1,
                    "busiest": {
                        "by_planned": [
                            {
                                "minute": "2026-11-21T17:00:00Z",
                                "count": 1,
                                "jobs": [
                                    {"id": "550e8400-e29b-41d4-a716-446655440000", "name": "Daily Backup Job"}
                                ],
                            }
                        ],
                        "by_actual": [
                            {
                                "minute": "2026-11-21T17:03:00Z",
                                "count": 1,
                                "jobs": [
                                    {"id": "550e8400-e29b-41d4-a716-446655440000", "name": "Daily Backup Job"}
                                ],
                            }
                        ],
                    },
                }
            ]
        },
    )

    from_: AwareDatetime = Field(alias="from", description="The period's beginning, inclusive.")
    to: AwareDatetime = Field(description="The period's end, exclusive.")
    jobs: int = Field(description="How many active jobs match.")
    total: int = Field(description="How many instants they plan in the period.")
    count: int = Field(description="How many instants are listed here.")
    truncated: bool = Field(
        description="Whether there are more than those that are listed, the earliest ones."
    )
    instants: list[PlannedInstantView] = Field(description="By time, then by the job's name.")
    sampled: bool = Field(
        description="Whether the busiest minutes are those of some of the jobs only, since all would be too many."
    )
    jobs_counted: int = Field(description="How many jobs the busiest minutes are of.")
    busiest: BusiestView
