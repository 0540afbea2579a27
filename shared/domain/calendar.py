"""Named calendars: times at which jobs keep still, such as holidays and freezes."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.domain.schedule import CalendarUse, Exclusion


class Calendar(BaseModel):
    """One version of a calendar. Jobs that follow it carry a copy, and get a new version of their own when it changes.

    The slug follows the name; the stretches are local time in the zone of each job.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    slug: str
    name: str
    pic_team: str | None = None
    """The slug of the team that keeps it."""
    exclusions: tuple[Exclusion, ...] = ()
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @property
    def use(self) -> CalendarUse:
        """What a job that follows it carries."""
        return CalendarUse(
            calendar_id=self.id, slug=self.slug, version=self.version, exclusions=self.exclusions
        )
