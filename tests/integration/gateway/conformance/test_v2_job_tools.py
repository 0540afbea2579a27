"""v2, "Bulk CSV upload" and "Cron Utility Endpoints": what is documented is answered."""

from typing import Any

import pytest

from tests.fixtures.gateway import Api, Json
from tests.integration.gateway.conformance.documented import (
    ERROR,
    LAST_DAY,
    V2,
    Case,
    differences,
    got,
    prepare,
    refused,
)
from tests.integration.gateway.conformance.shapes import Each, Nullable, Shape, flag, local, text, whole

WEBHOOK = {"target_url": "https://api.example.com/webhook"}
BULK: dict[str, Shape] = {
    "message": text,
    "dry_run": flag,
    "stats": {"original_row_count": whole, "removed_empty_row_count": whole},
    "created_count": whole,
    "error_count": whole,
    "created": whole,
    "updated": whole,
    "failed": whole,
    "errors": Each({"row": whole, "name": Nullable(text), "error": text}, at_least=0),
    "jobs": Each({"name": text}, at_least=0),
}
PLAIN_CSV = f"""\
name,cron_expression,category,pic_team,end_date,github_owner,github_repo,github_workflow_name,status
Job 1,0 0 * * *,maintenance,devops,{LAST_DAY},myorg,repo1,workflow.yml,enable
Job 2,0 6 * * 1,reports,analytics,{LAST_DAY},myorg,repo2,report.yml,disable
Bad Job,0 25 * * *,reports,analytics,{LAST_DAY},myorg,repo2,report.yml,enable
"""
SPREADSHEET_CSV = f"""\
Job Name,Cron Schedule (JST),Status,Target URL,Repo,Workflow Name,GitHub Owner,Category,End Date,PIC Team,Request Body,Branch,
Job 3,*/5 * * * *,enable,,myorg/repo3,w.yml,,Maintenance Jobs,{LAST_DAY},DevOps Team,"{{""env"": ""qa""}}",release,
Job 4,0 9 * * 1-5,enable,,repo4,w.yaml,,maintenance,{LAST_DAY},devops,,,
Job 5,0 0 1 * *,enable,https://api.example.com/x,,,,,{LAST_DAY},devops,"{{""branchDetails"": ""kept""}}",other,
,,,,,,,,,,,,
"""


@pytest.mark.parametrize(
    ("csv", "form", "counts"),
    [
        (PLAIN_CSV, {}, {"created_count": 2, "error_count": 1}),
        (PLAIN_CSV, {"dry_run": "true"}, {"created_count": 2, "error_count": 1}),
        (SPREADSHEET_CSV, {"default_github_owner": "myorg"}, {"created_count": 3, "error_count": 0}),
        (SPREADSHEET_CSV, {}, {"created_count": 2, "error_count": 1}),
    ],
    ids=["plain", "dry", "spreadsheet", "no owner"],
)
async def test_a_csv_file(api: Api, csv: str, form: dict[str, str], counts: dict[str, int]) -> None:
    await prepare(api)
    dry = "dry_run" in form
    sent: Json = {"files": {"file": ("jobs.csv", csv, "text/csv")}, "data": form}
    says = {**counts, "dry_run": dry, "created": counts["created_count"], "failed": counts["error_count"]}
    case = Case(asked="POST /jobs/bulk-upload", by="user", status=200, sent=sent, shape=BULK, says=says)
    assert await differences(api, V2, [case]) == []
    jobs = {job["name"]: job for job in (await got(api.user, "/jobs"))["jobs"]}
    assert len(jobs) == (0 if dry else counts["created_count"])
    if csv == PLAIN_CSV and not dry:
        assert {name: job["is_active"] for name, job in jobs.items()} == {"Job 1": True, "Job 2": False}
    if "default_github_owner" in form:
        assert [jobs[f"Job {number}"]["github_owner"] for number in (3, 4, 5)] == ["myorg", "myorg", None]
        assert jobs["Job 3"]["metadata"] == {"env": "qa", "branchDetails": "release"}
        assert (jobs["Job 5"]["metadata"], jobs["Job 5"]["category"]) == (
            {"branchDetails": "kept"},
            "general",
        )


async def test_a_csv_file_that_is_none(api: Api) -> None:
    def uploads(content: str) -> Json:
        return {"files": {"file": ("jobs.csv", content, "text/csv")}}

    path = "POST /jobs/bulk-upload"
    cases = [
        refused(path, 400, "Invalid CSV", by="user", sent=uploads("")),
        refused(path, 400, by="user", sent={"data": {"dry_run": "true"}}),
        refused(path, 403, by="viewer", sent=uploads(PLAIN_CSV)),
        refused(path, 401, by="anonymous", sent=uploads(PLAIN_CSV)),
    ]
    assert await differences(api, V2, cases) == []


async def test_cron_utilities(api: Api) -> None:
    def asks(which: str, **body: Any) -> Json:
        return {"asked": f"POST /jobs/{which}", "by": "viewer", "sent": {"json": body}}

    two = "0 2 * * *"
    valid = {"valid": True, "cron_expression": two, "description": "At 02:00 AM every day"}
    preview: Shape = {"cron_expression": text, "next_runs": Each(local), "timezone": text, "count": whole}
    previewed = {
        "cron_expression": two,
        "timezone": "Asia/Tokyo",
        "count": 5,
        "next_runs": [f"2026-11-{day}T02:00:00+09:00" for day in range(22, 27)],
    }
    cases = [
        Case(**asks("validate-cron", cron_expression=two), status=200, says=valid),
        *(
            Case(
                **asks("validate-cron", cron_expression=cron), status=200, shape=ERROR, says={"valid": False}
            )
            for cron in ("0 2 * *", "0 25 * * *", "nonsense", "")
        ),
        Case(**asks("cron-preview", cron_expression=two, count=5), status=200, shape=preview, says=previewed),
        Case(**asks("cron-preview", cron_expression=two), status=200, shape=preview, says=previewed),
        refused(
            **asks("cron-preview", cron_expression="0 2 * *"), status=400, error="Invalid cron expression"
        ),
        *(
            refused(f"POST /jobs/{which}", 401, by="anonymous", sent={"json": {"cron_expression": two}})
            for which in ("validate-cron", "cron-preview")
        ),
        refused("POST /jobs/test-run", 403, by="viewer", sent={"json": WEBHOOK}),
        refused("POST /jobs/test-run", 400, "Missing target configuration", sent={"json": {}}),
    ]
    assert await differences(api, V2, cases) == []
