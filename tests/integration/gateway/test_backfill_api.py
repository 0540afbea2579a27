"""Backfills as people ask for them: of what did not run, or of a whole range; once."""

import asyncio
import random
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest

from services.gateway.relay import open_order
from services.gateway.store.tables import runs
from shared.domain.execution import WAITING_RANK
from shared.domain.ids import backfill_execution_id
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of, z
from tests.integration.gateway.backfilling import (
    FROM,
    HOUR,
    accepted,
    ago,
    ask,
    backfills,
    hourly,
    insert_instant,
    insert_range,
)


class TestOnlyWhatWasMissed:
    async def test_each_instant_gets_a_run_of_its_own_in_order(self, api: Api) -> None:
        job = await hourly(api, metadata={"secret": "hush"})
        for hours_ago in (1, 4, 3):
            await insert_instant(api, job, hours_ago, status="missed")
        await insert_instant(api, job, 2)
        answer = await accepted(api, job)
        request_id = UUID(answer["backfill_id"])
        ids = [
            backfill_execution_id(UUID(job["id"]), request_id, SOME_TIME - hours_ago * HOUR)
            for hours_ago in (4, 3, 1)
        ]
        assert answer == {
            "job_id": job["id"],
            "backfill_id": str(request_id),
            "dry_run": False,
            "count": 3,
            "instants": ago(4, 3, 1),
            "execution_ids": [str(one) for one in ids],
        }
        rows = await backfills(api)
        assert [(row["id"], z(row["backfills"]), row["planned_at"]) for row in rows] == [
            (one, instant, None) for one, instant in zip(ids, ago(4, 3, 1), strict=True)
        ]
        assert {(row["status"], row["rank"], row["is_open"]) for row in rows} == {
            ("waiting", WAITING_RANK, True)
        }
        outbox = {row["execution_id"]: row for row in await rows_of(api.gateway.database, runs)}
        assert [outbox[one]["turn"] for one in ids] == [1, 2, 3]
        assert {row["requested_by"] for row in outbox.values()} == {api.people["user"].id}
        assert not any(b"hush" in row["sealed_order"] for row in outbox.values())
        order = open_order(api.gateway.box, SimpleNamespace(**outbox[ids[0]]))  # type: ignore[arg-type] # a row by its names
        assert (order.facts.backfills, order.metadata) == (SOME_TIME - 4 * HOUR, {"secret": "hush"})

    async def test_they_are_listed_as_what_they_are(self, api: Api) -> None:
        job = await hourly(api)
        await insert_instant(api, job, 2, status="missed")
        [execution_id] = (await accepted(api, job))["execution_ids"]
        listed = await body_of(api.viewer, "/executions", trigger_type="backfill")
        [shown] = listed["executions"]
        expected = {
            "id": execution_id,
            "status": "running",
            "state": "waiting",
            "trigger_type": "backfill",
            "planned_at": None,
            "backfills": ago(2)[0],
        }
        assert {name: shown[name] for name in expected} == expected
        of_job = await body_of(api.viewer, f"/jobs/{job['id']}/executions", trigger_type="backfill")
        assert of_job["executions"] == [shown]

    async def test_what_a_backfill_made_up_for_is_left_out_unless_that_went_wrong(self, api: Api) -> None:
        job = await hourly(api)
        for hours_ago in (4, 3, 2, 1):
            await insert_instant(api, job, hours_ago, status="missed")
        made = zip((4, 3, 2, 1), ("success", "failed", "running", "cancelled"), strict=True)
        for hours_ago, status in made:
            await api.insert_execution(
                job, kind="backfill", planned_to=None, backfills=SOME_TIME - hours_ago * HOUR, status=status
            )
        assert (await accepted(api, job))["instants"] == ago(3, 1)
        answer = await ask(api, job)
        assert (answer.status_code, answer.json()["count"], answer.json()["backfill_id"]) == (200, 0, None)

    @pytest.mark.parametrize(
        ("statuses", "expected"),
        [
            (None, [5]),
            (["missed"], [5]),
            (["skipped", "cancelled"], [4, 3]),
            (["failed"], [2, 1]),
            (["missed", "skipped", "cancelled", "failed"], [5, 4, 3, 2, 1]),
        ],
    )
    async def test_what_counts_as_not_run_can_be_said(
        self, api: Api, statuses: list[str] | None, expected: list[int]
    ) -> None:
        job = await hourly(api)
        fates = zip((5, 4, 3, 2, 1), ("missed", "skipped", "cancelled", "failed", "dead_letter"), strict=True)
        for hours_ago, status in fates:
            await insert_instant(api, job, hours_ago, status=status)
        given = {"statuses": statuses} if statuses else {}
        assert (await accepted(api, job, **given))["instants"] == ago(*expected)

    async def test_rows_of_many_are_taken_apart_by_the_version_that_planned_them(self, api: Api) -> None:
        job = await api.create_job(cron_expression="*/20 * * * *")
        first, last = FROM - HOUR, SOME_TIME - 4 * HOUR
        await insert_range(api, job, first, last, planned_count=7, job_version=1)
        await api.user.put(f"/jobs/{job['id']}", json={"cron_expression": "0 0 * * *"})
        expected = [z(FROM + number * timedelta(minutes=20)) for number in range(4)]
        assert (await accepted(api, job))["instants"] == expected

    async def test_of_random_accounts_it_is_exactly_what_did_not_run(self, api: Api) -> None:
        choose = random.Random(4)  # noqa: S311 # a test chooses the same each time
        job = await api.create_job(cron_expression="* * * * *")
        expected = []
        instant = FROM
        while instant < SOME_TIME:
            length = choose.choice([1, 1, 1, 7])
            last = instant + (length - 1) * timedelta(minutes=1)
            status = choose.choice(["missed", "success", "skipped", "failed"]) if length == 1 else "missed"
            await insert_range(api, job, instant, last, planned_count=length, status=status)
            if status == "missed":
                expected += [instant + number * timedelta(minutes=1) for number in range(length)]
            instant = last + timedelta(minutes=1)
        for _ in range(10):
            start, end = sorted(FROM + timedelta(seconds=choose.randrange(5 * 3600)) for _ in range(2))
            answer = await ask(api, job, **{"from": z(start), "to": z(end)}, dry_run=True, limit=1000)
            assert answer.json()["instants"] == [z(one) for one in expected if start <= one < end]


class TestAWholeRange:
    async def test_every_planned_instant_of_the_past_runs_whether_it_ran_or_not(self, api: Api) -> None:
        job = await hourly(api)
        await insert_instant(api, job, 2)
        later = z(SOME_TIME + 5 * HOUR)
        answer = await accepted(api, job, only_missed=False, to=later)
        assert answer["instants"] == ago(5, 4, 3, 2, 1)

    @pytest.mark.parametrize("fields", [{"is_active": False}, {"end_date": "2026-11-21"}])
    async def test_also_of_a_paused_or_an_ended_job(self, api: Api, fields: Json) -> None:
        job = await hourly(api, **fields)
        api.clock.advance(hours=20)
        assert (await accepted(api, job, only_missed=False))["count"] == 5

    async def test_what_is_still_to_come_is_nothing_to_make_up_for(self, api: Api) -> None:
        job = await hourly(api)
        future = {"from": z(SOME_TIME + HOUR), "to": z(SOME_TIME + 9 * HOUR)}
        answer = await ask(api, job, only_missed=False, **future)
        assert (answer.status_code, answer.json()["count"]) == (200, 0)

    async def test_a_later_one_stands_behind_the_earlier(self, api: Api) -> None:
        job = await hourly(api)
        for _ in range(2):
            await accepted(api, job, only_missed=False)
        turns = sorted(row["turn"] for row in await rows_of(api.gateway.database, runs))
        assert turns == list(range(1, 11))

    async def test_a_day_as_the_end_covers_that_whole_day(self, api: Api) -> None:
        job = await hourly(api)
        answer = await accepted(api, job, only_missed=False, **{"from": "2026-11-20", "to": "2026-11-20"})
        assert (answer["count"], answer["instants"][0]) == (24, "2026-11-20T00:00:00Z")


class TestRefused:
    async def test_too_many_are_and_it_says_how_many_there_are(self, api: Api) -> None:
        job = await hourly(api)
        for body in ({"limit": 4}, {"limit": 4, "dry_run": True}):
            answer = await ask(api, job, only_missed=False, **body)
            assert (answer.status_code, answer.json()) == (
                400,
                {
                    "error": "Too many instants",
                    "message": "There are 5 instants to make up for; at most 4 are allowed.",
                },
            )
        assert await rows_of(api.gateway.database, runs) == []

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({"from": "2026-11-21", "to": "2026-11-20"}, "Invalid date range"),
            ({"from": "yesterday"}, "Invalid date"),
            ({"from": ""}, "Invalid from"),
            ({"from": 5}, "Invalid from"),
            ({"limit": 1001}, "Invalid limit"),
            ({"limit": 0}, "Invalid limit"),
            ({"statuses": ["success"]}, "Invalid statuses"),
            ({"statuses": []}, "Invalid statuses"),
            ({"dry_run": "yes"}, "Invalid dry_run"),
            ({"statuses": ["missed"], "only_missed": False}, "Invalid request"),
            ({"what": 1}, "Invalid payload"),
        ],
    )
    async def test_what_makes_no_sense_is(self, api: Api, body: Json, error: str) -> None:
        job = await hourly(api)
        answer = await ask(api, job, **body)
        assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text

    async def test_a_range_is_needed(self, api: Api) -> None:
        job = await hourly(api)
        answer = await api.user.post(f"/jobs/{job['id']}/backfill", json={})
        assert (answer.status_code, answer.json()["error"]) == (400, "Missing required fields")

    async def test_the_beginning_of_time_is_none(self, api: Api) -> None:
        job = await hourly(api)
        answer = await ask(api, job, **{"from": "0001-01-01", "to": "9999-12-30"}, only_missed=False)
        assert (answer.status_code, answer.json()["error"]) == (400, "Too many instants")

    async def test_others_may_not_and_a_job_must_be_there(self, api: Api) -> None:
        job = await hourly(api)
        for dry_run in (False, True):
            statuses = [
                (await ask(api, job, client, dry_run=dry_run)).status_code
                for client in (api.admin, api.other, api.viewer, api.anonymous)
            ]
            assert statuses == [200, 403, 403, 401]
        await api.user.delete(f"/jobs/{job['id']}")
        answer = await ask(api, job)
        assert (answer.status_code, answer.json()["error"]) == (404, "Job not found")


async def test_a_dry_run_only_says_what_would_run(api: Api) -> None:
    job = await hourly(api)
    answer = await ask(api, job, only_missed=False, dry_run=True)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "job_id": job["id"],
            "backfill_id": None,
            "dry_run": True,
            "count": 5,
            "instants": ago(5, 4, 3, 2, 1),
            "execution_ids": [],
        },
    )
    assert await rows_of(api.gateway.database, runs) == []


class TestSentAgain:
    async def test_with_its_key_it_is_answered_as_before(self, api: Api) -> None:
        job = await hourly(api)
        first = await ask(api, job, only_missed=False, key="again")
        second = await ask(api, job, only_missed=False, key="again")
        assert (first.status_code, second.status_code) == (202, 202)
        assert second.json() == first.json()
        assert second.headers["Idempotency-Replayed"] == "true"
        assert len(await backfills(api)) == 5
        answer = await ask(api, job, key="again")
        assert (answer.status_code, answer.json()["error"]) == (409, "Idempotency key reused")

    async def test_two_at_once_make_up_for_each_instant_once(self, api: Api) -> None:
        job = await hourly(api)
        for hours_ago in (3, 2, 1):
            await insert_instant(api, job, hours_ago, status="missed")
        answers = await asyncio.gather(*(ask(api, job) for _ in range(4)))
        assert sorted(answer.json()["count"] for answer in answers) == [0, 0, 0, 3]
        assert [z(row["backfills"]) for row in await backfills(api)] == ago(3, 2, 1)
