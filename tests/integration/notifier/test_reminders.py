"""Mondays: told once by whoever is there, late if nobody was, and to the end if somebody died over it."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.notifier import reminders
from services.notifier.posting import post
from shared.bus import subjects
from shared.bus.connect import Unpublished
from shared.bus.envelope import Outgoing
from shared.bus.streams import bucket_subject
from shared.domain.job import Job
from shared.domain.schedule import CronSchedule
from shared.events import JobCreated, JobUpdated
from tests.fixtures.builders import make_job
from tests.fixtures.eventually import eventually
from tests.fixtures.notices import BASE_URL, make_team, person
from tests.integration.notifier.world import World

NINE = datetime(2025, 6, 2, 9, tzinfo=ZoneInfo("Asia/Tokyo"))
"""A Monday; past, so that a server that goes by the real clock takes nothing for too old."""
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "LOOK", 0.1)
    monkeypatch.setattr(reminders, "CLAIM_SECONDS", 1)


class Clock:
    """A clock that the test sets."""

    def __init__(self, now: datetime = NINE) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def ending(last_day: date | None = date(2025, 6, 9), **overrides: Any) -> Job:
    schedule = CronSchedule(expression="0 9 * * *", timezone="Asia/Tokyo", end_date=last_day)
    return make_job(schedule=schedule, created_at=NINE - timedelta(days=60), **overrides)


async def done(world: World) -> str | None:
    """The Monday whose reminders were told."""
    subject = bucket_subject(subjects.SCHEDULER_BUCKET, subjects.REMINDERS_KEY)
    last = await world.bus.last("KV_scheduler", subject)
    return last.data.decode() if last is not None and last.data else None


async def is_done(world: World, monday: datetime = NINE) -> bool:
    return await done(world) == monday.date().isoformat()


async def test_on_monday_owner_administrators_and_slack_are_reminded(world: World) -> None:
    admin = person(role="admin")
    job = ending(name="nightly", pic_team="operations")
    await world.know(admin, make_team())
    await world.know_slack()
    await world.seed(job, ending(None), ending(date(2025, 7, 3)), ending(is_active=False))
    async with world.notifier(Clock()):
        [call] = await world.receiver.wait_for(1)
        await eventually(lambda: is_done(world))
        await eventually(world.is_quiet)
    posted = await world.inbox()
    assert {one.user_id for one in posted} == {job.owner_id, admin.id}
    assert {(one.title, one.level, one.related_job_id) for one in posted} == {
        ("Job ending soon", "warning", job.id)
    }
    assert "'nightly' ends on 2025-06-09 (Asia/Tokyo) (7 days left)" in posted[0].message
    assert call.json()["text"] == (
        ":warning: @operations Job ending soon: nightly ends on 2025-06-09 (Asia/Tokyo) (7 days left)\n"
        f"<{BASE_URL}/jobs/{job.id}/edit|Open the job>"
    )
    assert world.mail_server.attempts == []


async def test_they_come_at_nine_and_again_next_monday(world: World) -> None:
    clock = Clock(NINE - WEEK)
    await world.seed(ending())
    async with world.notifier(clock):
        await eventually(lambda: is_done(world, NINE - WEEK))
        clock.now = NINE - timedelta(seconds=1)
        await asyncio.sleep(0.5)  # nothing happens, and nothing is there to wait for
        assert len(await world.inbox()) == 1
        clock.now = NINE
        await eventually(lambda: is_done(world))
        clock.now = NINE + WEEK - timedelta(seconds=1)
        await asyncio.sleep(0.5)
    told = [one.message for one in await world.inbox()]
    assert len(told) == 2
    assert "14 days left" in told[0]
    assert "7 days left" in told[1]


async def test_who_was_down_at_nine_catches_up_the_same_week(world: World) -> None:
    await world.seed(ending())
    async with world.notifier(Clock(NINE + timedelta(days=4, hours=7))):
        await eventually(lambda: is_done(world))
    [told] = await world.inbox()
    assert "3 days left" in told.message


async def test_a_restart_adds_nothing(world: World) -> None:
    await world.know_slack()
    await world.seed(ending())
    for hours in (0, 1, 100):
        async with world.notifier(Clock(NINE + timedelta(hours=hours))):
            await world.receiver.wait_for(1)
            await eventually(lambda: is_done(world))
            await asyncio.sleep(0.3)
            await eventually(world.is_quiet)
    assert len(await world.inbox()) == 1
    assert len(world.receiver.calls) == 1


async def test_of_several_notifiers_one_reminds(world: World) -> None:
    await world.know_slack()
    await world.seed(*(ending() for _ in range(20)))
    async with world.notifier(Clock()), world.notifier(Clock()), world.notifier(Clock()):
        await eventually(lambda: is_done(world))
        await world.receiver.wait_for(20)
        await eventually(world.is_quiet)
    assert len(await world.inbox()) == 20
    assert len(world.receiver.calls) == 20


async def test_a_crash_in_the_middle_is_taken_up_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [ending(name=f"job {number}") for number in range(10)]
    posts = 0

    async def fail_at_the_sixth(*arguments: Any) -> None:
        nonlocal posts
        posts += 1
        if posts == 6:
            raise Unpublished("the process dies here")
        await post(*arguments)

    monkeypatch.setattr(reminders, "post", fail_at_the_sixth)
    await world.know_slack()
    await world.seed(*jobs)
    async with world.notifier(Clock()):
        await eventually(lambda: posts == 6)
        assert not await is_done(world)
        await eventually(lambda: is_done(world))
        await world.receiver.wait_for(10)
        await eventually(world.is_quiet)
    assert len(await world.inbox()) == 10
    assert len(world.receiver.calls) == 10


async def test_jobs_are_read_as_they_are_then(world: World) -> None:
    extended, paused, new = ending(), ending(), ending(date(2025, 6, 10))
    later = extended.schedule.model_copy(update={"end_date": date(2026, 6, 1)})
    await world.change(
        JobCreated(job=extended),
        JobCreated(job=paused),
        JobUpdated(job=extended.model_copy(update={"version": 2, "schedule": later}), before=extended),
        JobUpdated(job=paused.model_copy(update={"version": 2, "is_active": False}), before=paused),
    )
    await world.seed(new)
    async with world.notifier(Clock()):
        await eventually(lambda: is_done(world))
    assert [one.related_job_id for one in await world.inbox()] == [new.id]


async def test_nobody_is_reminded_before_all_jobs_are_there(world: World) -> None:
    job = ending()
    await world.change(JobCreated(job=job))
    async with world.notifier(Clock()):
        await asyncio.sleep(0.5)
        assert not await is_done(world)
        await world.seed()
        await eventually(lambda: is_done(world))
    assert len(await world.inbox()) == 1


async def test_a_claim_of_somebody_else_keeps_it_away(world: World) -> None:
    await world.seed(ending())
    claim = bucket_subject(subjects.SCHEDULER_BUCKET, subjects.REMINDERS_CLAIM_KEY)
    await world.bus.publish(Outgoing(subject=claim, body=b"1", headers={"Nats-TTL": "2s"}))
    async with world.notifier(Clock()):
        await asyncio.sleep(0.7)
        assert await world.inbox() == []
        await eventually(lambda: is_done(world))
    assert len(await world.inbox()) == 1


async def test_it_is_nine_where_the_schedulers_zone_says(world: World) -> None:
    clock = Clock(NINE)
    await world.seed(ending())
    async with world.notifier(clock, scheduler_timezone="America/New_York"):
        await eventually(lambda: is_done(world, NINE - WEEK))
        clock.now = NINE.replace(tzinfo=ZoneInfo("America/New_York"))
        await eventually(lambda: is_done(world))
