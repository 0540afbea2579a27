"""Pausing and resuming: once each, of the version that is meant, and with a say in what the pause left out."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.gateway.commands.jobs import update_job
from services.gateway.domain.actor import SYSTEM
from services.gateway.store.tables import events, executions, runs
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of, z

MINUTE = timedelta(minutes=1)


async def pause(
    api: Api, job: Json, client: httpx.AsyncClient | None = None, **options: Any
) -> httpx.Response:
    return await (client or api.user).post(f"/jobs/{job['id']}/pause", **options)


async def resume(
    api: Api, job: Json, client: httpx.AsyncClient | None = None, **options: Any
) -> httpx.Response:
    return await (client or api.user).post(f"/jobs/{job['id']}/resume", **options)


async def resumed(api: Api, job: Json, **body: Any) -> Json:
    answer = await resume(api, job, json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()["made_up"]
    return found


async def changes(api: Api, job: Json) -> int:
    found: int = (await body_of(api.viewer, f"/jobs/{job['id']}/history"))["total"]
    return found


class TestPausing:
    async def test_a_paused_job_plans_nothing(self, api: Api) -> None:
        job = await api.create_job()
        answer = await pause(api, job)
        body = answer.json()
        assert (answer.status_code, body["message"]) == (200, "Job paused successfully")
        assert (body["job"]["is_active"], body["job"]["next_execution_at"]) == (False, None)
        assert answer.headers["ETag"] == '"2"'

    async def test_twice_is_as_once(self, api: Api) -> None:
        job = await api.create_job()
        assert [(await pause(api, job)).status_code for _ in range(2)] == [200, 200]
        assert await changes(api, job) == 2


class TestResuming:
    async def test_it_plans_again_from_now_on(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *")
        await pause(api, job)
        api.clock.advance(minutes=10)
        answer = await resume(api, job)
        body = answer.json()
        assert (answer.status_code, body["message"]) == (200, "Job resumed successfully")
        assert (body["job"]["is_active"], answer.headers["ETag"]) == (True, '"3"')
        assert body["made_up"] == {
            "missed": "skip",
            "backfill_id": None,
            "count": 0,
            "instants": [],
            "execution_ids": [],
        }
        assert await rows_of(api.gateway.database, runs) == []

    async def test_twice_is_as_once(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *")
        api.clock.advance(seconds=30)
        await pause(api, job)
        api.clock.advance(minutes=3)
        counts = [(await resumed(api, job, missed="run_all"))["count"] for _ in range(2)]
        assert (counts, await changes(api, job)) == ([3, 0], 3)

    @pytest.mark.parametrize(("missed", "expected"), [("skip", 0), ("run_latest", 1), ("run_all", 10)])
    async def test_what_the_pause_left_out_runs_as_is_asked(
        self, api: Api, missed: str, expected: int
    ) -> None:
        job = await api.create_job(cron_expression="* * * * *")
        api.clock.advance(seconds=30)
        await pause(api, job)
        api.clock.advance(minutes=10)
        made = await resumed(api, job, missed=missed)
        minutes = [SOME_TIME + number * MINUTE for number in range(1, 11)]
        instants = minutes[len(minutes) - expected :]
        assert (made["missed"], made["count"]) == (missed, expected)
        assert made["instants"] == [z(one) for one in instants]
        rows = {str(row["id"]): row for row in await rows_of(api.gateway.database, executions)}
        assert [
            (rows[one]["kind"], rows[one]["backfills"], rows[one]["job_version"])
            for one in made["execution_ids"]
        ] == [("backfill", instant, 3) for instant in instants]
        assert len(rows) == expected

    async def test_of_a_long_pause_at_most_the_latest_hundred_run(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *")
        await pause(api, job)
        end = api.clock.advance(hours=20)
        made = await resumed(api, job, missed="run_all")
        assert (made["count"], made["instants"][-1]) == (100, z(end - MINUTE))

    async def test_the_instant_of_its_end_is_planned_again_and_is_not_made_up_for(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *")
        api.clock.advance(minutes=1)
        await pause(api, job)
        api.clock.advance(minutes=2)
        made = await resumed(api, job, missed="run_all")
        # The instant of its beginning is the pause's.
        assert made["instants"] == [z(SOME_TIME + number * MINUTE) for number in (1, 2)]

    async def test_each_version_of_the_pause_counts_for_its_own_time(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *")
        api.clock.advance(seconds=30)
        await pause(api, job)
        api.clock.advance(minutes=2)
        await api.user.put(f"/jobs/{job['id']}", json={"cron_expression": "*/10 * * * *"})
        api.clock.advance(minutes=20)
        made = await resumed(api, job, missed="run_all")
        assert made["instants"] == [z(SOME_TIME + number * MINUTE) for number in (1, 2, 10, 20)]

    async def test_only_the_last_pause_counts(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *", is_active=False)
        for _ in range(2):
            api.clock.advance(minutes=5)
            await resume(api, job)
            api.clock.advance(seconds=30)
            await pause(api, job)
        api.clock.advance(minutes=1)
        assert (await resumed(api, job, missed="run_all"))["count"] == 1

    async def test_what_was_created_paused_was_so_from_the_beginning(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *", is_active=False)
        api.clock.advance(seconds=150)
        made = await resumed(api, job, missed="run_all")
        assert made["instants"][-2:] == [z(SOME_TIME + MINUTE), z(SOME_TIME + 2 * MINUTE)]

    async def test_the_time_in_which_a_job_was_deleted_is_no_pause(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *", is_active=False)
        api.clock.advance(minutes=5)
        await api.user.delete(f"/jobs/{job['id']}")
        api.clock.advance(minutes=5, seconds=30)
        await api.user.post(f"/jobs/{job['id']}/restore")
        api.clock.advance(minutes=1)
        assert (await resumed(api, job, missed="run_all"))["count"] == 1

    async def test_what_the_gateway_paused_is_resumed_alike(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *")
        api.clock.advance(seconds=30)
        await update_job(
            api.gateway, UUID(job["id"]), {"is_active": False}, SYSTEM, versions={1}, reason="failing"
        )
        api.clock.advance(minutes=1)
        assert (await resumed(api, job, missed="run_latest"))["instants"] == [z(SOME_TIME + MINUTE)]

    async def test_a_change_of_is_active_skips(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *", is_active=False)
        api.clock.advance(minutes=5)
        await api.user.put(f"/jobs/{job['id']}", json={"is_active": True})
        assert await rows_of(api.gateway.database, runs) == []

    async def test_a_job_whose_last_day_is_over_stays_paused(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *", end_date="2026-11-21", is_active=False)
        api.clock.advance(hours=20)
        answer = await resume(api, job, json={"missed": "run_all"})
        assert (answer.status_code, answer.json()["error"]) == (400, "Job expired")
        assert await rows_of(api.gateway.database, runs) == []
        assert (
            len([row for row in await rows_of(api.gateway.database, events) if row["aggregate"] == "job"])
            == 1
        )

    async def test_another_word_is_refused(self, api: Api) -> None:
        job = await api.create_job(is_active=False)
        for body, error in (({"missed": "all"}, "Invalid missed"), ({"x": 1}, "Invalid payload")):
            answer = await resume(api, job, json=body)
            assert (answer.status_code, answer.json()["error"]) == (400, error)
        assert await changes(api, job) == 1


@pytest.mark.parametrize("do", [pause, resume])
class TestBoth:
    async def test_are_for_the_owner_and_administrators(self, api: Api, do: Any) -> None:
        job = await api.create_job()
        people = (api.admin, api.user, api.other, api.viewer, api.anonymous)
        assert [(await do(api, job, one)).status_code for one in people] == [200, 200, 403, 403, 401]

    async def test_mean_the_version_that_is_named(self, api: Api, do: Any) -> None:
        job = await api.create_job()
        answer = await do(api, job, headers={"If-Match": '"2"'})
        assert (answer.status_code, answer.json()["error"]) == (412, "Precondition failed")
        answer = await do(api, job, headers={"If-Match": "2"})
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid If-Match")
        assert (await do(api, job, headers={"If-Match": '"1"'})).status_code == 200

    async def test_need_a_job_that_is_there(self, api: Api, do: Any) -> None:
        job = await api.create_job()
        await api.user.delete(f"/jobs/{job['id']}")
        for missing in (job, {"id": "none"}):
            answer = await do(api, missing)
            assert (answer.status_code, answer.json()["error"]) == (404, "Job not found")
