"""The account of a job: every planned instant, what became of it, and who made up for it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update

from services.gateway.bus_state import load_bus_state
from services.gateway.store.tables import bus_state
from shared.domain.execution import Status, outcome_of
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.gateway import Api, Json, body_of, job_body, z

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NOTHING = dict.fromkeys(("total", "success", "failed", "running", "missed", "skipped", "cancelled"), 0)


async def ledger(api: Api, job: Json, **query: Any) -> Json:
    return await body_of(api.viewer, f"/jobs/{job['id']}/ledger", **query)


async def insert(api: Api, job: Json, hours_ago: float, **columns: Any) -> Json:
    planned_at = SOME_TIME - hours_ago * HOUR
    return await api.insert_execution(job, **{"planned_at": planned_at, "planned_to": planned_at, **columns})


async def insert_range(api: Api, job: Json, first: datetime, last: datetime, count: int) -> Json:
    return await api.insert_execution(
        job, planned_at=first, planned_to=last, planned_count=count, status="missed", reason="too late"
    )


async def make_up(api: Api, job: Json, instant: datetime, status: str, **columns: Any) -> Json:
    return await api.insert_execution(
        job, kind="backfill", planned_to=None, backfills=instant, status=status, **columns
    )


async def note_ledgered(api: Api, until: datetime) -> None:
    """Everything up to then is decided and on record."""
    await load_bus_state(api.gateway.database, until)
    async with api.gateway.database.write() as connection:
        await connection.execute(update(bus_state).values(ledgered_until=until))


def planned(answer: Json) -> list[str]:
    return [entry["planned_at"] for entry in answer["entries"]]


def refers(row: Json) -> Json:
    state = Status(row["status"])
    return {"execution_id": str(row["id"]), "status": outcome_of(state).value, "state": state.value}


async def test_an_instant_that_ran_is_shown_whole(api: Api) -> None:
    job = await api.create_job()
    slot, begun = SOME_TIME - HOUR + 7 * MINUTE, SOME_TIME - HOUR + 8 * MINUTE
    row = await insert(
        api, job, 1, not_before=slot, started_at=begun, completed_at=begun + MINUTE, duration_seconds=60.0
    )
    assert await ledger(api, job) == {
        "job_id": job["id"],
        "job_name": job["name"],
        "totals": {**NOTHING, "total": 1, "success": 1},
        "entries": [
            {
                "planned_at": z(SOME_TIME - HOUR),
                "planned_to": z(SOME_TIME - HOUR),
                "planned_count": 1,
                "not_before": z(slot),
                "started_at": z(begun),
                "completed_at": z(begun + MINUTE),
                "duration_seconds": 60.0,
                "status": "success",
                "state": "success",
                "reason": None,
                "into_execution_id": None,
                "execution_id": str(row["id"]),
                "job_version": 1,
                "backfilled_by": None,
                "backfilled_count": 0,
                "unaccounted": False,
            }
        ],
        "next_cursor": None,
        "range": {"from": z(SOME_TIME - timedelta(days=30)), "to": z(SOME_TIME)},
    }


async def test_every_status_has_its_word_and_its_number(api: Api) -> None:
    job = await api.create_job()
    into = uuid4()
    for number, status in enumerate(Status, 1):
        await insert(api, job, number, status=status.value, reason="why", into_execution_id=into)
    answer = await ledger(api, job)
    expected = [(outcome_of(status).value, status.value) for status in Status]
    assert [(entry["status"], entry["state"]) for entry in answer["entries"]] == expected
    assert {(entry["reason"], entry["into_execution_id"]) for entry in answer["entries"]} == {
        ("why", str(into))
    }
    words = [word for word, _ in expected]
    assert answer["totals"] == {
        "total": len(Status),
        **{word: words.count(word) for word in NOTHING if word != "total"},
    }


async def test_a_run_that_was_called_off_says_for_what(api: Api) -> None:
    job = await api.create_job()
    columns = {"status": "cancelled", "error_message": "in favour of another"}
    await insert(api, job, 1, reason=None, **columns)
    await insert(api, job, 2, reason="it had waited", **columns)
    answer = await ledger(api, job)
    assert [entry["reason"] for entry in answer["entries"]] == ["in favour of another"] * 2


async def test_runs_that_were_asked_for_are_no_planned_instants(api: Api) -> None:
    job = await api.create_job()
    await api.insert_execution(job, kind="manual", planned_to=None)
    await make_up(api, job, SOME_TIME - HOUR, "success")
    answer = await ledger(api, job)
    assert (answer["entries"], answer["totals"]) == ([], NOTHING)


class TestBackfills:
    @pytest.mark.parametrize(
        ("made", "shown", "count"),
        [
            (["success"], 0, 1),
            (["failed"], 0, 0),
            (["failed", "waiting"], 1, 1),
            (["success", "failed"], 0, 1),
            (["failed", "cancelled"], 1, 0),
        ],
    )
    async def test_an_instant_names_the_run_that_made_up_for_it(
        self, api: Api, made: list[str], shown: int, count: int
    ) -> None:
        job = await api.create_job()
        await insert(api, job, 1, status="missed")
        await insert(api, job, 2, status="missed")
        rows = [
            await make_up(api, job, SOME_TIME - HOUR, status, queued_at=SOME_TIME + number * MINUTE)
            for number, status in enumerate(made)
        ]
        newer, older = (await ledger(api, job))["entries"]
        assert (newer["backfilled_by"], newer["backfilled_count"]) == (refers(rows[shown]), count)
        assert (older["backfilled_by"], older["backfilled_count"]) == (None, 0)

    async def test_a_range_says_how_many_of_its_instants_somebody_made_up_for(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *")
        first = SOME_TIME - HOUR
        await insert_range(api, job, first, first + 9 * MINUTE, 10)
        for number, status in ((0, "success"), (0, "running"), (3, "waiting"), (4, "failed")):
            await make_up(api, job, first + number * MINUTE, status)
        [entry] = (await ledger(api, job))["entries"]
        assert (entry["planned_to"], entry["planned_count"]) == (z(first + 9 * MINUTE), 10)
        assert (entry["backfilled_by"], entry["backfilled_count"]) == (None, 2)


class TestPeriod:
    async def test_from_is_inclusive_and_to_exclusive(self, api: Api) -> None:
        job = await api.create_job()
        for hours_ago in range(1, 6):
            await insert(api, job, hours_ago)
        answer = await ledger(api, job, **{"from": z(SOME_TIME - 4 * HOUR), "to": z(SOME_TIME - 2 * HOUR)})
        assert planned(answer) == [z(SOME_TIME - 3 * HOUR), z(SOME_TIME - 4 * HOUR)]
        assert answer["totals"]["total"] == 2

    async def test_a_range_that_reaches_into_it_belongs_to_it(self, api: Api) -> None:
        job = await api.create_job()
        first, last = SOME_TIME - 9 * HOUR, SOME_TIME - 4 * HOUR
        await insert_range(api, job, first, last, 6)
        await insert_range(api, job, first - 9 * HOUR, first - HOUR, 9)
        await insert(api, job, 2)
        answer = await ledger(api, job, **{"from": z(last), "to": z(SOME_TIME)})
        assert planned(answer) == [z(SOME_TIME - 2 * HOUR), z(first)]
        assert answer["totals"] == {**NOTHING, "total": 7, "success": 1, "missed": 6}

    @pytest.mark.parametrize(
        ("query", "error"),
        [
            ({"from": "2026-11-21", "to": "2026-11-20"}, "Invalid date range"),
            ({"from": "2026-11-22"}, "Invalid date range"),
            ({"to": "1969-01-01"}, "Invalid date range"),
            ({"to": "2028-01-01"}, "Invalid date range"),
            ({"from": "soon"}, "Invalid date"),
            ({"cursor": "nonsense"}, "Invalid cursor"),
            ({"limit": "0"}, "Invalid request"),
        ],
    )
    async def test_what_makes_no_sense_is_refused(self, api: Api, query: Json, error: str) -> None:
        job = await api.create_job()
        answer = await api.viewer.get(f"/jobs/{job['id']}/ledger", params=query)
        assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text

    async def test_time_itself_may_begin_with_it(self, api: Api) -> None:
        job = await api.create_job()
        answer = await ledger(api, job, **{"from": "0001-01-01", "to": "1970-01-02"})
        assert answer["range"]["from"] == "1970-01-01T00:00:00Z"


class TestPages:
    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
    async def test_they_follow_one_another_without_a_gap(self, api: Api, limit: int) -> None:
        job = await api.create_job(cron_expression="0 * * * *")
        await insert_range(api, job, SOME_TIME - 30 * HOUR, SOME_TIME - 9 * HOUR, 22)
        await insert_range(api, job, SOME_TIME - 50 * HOUR, SOME_TIME - 31 * HOUR, 20)
        for hours_ago in range(1, 6):
            await insert(api, job, hours_ago)
        query = {"from": z(SOME_TIME - 10 * HOUR), "to": z(SOME_TIME + 5 * HOUR), "limit": limit}
        whole = await ledger(api, job, **{**query, "limit": 200})
        assert len(whole["entries"]) == 4 + 5 + 1
        answer = await ledger(api, job, **query)
        entries = answer["entries"]
        while answer["next_cursor"] is not None:
            assert len(answer["entries"]) == limit
            answer = await ledger(api, job, **query, cursor=answer["next_cursor"])
            assert answer["totals"] == whole["totals"]
            entries += answer["entries"]
        assert entries == whole["entries"]


class TestWhatIsToCome:
    async def test_it_is_planned(self, api: Api) -> None:
        job = await api.create_job(cron_expression="0 * * * *")
        await insert(api, job, 0)
        answer = await ledger(api, job, to=z(SOME_TIME + 2 * HOUR + MINUTE))
        assert planned(answer) == [z(SOME_TIME + number * HOUR) for number in (2, 1, 0)]
        future = answer["entries"][0]
        assert (future["status"], future["state"], future["execution_id"]) == ("planned", "planned", None)
        assert (future["job_version"], future["planned_count"], future["unaccounted"]) == (1, 1, False)
        assert answer["totals"]["total"] == 1

    async def test_its_slot_is_told(self, api: Api) -> None:
        body = job_body(schedule={"kind": "cron", "expression": "0 * * * *", "jitter_seconds": 600})
        del body["cron_expression"]
        job = (await api.user.post("/jobs", json=body)).json()["job"]
        [entry] = (await ledger(api, job, to=z(SOME_TIME + HOUR + MINUTE)))["entries"]
        assert z(SOME_TIME + HOUR) < entry["not_before"] < z(SOME_TIME + HOUR + 10 * MINUTE)

    async def test_of_a_paused_or_deleted_job_nothing_is(self, api: Api) -> None:
        job = await api.create_job(cron_expression="0 * * * *", is_active=False)
        assert (await ledger(api, job, to="2026-11-22"))["entries"] == []
        await api.user.delete(f"/jobs/{job['id']}")
        assert (await ledger(api, job, to="2026-11-22"))["entries"] == []

    async def test_what_nobody_decided_on_in_time_is_unaccounted_for(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *")
        await note_ledgered(api, SOME_TIME + 2 * MINUTE)
        for number in (1, 2, 4):
            await insert(api, job, -number / 60)
        api.clock.advance(minutes=5, seconds=30)
        entries = (await ledger(api, job, to=z(SOME_TIME + 7 * MINUTE)))["entries"]
        assert [(one["planned_at"], one["state"], one["unaccounted"]) for one in entries] == [
            (z(SOME_TIME + 6 * MINUTE), "planned", False),
            (z(SOME_TIME + 5 * MINUTE), "planned", False),
            (z(SOME_TIME + 4 * MINUTE), "success", False),
            (z(SOME_TIME + 3 * MINUTE), "planned", True),
            (z(SOME_TIME + 2 * MINUTE), "success", False),
            (z(SOME_TIME + 1 * MINUTE), "success", False),
        ]

    async def test_what_a_range_stands_for_is_planned_no_more(self, api: Api) -> None:
        job = await api.create_job(cron_expression="* * * * *")
        await note_ledgered(api, SOME_TIME)
        await insert_range(api, job, SOME_TIME + MINUTE, SOME_TIME + 3 * MINUTE, 3)
        api.clock.advance(minutes=4, seconds=30)
        assert planned(await ledger(api, job)) == [z(SOME_TIME + number * MINUTE) for number in (4, 1)]


async def test_that_of_a_deleted_job_stays(api: Api) -> None:
    job = await api.create_job()
    await insert(api, job, 1)
    await api.user.delete(f"/jobs/{job['id']}")
    answer = await ledger(api, job)
    assert (answer["job_name"], answer["totals"]["total"]) == (job["name"], 1)


async def test_everybody_who_is_logged_in_may_read_it(api: Api) -> None:
    job = await api.create_job()
    people = (api.admin, api.user, api.other, api.viewer, api.anonymous)
    statuses = [(await one.get(f"/jobs/{job['id']}/ledger")).status_code for one in people]
    assert statuses == [200, 200, 200, 200, 401]


@pytest.mark.parametrize("unknown", ["none", "00000000-0000-4000-8000-00000000abcd"])
async def test_a_job_that_never_was_has_none(api: Api, unknown: str) -> None:
    answer = await api.viewer.get(f"/jobs/{unknown}/ledger")
    assert (answer.status_code, answer.json()["error"]) == (404, "Job not found")
