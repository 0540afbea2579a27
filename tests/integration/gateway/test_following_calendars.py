"""Jobs that follow calendars: they carry a copy, and a change of the calendar is a change of each of them."""

import asyncio
import time
from datetime import timedelta
from uuid import UUID

import pytest

from services.gateway.commands import calendars as commands
from services.gateway.commands.calendars import delete_calendar
from services.gateway.commands.jobs import delete_job, restore_job, update_job
from services.gateway.domain.actor import SYSTEM
from services.gateway.domain.calendar import CalendarInUse
from services.gateway.domain.job import InvalidJob
from services.gateway.store.tables import events, job_calendars
from shared.domain.job import Job
from shared.domain.schedule import next_fire
from shared.errors import RuleViolation
from tests.fixtures.builders import make_exclusion
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, body_of
from tests.integration.gateway.calendars import (
    CHRISTMAS,
    FREEZE,
    followed,
    following,
    job_of,
    make_calendar,
    put_calendar,
)

FOREVER = {"from": "1970-01-01", "to": "9997-12-31"}


class TestNaming:
    async def test_slugs_and_names_are_looked_up(self, api: Api) -> None:
        await make_calendar(api, "Public Holidays", exclusions=[CHRISTMAS])
        await make_calendar(api, "凍結", slug="freezes", exclusions=[FREEZE, CHRISTMAS])
        for names in (
            ["public-holidays", "freezes"],
            ["freezes", "PUBLIC holidays", "public-holidays"],
            [" 凍結 ", "Public Holidays"],
        ):
            job = await following(api.gateway, *names, job=str(names))
            assert followed(job) == [("freezes", 1, 2), ("public-holidays", 1, 1)]
        shown = (await body_of(api.viewer, "/calendars"))["calendars"]
        assert [one["jobs_count"] for one in shown] == [3, 3]

    async def test_a_job_names_them_among_its_exclusions(self, api: Api) -> None:
        calendar = await make_calendar(api, exclusions=[CHRISTMAS])
        named = {"exclusions": [{"calendar": "Holidays"}]}
        body = {"kind": "cron", "expression": "0 2 * * *", **named}
        job = await api.create_job(schedule=body, cron_expression=None)
        assert followed(await job_of(api.gateway, UUID(job["id"]))) == [("holidays", 1, 1)]
        shown = (await body_of(api.viewer, "/calendars/holidays"))["calendar"]
        assert shown["jobs"] == [{"id": job["id"], "name": job["name"]}]
        assert (await api.admin.delete(f"/calendars/{calendar['id']}")).status_code == 409
        unknown = {"schedule": {"exclusions": [{"calendar": "nothing"}]}}
        answer = await api.user.put(f"/jobs/{job['id']}", json=unknown)
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid calendar")

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["nothing"], 'There is no calendar "nothing".'),
            (["holidays", " Bank Days "], 'There is no calendar "Bank Days".'),
            ([""], 'There is no calendar "".'),
        ],
    )
    async def test_an_unknown_one_is_refused(self, api: Api, names: list[str], message: str) -> None:
        await make_calendar(api)
        with pytest.raises(InvalidJob) as raised:
            await following(api.gateway, *names)
        assert (raised.value.title, raised.value.message) == ("Invalid calendar", message)

    async def test_a_job_follows_ten_at_most(self, api: Api) -> None:
        names = [(await make_calendar(api, f"Calendar {number}"))["slug"] for number in range(11)]
        assert len(followed(await following(api.gateway, *names[:10]))) == 10
        with pytest.raises(InvalidJob, match="at most 10 calendars"):
            await following(api.gateway, *names, job="other")

    async def test_a_job_carries_five_hundred_times_at_most(self, api: Api) -> None:
        await make_calendar(api, exclusions=[CHRISTMAS] * 400)
        await make_calendar(api, "Freezes", exclusions=[FREEZE] * 101)
        with pytest.raises(RuleViolation, match="at most 500 exclusions"):
            await following(api.gateway, "holidays", "freezes")

    async def test_a_job_may_follow_others(self, api: Api) -> None:
        for name in ("One", "Two"):
            await make_calendar(api, name, exclusions=[CHRISTMAS])
        job = await following(api.gateway, "one")
        changed = await update_job(api.gateway, job.id, {"schedule": {"calendar_names": ["two"]}}, SYSTEM)
        assert (followed(changed), changed.version) == ([("two", 1, 1)], 2)
        renamed = await update_job(api.gateway, job.id, {"name": "other"}, SYSTEM)
        assert (followed(renamed), renamed.version) == ([("two", 1, 1)], 3)
        none = await update_job(api.gateway, job.id, {"schedule": {"calendar_names": []}}, SYSTEM)
        assert (followed(none), none.version) == ([], 4)
        assert await rows_of(api.gateway.database, job_calendars) == []

    async def test_another_schedule_keeps_them(self, api: Api) -> None:
        await make_calendar(api, exclusions=[CHRISTMAS])
        job = await following(api.gateway, "holidays")
        for change in ({"timezone": "UTC"}, {"kind": "interval", "every_seconds": 60}):
            job = await update_job(api.gateway, job.id, {"schedule": change}, SYSTEM)
            assert followed(job) == [("holidays", 1, 1)]

    async def test_naming_them_again_changes_nothing(self, api: Api) -> None:
        calendar = await make_calendar(api, exclusions=[CHRISTMAS])
        await make_calendar(api, "Freezes")
        job = await following(api.gateway, "holidays", "freezes")
        await put_calendar(api, calendar, pic_team="ops")
        names = ["Freezes", "Holidays"]
        same = await update_job(api.gateway, job.id, {"schedule": {"calendar_names": names}}, SYSTEM)
        assert same == job


class TestChanges:
    async def test_jobs_change_with_what_they_follow(self, api: Api) -> None:
        calendar = await make_calendar(api, exclusions=[CHRISTMAS])
        await make_calendar(api, "Freezes", exclusions=[FREEZE])
        first = await following(api.gateway, "holidays", job="first")
        second = await following(api.gateway, "holidays", "freezes", job="second")
        other = await following(api.gateway, "freezes", job="other")
        later = api.clock.advance(minutes=1)
        woken = asyncio.Event()
        api.gateway.event_store.wake_on_append(woken)
        answer = await put_calendar(api, calendar, exclusions=[CHRISTMAS, FREEZE])
        assert (answer["jobs_updated"], answer["calendar"]["jobs_count"]) == (2, 2)
        assert woken.is_set()
        changed = await job_of(api.gateway, first.id)
        assert (followed(changed), changed.version) == ([("holidays", 2, 2)], 2)
        assert (changed.updated_at, changed.effective_at) == (later, later)
        assert followed(await job_of(api.gateway, second.id)) == [("freezes", 1, 1), ("holidays", 2, 2)]
        assert await job_of(api.gateway, other.id) == other
        rows = await rows_of(api.gateway.database, events)
        moves = [row for row in rows if row["type"] == "job.updated"]
        [update] = [row for row in rows if row["type"] == "calendar.updated"]
        assert {row["data"]["reason"] for row in moves} == {"calendar"}
        assert {(row["correlation_id"], row["actor"]) for row in moves} == {
            (update["correlation_id"], update["actor"])
        }

    async def test_a_new_slug_reaches_them(self, api: Api) -> None:
        calendar = await make_calendar(api, exclusions=[CHRISTMAS])
        await make_calendar(api, "Middle")
        job = await following(api.gateway, "holidays", "middle")
        assert (await put_calendar(api, calendar, name="Zero Days"))["jobs_updated"] == 1
        assert followed(await job_of(api.gateway, job.id)) == [("middle", 1, 0), ("zero-days", 2, 1)]

    async def test_what_they_do_not_carry_is_no_change_of_theirs(self, api: Api) -> None:
        calendar = await make_calendar(api, exclusions=[CHRISTMAS])
        job = await following(api.gateway, "holidays")
        answer = await put_calendar(api, calendar, name="HOLIDAYS", pic_team="ops")
        assert (answer["jobs_updated"], answer["calendar"]["version"]) == (0, 2)
        assert await job_of(api.gateway, job.id) == job

    async def test_a_job_that_cannot_be_kept_any_more_still_follows(self, api: Api) -> None:
        calendar = await make_calendar(api)
        job = await following(api.gateway, "holidays")
        assert (await put_calendar(api, calendar, exclusions=[FOREVER]))["jobs_updated"] == 1
        schedule = (await job_of(api.gateway, job.id)).schedule
        assert next_fire(schedule.model_copy(update={"end_date": None}), api.clock.now) is None
        assert (await put_calendar(api, calendar, exclusions=[]))["jobs_updated"] == 1
        schedule = (await job_of(api.gateway, job.id)).schedule
        assert next_fire(schedule, api.clock.now) is not None

    async def test_none_that_a_job_cannot_carry_is_taken(self, api: Api) -> None:
        calendar = await make_calendar(api)
        own = tuple(make_exclusion(f"20{year}-01-01", f"20{year}-01-02") for year in range(30, 90))
        for number in range(5):
            await make_calendar(api, f"Other {number}", exclusions=[CHRISTMAS] * 40)
        others = [f"other-{number}" for number in range(5)]
        job = await following(api.gateway, "holidays", *others, job="full", exclusions=own)
        answer = await api.admin.put(f"/calendars/{calendar['id']}", json={"exclusions": [CHRISTMAS] * 241})
        assert (answer.status_code, answer.json()) == (
            400,
            {
                "error": "Invalid calendar",
                "message": 'The job "full" would keep still at more than 500 times.',
            },
        )
        assert await job_of(api.gateway, job.id) == job
        assert (await put_calendar(api, calendar, exclusions=[CHRISTMAS] * 240))["jobs_updated"] == 1

    async def test_they_change_in_batches_and_all_at_once(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(commands, "BATCH", 3)
        calendar = await make_calendar(api)
        jobs = [await following(api.gateway, "holidays", job=f"job {number}") for number in range(10)]
        assert (await put_calendar(api, calendar, exclusions=[CHRISTMAS]))["jobs_updated"] == 10
        changed = [await job_of(api.gateway, job.id) for job in jobs]
        assert {(job.version, *followed(job)) for job in changed} == {(2, ("holidays", 2, 1))}
        recorded = [row for row in await rows_of(api.gateway.database, events) if row["version"] == 2]
        moved = [row["aggregate_id"] for row in recorded if row["aggregate"] == "job"]
        assert moved == sorted(moved)


class TestRestoring:
    async def test_a_restored_job_follows_what_is_there_now(self, api: Api) -> None:
        holidays = await make_calendar(api, exclusions=[CHRISTMAS])
        gone = await make_calendar(api, "Gone")
        job = await following(api.gateway, "holidays", "gone")
        await delete_job(api.gateway, job.id, SYSTEM)
        assert await rows_of(api.gateway.database, job_calendars) == []
        assert (await put_calendar(api, holidays, name="Days", exclusions=[FREEZE]))["jobs_updated"] == 0
        await delete_calendar(api.gateway, UUID(gone["id"]), SYSTEM)
        await make_calendar(api, "Gone", exclusions=[FREEZE])
        restored = await restore_job(api.gateway, job.id, SYSTEM)
        assert followed(restored) == [("days", 2, 1)]
        assert await job_of(api.gateway, job.id) == restored


class TestAtOnce:
    """Somebody changes a job, or a calendar, while a calendar takes its jobs along."""

    async def test_nothing_is_lost(self, api: Api) -> None:
        calendar = await make_calendar(api)
        jobs = [await following(api.gateway, "holidays", job=f"job {number}") for number in range(5)]
        gateway = api.gateway

        async def exclude(count: int) -> None:
            await put_calendar(api, calendar, exclusions=[CHRISTMAS] * count)

        async def rename(job: Job) -> None:
            await update_job(gateway, job.id, {"metadata": {"n": 1}}, SYSTEM)

        async def name_again(job: Job) -> None:
            await update_job(gateway, job.id, {"schedule": {"calendar_names": ["holidays"]}}, SYSTEM)

        await asyncio.gather(
            *(exclude(count) for count in range(1, 6)),
            *(rename(job) for job in jobs),
            *(name_again(job) for job in jobs),
            *(following(gateway, "holidays", job=f"new {number}") for number in range(5)),
        )
        shown = (await body_of(api.user, f"/calendars/{calendar['id']}"))["calendar"]
        everybody = [await job_of(gateway, UUID(job["id"])) for job in shown["jobs"]]
        assert len(everybody) == 10
        assert {len(job.schedule.calendars[0].exclusions) for job in everybody} == {len(shown["exclusions"])}
        assert all(job.metadata == {"n": 1} for job in everybody if job.name.startswith("job"))

    async def test_one_that_is_followed_just_now_is_not_deleted(self, api: Api) -> None:
        for _ in range(5):
            calendar = await make_calendar(api)
            deleted, made = await asyncio.gather(
                delete_calendar(api.gateway, UUID(calendar["id"]), SYSTEM),
                following(api.gateway, "holidays"),
                return_exceptions=True,
            )
            if isinstance(made, Job):
                assert isinstance(deleted, CalendarInUse)
                await delete_job(api.gateway, made.id, SYSTEM)
                await delete_calendar(api.gateway, UUID(calendar["id"]), SYSTEM)
            else:
                assert isinstance(made, InvalidJob)
                assert not isinstance(deleted, BaseException)

    async def test_a_team_that_is_renamed_and_its_calendars_do_not_wait_for_one_another(
        self, api: Api
    ) -> None:
        calendars = [await make_calendar(api, f"Calendar {number}") for number in range(3)]
        job = await following(api.gateway, *(calendar["slug"] for calendar in calendars))
        teams = [await api.create_team(f"team {number}") for number in range(2)]

        async def shuffle(number: int) -> None:
            for round_ in range(3):
                calendar = calendars[(number + round_) % 3]
                await put_calendar(api, calendar, pic_team=None, exclusions=[CHRISTMAS] * (round_ + 1))

        async def rename(number: int) -> None:
            for round_ in range(3):
                name = f"team {number} {round_}"
                answer = await api.admin.put(f"/pic-teams/{teams[number]['id']}", json={"name": name})
                assert answer.status_code == 200, answer.text

        for number, calendar in enumerate(calendars[:2]):
            await put_calendar(api, calendar, pic_team=teams[number]["slug"])
        began = time.monotonic()
        await asyncio.gather(*(shuffle(number) for number in range(3)), *(rename(one) for one in range(2)))
        assert timedelta(seconds=time.monotonic() - began) < timedelta(seconds=10)
        shown = {
            one["slug"]: len(one["exclusions"])
            for one in (await body_of(api.user, "/calendars"))["calendars"]
        }
        kept = await job_of(api.gateway, job.id)
        assert {slug: count for slug, _, count in followed(kept)} == shown
