"""Which calendars a job follows: the names that people give, and the copies that the job carries."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.queries.calendars import resolve_calendars
from shared.domain.schedule import Schedule

_NAMES = "calendar_names"


def calendar_names(fields: Mapping[str, Any]) -> tuple[list[str] | None, dict[str, Any]]:
    """The names among the fields of a job's schedule, None where they are not given, and the fields without them."""
    schedule = fields.get("schedule", {})
    if _NAMES not in schedule:
        return None, dict(fields)
    others = {name: value for name, value in schedule.items() if name != _NAMES}
    return list(schedule[_NAMES]), {**fields, "schedule": others}


async def follow(connection: AsyncConnection, schedule: Schedule, names: Iterable[str] | None) -> Schedule:
    """The schedule with the calendars that the names mean, or as it is where there are none; raises `InvalidJob`.

    A copy that says the same already stays, so that naming a calendar again changes nothing.
    """
    if names is None:
        return schedule
    carried = {(use.calendar_id, use.slug, use.exclusions): use for use in schedule.calendars}
    uses = await resolve_calendars(connection, names)
    kept = tuple(carried.get((use.calendar_id, use.slug, use.exclusions), use) for use in uses)
    return schedule.model_copy(update={"calendars": kept})
