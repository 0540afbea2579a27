"""Jobs from a CSV file: what becomes of good rows, of bad ones, and of files that cannot be read."""

from typing import Any

import httpx

from services.gateway.api.boundary import MAX_BODY_BYTES
from services.gateway.domain.csv_table import MAX_ROWS
from tests.fixtures.gateway import Api, body_of
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
