"""CSV files that meet what is there: jobs that exist, the same file again, others at the same time, very many rows."""

import asyncio

from sqlalchemy import event, select

from services.gateway.domain.csv_table import MAX_ROWS
from services.gateway.store.tables import events
from tests.fixtures.gateway import Api, body_of, job_body
from tests.integration.gateway.uploads import (
    HOOK,
    errors_of,
    job_events,
    job_named,
    names,
    row_of,
    send,
    upload,
    written,
)


class TestUpdateExisting:
    async def test_it_changes_what_the_row_says_and_nothing_else(self, api: Api) -> None:
        await api.create_job(
            name="taken", metadata={"k": 1}, timeout_seconds=7, webhook={"method": "POST"}, is_active=False
        )
        row = row_of("taken", Target_URL="https://example.com/new", Status="")
        body = await upload(api.user, row, row_of("new"), update_existing="true")
        assert (body["updated_count"], body["updated"], body["created"]) == (1, 1, 1)
        assert [job["action"] for job in body["jobs"]] == ["updated", "created"]
        job = await job_named(api, "taken")
        assert (job["target_url"], job["version"]) == ("https://example.com/new", 2)
        assert (job["metadata"], job["timeout_seconds"], job["is_active"]) == ({"k": 1}, 7.0, False)
        assert job["webhook"]["method"] == "POST"

    async def test_the_target_of_the_row_takes_the_place_of_the_old_one(self, api: Api) -> None:
        old = {"github_owner": "o", "github_repo": "r", "github_workflow_name": "w.yml"}
        await api.create_job(name="taken", target_url=None, **old)
        await upload(api.user, row_of("taken"), update_existing="yes")
        job = await job_named(api, "taken")
        assert (job["target_url"], job["github_repo"]) == (HOOK, None)

    async def test_what_is_the_same_already_makes_no_new_version(self, api: Api) -> None:
        await upload(api.user, row_of("same"))
        body = await upload(api.user, row_of("same"), update_existing="on")
        assert body["updated"] == 1
        assert (await job_named(api, "same"))["version"] == 1

    async def test_others_jobs_stay_as_they_are_except_for_administrators(self, api: Api) -> None:
        await api.create_job(name="taken")
        row = row_of("taken", Target_URL="https://example.com/new")
        refused = await upload(api.other, row, row_of("own"), update_existing="1")
        assert errors_of(refused) == [(2, "taken", "Insufficient permissions")]
        assert refused["created"] == 1
        assert (await job_named(api, "taken"))["version"] == 1
        assert (await upload(api.admin, row, update_existing="1"))["updated"] == 1
        changed = await job_named(api, "taken")
        assert (changed["target_url"], changed["created_by"]) == (
            "https://example.com/new",
            str(api.people["user"].id),
        )

    async def test_the_rules_of_a_change_hold(self, api: Api) -> None:
        await api.create_job(name="taken")
        body = await upload(api.user, row_of("taken", End_Date="2020-01-01"), update_existing="1")
        assert errors_of(body) == [(2, "taken", "Invalid end_date")]


class TestSentAgain:
    async def test_the_same_file_with_the_same_key_is_answered_as_before(self, api: Api) -> None:
        content = written(row_of("one"), row_of("bad", Status="maybe"))
        first = await send(api.user, content, key="k1")
        again = await send(api.user, content, key="k1")
        assert (again.status_code, again.json()) == (200, first.json())
        assert again.headers["Idempotency-Replayed"] == "true"
        assert len(await job_events(api)) == 1

    async def test_another_file_or_form_with_the_same_key_is_refused(self, api: Api) -> None:
        content = written(row_of("one"))
        await send(api.user, content, key="k1")
        other_file = await send(api.user, written(row_of("two")), key="k1")
        other_form = await send(api.user, content, key="k1", update_existing="1")
        for answer in (other_file, other_form):
            assert (answer.status_code, answer.json()["error"]) == (409, "Idempotency key reused")
        assert await names(api) == {"one"}

    async def test_a_dry_run_takes_no_key(self, api: Api) -> None:
        content = written(row_of("one"))
        for _ in range(2):
            assert (await send(api.user, content, key="k1", dry_run="1")).json()["created"] == 1
        assert (await send(api.user, content, key="k1")).json()["created"] == 1

    async def test_at_once_it_is_done_once(self, api: Api) -> None:
        content = written(*(row_of(f"job {number}") for number in range(20)))
        answers = await asyncio.gather(*(send(api.user, content, key="k1") for _ in range(4)))
        [first] = {answer.text for answer in answers}
        assert answers[0].json()["created"] == 20, first
        assert len(await job_events(api)) == 20


async def test_of_uploads_that_race_each_name_is_made_once(api: Api) -> None:
    rows = [row_of(f"job {number}") for number in range(30)]
    turned = [rows, rows[::-1], rows[15:] + rows[:15]]
    singles = [api.other.post("/jobs", json=job_body(name=f"job {number}")) for number in range(0, 30, 5)]
    uploads, answers = await asyncio.gather(
        asyncio.gather(*(upload(api.user, *order) for order in turned)), asyncio.gather(*singles)
    )
    made = sum(body["created"] for body in uploads) + sum(answer.status_code == 201 for answer in answers)
    assert made == 30
    assert {answer.status_code for answer in answers} <= {201, 400}
    for body in uploads:
        assert body["created"] + body["failed"] == 30
        assert {error["error"] for error in body["errors"]} <= {"Duplicate job name"}
    assert len(await names(api)) == 30


async def test_of_uploads_that_race_to_change_the_same_jobs_none_is_lost(api: Api) -> None:
    rows = [row_of(f"job {number}") for number in range(10)]
    await upload(api.user, *rows)
    later = [
        [{**row, "Target URL": f"{HOOK}/{turn}"} for row in (rows if turn % 2 else rows[::-1])]
        for turn in range(4)
    ]
    bodies = await asyncio.gather(*(upload(api.user, *order, update_existing="1") for order in later))
    assert [body["updated"] for body in bodies] == [10] * 4
    jobs = (await body_of(api.viewer, "/jobs"))["jobs"]
    assert {job["version"] for job in jobs} == {5}


async def test_a_thousand_rows_take_few_statements(api: Api) -> None:
    statements: list[str] = []
    engine = api.gateway.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    names_and_urls = [(f"job {number}", f"{HOOK}/{number}") for number in range(MAX_ROWS)]
    new = written(*(row_of(name) for name, _ in names_and_urls))
    changed = written(*(row_of(name, Target_URL=url) for name, url in names_and_urls))
    for content, form, count in [(new, {}, "created"), (changed, {"update_existing": "1"}, "updated")]:
        statements.clear()
        answer = await send(api.user, content, **form)
        assert answer.json()[count] == MAX_ROWS
        assert len(statements) < 15, statements


async def test_the_changes_of_one_upload_are_told_as_one(api: Api) -> None:
    await upload(api.user, row_of("one"), row_of("two"))
    written_events = await job_events(api)
    assert {row["actor"] for row in written_events} == {f"user:{api.people['user'].id}"}
    assert len({row["correlation_id"] for row in written_events}) == 1
    async with api.gateway.database.read() as connection:
        assert len((await connection.execute(select(events.c.version).distinct())).all()) == 1
