"""What the auditor found: told to administrators, and on record."""

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from shared.domain.ids import scheduler_heard_alert_id, scheduler_silent_alert_id, unaccounted_alert_id
from shared.events.base import Event


class InstantsUnaccounted(Event):
    """Planned instants of a job, from the first to the last of `count`, for which there was no decision.

    Each has a row now, as missed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    type: Literal["alert.instants_unaccounted"] = "alert.instants_unaccounted"
    job_id: UUID
    job_name: str
    owner_id: UUID
    from_: Annotated[AwareDatetime, Field(alias="from")]
    to: AwareDatetime
    count: int
    at: AwareDatetime

    @property
    def alert_id(self) -> UUID:
        """Its aggregate: the same for whoever finds the same."""
        return unaccounted_alert_id(self.job_id, self.from_)

    def body(self) -> dict[str, object]:
        return self.model_dump(mode="json", exclude={"type"}, by_alias=True)


class SchedulerSilent(Event):
    """Nothing was decided for longer than it may take: no scheduler leads, or the one that does stands still."""

    type: Literal["alert.scheduler_silent"] = "alert.scheduler_silent"
    since: AwareDatetime
    at: AwareDatetime
    bus_is_reachable: bool = True
    """Whether the gateway that noticed it could reach the bus: without it nobody can decide anything."""

    @property
    def alert_id(self) -> UUID:
        """Its aggregate: one for each silence."""
        return scheduler_silent_alert_id(self.since)


class SchedulerHeard(Event):
    """A scheduler decides again."""

    type: Literal["alert.scheduler_heard"] = "alert.scheduler_heard"
    since: AwareDatetime
    at: AwareDatetime

    @property
    def alert_id(self) -> UUID:
        """Its aggregate: one for each silence."""
        return scheduler_heard_alert_id(self.since)


Alert: TypeAlias = InstantsUnaccounted | SchedulerSilent | SchedulerHeard
