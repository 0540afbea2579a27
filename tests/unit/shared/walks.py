"""Short ways to write a schedule and to walk along it."""

from datetime import UTC, date, datetime

from shared.domain.schedule import CronSchedule, Schedule, next_fire


def cron(expression: str, zone: str = "UTC", end_date: date | None = None) -> CronSchedule:
    return CronSchedule(expression=expression, timezone=zone, end_date=end_date)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(schedule: Schedule, after: str, count: int) -> list[datetime]:
    """The first instants after `after`, each asked for with the one before it."""
    found: list[datetime] = []
    instant: datetime | None = utc(after)
    while instant is not None and len(found) < count:
        instant = next_fire(schedule, instant)
        if instant is not None:
            found.append(instant)
    return found
