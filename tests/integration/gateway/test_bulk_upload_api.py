"""Jobs from a CSV file: what becomes of good rows, of bad ones, and of files that cannot be read."""

import asyncio
import csv
import io
import time
from typing import Any

import httpx
from sqlalchemy import event, select

from services.gateway.api.boundary import MAX_BODY_BYTES
from services.gateway.domain.csv_table import MAX_ROWS
from services.gateway.store.tables import events
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of

HEADERS = ("Job Name", "Cron Schedule (JST)", "Status", "Target URL", "Category", "End Date", "PIC Team")
HOOK = "https://example.com/hook"
FAULTS: list[tuple[dict[str, str], str]] = [
    ({"Cron_Schedule_(JST)": "0 2 * *"}, "Invalid cron expression"),
    ({"Cron_Schedule_(JST)": "@daily"}, "Invalid cron expression"),
    ({"End_Date": "31.12.2026"}, "Invalid end_date"),
    ({"End_Date": "2026-02-30"}, "Invalid end_date"),
    ({"End_Date": "2020-01-01"}, "Invalid end_date"),
    ({"End_Date": ""}, "Missing required fields"),
    ({"PIC_Team": "nobody"}, "Invalid PIC team"),
    ({"Category": "nowhere"}, "Invalid category"),
    ({"Status": "maybe"}, "Invalid status"),
    ({"Target_URL": ""}, "Missing target configuration"),
    ({"Target_URL": "ftp://example.com/"}, "Invalid target_url"),
    ({"Target_URL": "https://me:secret@example.com/"}, "Invalid target_url"),
    ({"Target_URL": HOOK + "x" * 500}, "Invalid target_url"),
    ({"Target_URL": "", "Repo": "repo", "Workflow_Name": "w.yml"}, "Missing GitHub owner"),
    ({"Target_URL": "", "Repo": "o/r"}, "Missing target configuration"),
    ({"Target_URL": "", "Repo": "o/r", "Workflow_Name": "w"}, "Invalid github_workflow_name"),
    ({"Target_URL": "", "Repo": "o/r r", "Workflow_Name": "w.yml"}, "Invalid github_repo"),
    ({"Dispatch_URL": "https://github.com/o/r"}, "Invalid dispatch_url"),
    ({"Request_Body": "not-json"}, "Invalid JSON in Request Body"),
    ({"Request_Body": "[]"}, "Invalid Request Body"),
    ({"Request_Body": '{"n": NaN}'}, "Invalid metadata"),
    ({"Request_Body": '{"n": "\\u0000"}'}, "Invalid metadata"),
    ({"Job_Name": "two\nlines"}, "Invalid name"),
    ({"Job_Name": "x" * 256}, "Invalid name"),
]
UNREADABLE = [
    b"",
    b",,\n1,2,3\n",
    b"name,name\n",
    b'name\n"open\n',
    b"name\n\xff\n",
    b"name\n\0\n",
    b"no,such,columns\n1,2,3\n",
    b"name\n" + b"x\n" * (MAX_ROWS + 1),
]


def row_of(name: str, **cells: str) -> dict[str, str]:
    row = dict(zip(HEADERS, (name, "0 2 * * *", "enable", HOOK, "general", "2026-12-31", "ops"), strict=True))
    return {**row, **{key.replace("_", " "): cell for key, cell in cells.items()}}


def written(*rows: dict[str, str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys([*HEADERS, *(key for row in rows for key in row)])))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


async def send(
    client: httpx.AsyncClient, content: bytes, *, path: str = "/jobs/bulk-upload", key: str = "", **form: str
) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await client.post(path, files={"file": ("jobs.csv", content)}, data=form, headers=headers)


async def upload(client: httpx.AsyncClient, *rows: dict[str, str], **form: str) -> Json:
    answer = await send(client, written(*rows), **form)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


async def names(api: Api) -> set[str]:
    return {job["name"] for job in (await body_of(api.viewer, "/jobs"))["jobs"]}


async def job_named(api: Api, name: str) -> Json:
    [job] = [job for job in (await body_of(api.viewer, "/jobs"))["jobs"] if job["name"] == name]
    found: Json = job
    return found


def errors_of(body: Json) -> list[tuple[int, str | None, str]]:
    return [(error["row"], error["name"], error["error"]) for error in body["errors"]]


async def job_events(api: Api) -> list[Json]:
    return [row for row in await rows_of(api.gateway.database, events) if row["aggregate"] == "job"]


async def test_good_rows_become_jobs_of_the_caller_and_bad_ones_are_told(api: Api) -> None:
    body = await upload(
        api.user,
        row_of("one"),
        row_of("two", Status="disable", PIC_Team="OPS"),
        row_of("bad", Category="nowhere"),
    )
    jobs = {job["name"]: job for job in (await body_of(api.viewer, "/jobs"))["jobs"]}
    assert {name: job["created_by"] for name, job in jobs.items()} == dict.fromkeys(
        ("one", "two"), str(api.people["user"].id)
    )
    shown = {
        "cron_expression": "0 2 * * *",
        "end_date": "2026-12-31",
        "pic_team": "ops",
        "category": "general",
    }
    [error] = body.pop("errors")
    assert {key: error[key] for key in ("row", "name", "job_name", "error")} == {
        "row": 4,
        "name": "bad",
        "job_name": "bad",
        "error": "Invalid category",
    }
    assert error["message"]
    assert body == {
        "message": "Bulk upload completed",
        "dry_run": False,
        "stats": {
            "original_column_count": 7,
            "original_row_count": 3,
            "removed_column_count": 0,
            "removed_empty_row_count": 0,
        },
        "created_count": 2,
        "updated_count": 0,
        "error_count": 1,
        "created": 2,
        "updated": 0,
        "failed": 1,
        "jobs": [
            {"id": jobs["one"]["id"], "name": "one", "is_active": True, "action": "created", **shown},
            {"id": jobs["two"]["id"], "name": "two", "is_active": False, "action": "created", **shown},
        ],
    }


async def test_the_form_of_the_contract_is_taken(api: Api) -> None:
    content = (
        b"name,cron_expression,category,pic_team,end_date,github_owner,github_repo,github_workflow_name,status\n"
        b"Job 1,0 0 * * *,general,ops,2026-12-31,myorg,repo1,workflow.yml,enable\n"
        b"Job 2,0 6 * * 1,general,ops,2026-12-31,myorg,repo2,report.yml,disable\n"
    )
    answer = await send(api.user, content)
    assert (answer.status_code, answer.json()["created"], answer.json()["failed"]) == (200, 2, 0)
    job = await job_named(api, "Job 2")
    assert (job["github_owner"], job["github_repo"], job["github_workflow_name"]) == (
        "myorg",
        "repo2",
        "report.yml",
    )
    assert (job["is_active"], job["target_url"]) == (False, None)


async def test_metadata_targets_and_dropped_columns_arrive(api: Api) -> None:
    content = (
        "\ufeffJob Name,Cron schedule (JST),Target URL,Repo,Workflow Name,End Date,PIC Team,Request Body,Branch,\r\n"
        f'hook,*/5 * * * *,{HOOK},,,2026-12-31,Ops,"{{""k"": ""v""}}",main,note\r\n'
        ",,,,,,,,,\r\n"
        "flow,0 * * * *,,repo,w.yml,2026-12-31,ops,,,\r\n"
        "short,0 * * * *,octo/other/w.yml,,,2026-12-31,ops,,,\r\n"
    ).encode()
    answer = await send(api.user, content, default_github_owner="default-org")
    body = answer.json()
    assert (body["created_count"], body["errors"]) == (3, [])
    assert body["stats"]["removed_column_count"] == 1
    assert body["stats"]["removed_empty_row_count"] == 1
    hook, flow, short = [await job_named(api, name) for name in ("hook", "flow", "short")]
    assert hook["metadata"] == {"k": "v", "branchDetails": "main"}
    assert (hook["target_url"], hook["timezone"]) == (HOOK, "Asia/Tokyo")
    assert (flow["github_owner"], flow["github_repo"]) == ("default-org", "repo")
    assert (short["github_owner"], short["github_repo"], short["target_url"]) == ("octo", "other", None)


async def test_each_fault_of_a_row_has_its_name(api: Api) -> None:
    rows = [row_of(f"job {number}", **cells) for number, (cells, _) in enumerate(FAULTS, 2)]
    body = await upload(api.user, *rows)
    assert errors_of(body) == [
        (number, row["Job Name"], error)
        for number, (row, (_, error)) in enumerate(zip(rows, FAULTS, strict=True), 2)
    ]
    assert all(error["message"] for error in body["errors"])
    assert (body["message"], body["jobs"]) == ("No row could be used; see errors", [])
    assert await names(api) == set()


async def test_half_a_character_in_a_request_body_is_an_error_of_its_row(api: Api) -> None:
    body = await upload(api.user, row_of("bad", Request_Body='{"k": "\\ud800"}'), row_of("good"))
    assert (body["created"], body["failed"]) == (1, 1)
    assert body["errors"][0]["message"] == "The body must not contain lone surrogates"


async def test_a_name_that_is_taken_is_an_error(api: Api) -> None:
    await api.create_job(name="taken")
    body = await upload(api.user, row_of("taken"), row_of("new"), row_of("new"))
    assert errors_of(body) == [
        (2, "taken", "Duplicate job name"),
        (4, "new", "Duplicate job name in CSV"),
    ]
    assert await names(api) == {"taken", "new"}


async def test_a_dry_run_says_the_same_and_writes_nothing(api: Api) -> None:
    await api.create_job(name="taken")
    before = await job_events(api)
    rows = (row_of("taken"), row_of("new"))
    dry = await upload(api.user, *rows, dry_run="true")
    assert (dry["dry_run"], dry["message"]) == (True, "CSV validated successfully")
    assert await job_events(api) == before
    wet = await upload(api.user, *rows)
    assert dry["jobs"] == [{key: job[key] for key in job if key != "id"} for job in wet["jobs"]]
    assert [dry[key] for key in ("created_count", "error_count", "errors")] == [
        wet[key] for key in ("created_count", "error_count", "errors")
    ]
    nothing_good = await upload(api.user, *rows, dry_run="1")
    assert (nothing_good["message"], nothing_good["created"]) == ("CSV validation failed", 0)


async def test_a_dry_run_may_be_asked_for_in_the_query_too(api: Api) -> None:
    before = await job_events(api)
    files = {"file": ("jobs.csv", written(row_of("new")))}
    answer = await api.user.post("/jobs/bulk-upload", params={"dry_run": "true"}, files=files)
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    assert await job_events(api) == before


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


class TestUnreadable:
    async def test_a_missing_file(self, api: Api) -> None:
        nothing = await api.user.post("/jobs/bulk-upload", data={"dry_run": "true"})
        no_form = await api.user.post("/jobs/bulk-upload", json={})
        not_chosen = await api.user.post("/jobs/bulk-upload", files={"file": ("", b"")})
        as_text = await api.user.post("/jobs/bulk-upload", data={"file": "name"})
        for answer in (nothing, no_form, not_chosen, as_text):
            assert (answer.status_code, answer.json()["error"]) == (400, "Missing file"), answer.text

    async def test_a_file_that_is_no_table_of_jobs(self, api: Api) -> None:
        for content in UNREADABLE:
            answer = await send(api.user, content)
            assert (answer.status_code, answer.json()["error"]) == (400, "Invalid CSV"), content[:20]
            assert answer.json()["message"]

    async def test_a_large_file_is_refused_clearly_however_it_is_sent(self, api: Api) -> None:
        form = httpx.Request("POST", "http://x/", files={"file": ("jobs.csv", b"x" * MAX_BODY_BYTES)})
        content = form.read()

        async def in_parts() -> Any:
            for start in range(0, len(content), 2**16):
                yield content[start : start + 2**16]

        for body in (content, in_parts()):
            headers = {"Content-Type": form.headers["Content-Type"]}
            answer = await api.user.post("/jobs/bulk-upload", content=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (413, "Request too large")

    async def test_a_form_that_is_not_understood_changes_nothing(self, api: Api) -> None:
        content = written(row_of("one"))
        for form, error in [
            ({"dry_run": "maybe"}, "Invalid dry_run"),
            ({"update_existing": "2"}, "Invalid update_existing"),
            ({"dryrun": "true"}, "Invalid payload"),
            ({"default_github_owner": "x" * 256}, "Invalid default_github_owner"),
        ]:
            answer = await send(api.user, content, **form)
            assert (answer.status_code, answer.json()["error"]) == (400, error)
        assert await names(api) == set()

    async def test_a_header_alone_is_a_table_without_rows(self, api: Api) -> None:
        body = await upload(api.user)
        assert (body["created"], body["failed"], body["stats"]["original_row_count"]) == (0, 0, 0)


async def test_editors_may_upload_in_both_contracts(api: Api) -> None:
    everybody = {"admin": 200, "user": 200, "other": 200, "viewer": 403, "anonymous": 401}
    for version in ("/api/v2", "/api"):
        path = f"{api.app.state.origin}{version}/jobs/bulk-upload"
        for person, status in everybody.items():
            content = written(row_of(f"{person} {version}"))
            assert (await send(getattr(api, person), content, path=path)).status_code == status
    editors = [person for person, status in everybody.items() if status == 200]
    assert await names(api) == {
        f"{person} {version}" for person in editors for version in ("/api/v2", "/api")
    }


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
    singles = [api.other.post("/jobs", json=_body(f"job {number}")) for number in range(0, 30, 5)]
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


async def test_a_thousand_rows_take_few_statements_and_little_time(api: Api) -> None:
    statements: list[str] = []
    engine = api.gateway.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    names_and_urls = [(f"job {number}", f"{HOOK}/{number}") for number in range(MAX_ROWS)]
    new = written(*(row_of(name) for name, _ in names_and_urls))
    changed = written(*(row_of(name, Target_URL=url) for name, url in names_and_urls))
    for content, form, count in [(new, {}, "created"), (changed, {"update_existing": "1"}, "updated")]:
        statements.clear()
        begun = time.perf_counter()
        answer = await send(api.user, content, **form)
        took = time.perf_counter() - begun
        assert answer.json()[count] == MAX_ROWS
        assert len(statements) < 15, statements
        assert took < 5, took  # far below 2 s on a machine that does nothing else


async def test_the_changes_of_one_upload_are_told_as_one(api: Api) -> None:
    await upload(api.user, row_of("one"), row_of("two"))
    written_events = await job_events(api)
    assert {row["actor"] for row in written_events} == {f"user:{api.people['user'].id}"}
    assert len({row["correlation_id"] for row in written_events}) == 1
    async with api.gateway.database.read() as connection:
        assert len((await connection.execute(select(events.c.version).distinct())).all()) == 1


def _body(name: str) -> Json:
    return {
        "name": name,
        "cron_expression": "0 2 * * *",
        "end_date": "2026-12-31",
        "pic_team": "ops",
        "target_url": HOOK,
    }
