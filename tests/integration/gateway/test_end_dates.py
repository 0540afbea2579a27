"""A job whose last day is over is paused, with an event that says why, and without a look at the others."""

import asyncio
from datetime import UTC, datetime

from services.gateway.commands.end_dates import pause_ended_jobs
from services.gateway.domain.actor import SYSTEM
from tests.fixtures.gateway import Api, body_of

TODAY = "2026-11-21"
LAST_MOMENT = datetime(2026, 11, 21, 14, 59, 59, tzinfo=UTC)  # 23:59:59 in Tokyo
LATER = datetime(2026, 11, 22, 6, tzinfo=UTC)  # the 22nd everywhere


async def test_the_last_day_runs_and_the_day_after_pauses(api: Api) -> None:
    job = await api.create_job(end_date=TODAY, timezone="Asia/Tokyo")
    api.clock.now = LAST_MOMENT
    assert await pause_ended_jobs(api.gateway) == 0
    assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"]["is_active"] is True
    api.clock.advance(seconds=1)
    assert await pause_ended_jobs(api.gateway) == 1
    assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"]["is_active"] is False
    newest = (await body_of(api.user, f"/jobs/{job['id']}/history"))["history"][0]
    assert (newest["actor"], newest["action"]) == (SYSTEM.name, "updated")
    assert newest["changes"] == {"is_active": {"from": True, "to": False}}


async def test_the_day_ends_in_the_jobs_own_zone(api: Api) -> None:
    tokyo = await api.create_job(end_date=TODAY, timezone="Asia/Tokyo")
    new_york = await api.create_job(end_date=TODAY, timezone="America/New_York")
    api.clock.now = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
    assert await pause_ended_jobs(api.gateway) == 1
    answers = [await body_of(api.user, f"/jobs/{job['id']}") for job in (tokyo, new_york)]
    assert [answer["job"]["is_active"] for answer in answers] == [False, True]


async def test_jobs_that_are_paused_or_never_end_are_left_alone(api: Api) -> None:
    paused = await api.create_job(end_date=TODAY, is_active=False)
    await api.create_job(end_date="2027-11-30")
    api.clock.now = LATER
    assert await pause_ended_jobs(api.gateway) == 0
    assert (await body_of(api.user, f"/jobs/{paused['id']}/history"))["total"] == 1


async def test_two_gateways_that_look_at_once_pause_each_job_once(api: Api) -> None:
    jobs = [await api.create_job(end_date=TODAY) for _ in range(20)]
    api.clock.now = LATER
    await asyncio.gather(*(pause_ended_jobs(api.gateway) for _ in range(4)))
    while await pause_ended_jobs(api.gateway):
        continue
    versions = [(await body_of(api.user, f"/jobs/{job['id']}"))["job"]["version"] for job in jobs]
    assert versions == [2] * 20
