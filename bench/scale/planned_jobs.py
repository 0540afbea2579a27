"""Jobs for benchmarks: many that keep still for hours, many that are due at one instant, many that are due all the time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from shared.domain.job import Job, WebhookTarget
from shared.domain.schedule import CronSchedule, IntervalSchedule, OneShotSchedule, Schedule

OWNER = UUID("00000000-0000-4000-8000-0000000000b0")
QUIET = timedelta(hours=3)
SPAN = timedelta(hours=18)
DAY_SECONDS = 86_400
# How many of twenty jobs have which zone and which kind of schedule.
ZONES = ("Asia/Tokyo",) * 10 + ("UTC",) * 4 + ("Europe/Berlin",) * 3 + ("America/New_York",) * 3
KINDS = ("daily",) * 12 + ("weekdays",) * 3 + ("monthly",) * 2 + ("interval",) * 2 + ("once",)


def quiet_jobs(count: int, now: datetime) -> Iterator[Job]:
    """Of all kinds, none due within hours: fixed times of day for the most part, in four zones."""
    for number in range(count):
        due = (now + QUIET + SPAN * number / count).replace(second=0, microsecond=0)
        # Both walk through their twenty at different speeds, so that they are mixed.
        zone, kind = ZONES[number % 20], KINDS[number // 20 % 20]
        yield make_job(number, _schedule(kind, due, zone), now, "https://example.com/hook")


def jobs_due_at(count: int, instant: datetime, now: datetime, url: str) -> Iterator[Job]:
    """Hourly, at the instant's minute."""
    for number in range(count):
        schedule = CronSchedule(expression=f"{instant.minute} * * * *", timezone=ZONES[number % 20])
        yield make_job(number, schedule, now, url)


def jobs_each_second(count: int, begin: datetime, now: datetime, url: str) -> Iterator[Job]:
    """Every second from `begin`, a full one, on."""
    schedule = IntervalSchedule(every_seconds=1, anchor=begin, start_at=begin, timezone="UTC")
    return (make_job(number, schedule, now, url) for number in range(count))


def make_job(number: int, schedule: Schedule, now: datetime, url: str) -> Job:
    """A job like any other."""
    return Job(
        id=uuid4(),
        name=f"bench {number}",
        schedule=schedule,
        target=WebhookTarget(url=url),
        owner_id=OWNER,
        pic_team="bench",
        version=1,
        created_at=now,
        updated_at=now,
        effective_at=now,
    )


def _schedule(kind: str, due: datetime, zone: str) -> Schedule:
    local = due.astimezone(ZoneInfo(zone))
    time_of_day = f"{local.minute} {local.hour}"
    match kind:
        case "interval":
            return IntervalSchedule(every_seconds=DAY_SECONDS, anchor=due, timezone=zone)
        case "once":
            return OneShotSchedule(at=due, timezone=zone)
        case "weekdays":
            return CronSchedule(expression=f"{time_of_day} * * 1-5", timezone=zone)
        case "monthly":
            return CronSchedule(expression=f"{time_of_day} {local.day % 28 + 1} * *", timezone=zone)
        case _:
            return CronSchedule(expression=f"{time_of_day} * * *", timezone=zone)
