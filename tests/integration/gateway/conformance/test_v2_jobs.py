"""v2, "Jobs Endpoints" and "Write Operations - Jobs CRUD": what is documented is answered."""

from typing import Any

from tests.fixtures.gateway import Api, Json
from tests.integration.gateway.conformance.documented import (
    DAILY_BACKUP,
    EXECUTION,
    JOB,
    NOBODY,
    V2,
    Case,
    differences,
    got,
    prepare,
    refused,
)
from tests.integration.gateway.conformance.shapes import (
    Each,
    Shape,
    some_id,
    text,
    whole,
)

CHANGED: Shape = {"message": text, "job": JOB}
CREATED = {"message": "Job created successfully"}
UPDATED = {"message": "Job updated successfully"}
DELETED: Shape = {"message": text, "deleted_job": {"id": some_id, "name": text}}
WEBHOOK: Json = {
    **{name: value for name, value in DAILY_BACKUP.items() if not name.startswith("github")},
    "name": "Webhook Job",
    "target_url": "https://api.example.com/webhook",
}
LEAST = {name: WEBHOOK[name] for name in ("cron_expression", "pic_team", "end_date", "target_url")}
NO_OBJECTS: tuple[Any, ...] = ("text", [], 5)


def creates(status: int, *words: str, by: str = "user", without: str = "", **fields: Any) -> Case:
    body = {name: value for name, value in {**WEBHOOK, **fields}.items() if name != without}
    if status != 201:
        return refused("POST /jobs", status, *words, by=by, sent={"json": body})
    return Case(asked="POST /jobs", by=by, status=201, sent={"json": body}, shape=CHANGED, says=CREATED)


def changes(status: int, *words: str, by: str = "user", **fields: Any) -> Case:
    if status != 200:
        return refused("PUT /jobs/{id}", status, *words, by=by, sent={"json": fields})
    return Case(asked="PUT /jobs/{id}", by=by, status=200, sent={"json": fields}, shape=CHANGED, says=UPDATED)


async def test_creating(api: Api) -> None:
    await prepare(api)
    cases = [
        creates(201),
        creates(201, **DAILY_BACKUP, by="admin"),
        creates(201, name="by its categorys name", category="Maintenance Jobs"),
        creates(201, name="today", end_date="2026-11-21"),
        creates(400, "Duplicate job name"),
        creates(403, by="viewer", name="not mine"),
        creates(401, by="anonymous", name="nobodys"),
        *(
            creates(400, name="lacking", without=field)
            for field in ("name", "cron_expression", "pic_team", "end_date", "target_url")
        ),
        *(creates(400, name=name) for name in ("", "x" * 256)),
        *(
            creates(400, "Invalid cron expression", name="cron", cron_expression=cron)
            for cron in (
                "0 2 * *",
                "0 2 * * * *",
                "60 * * * *",
                "0 24 * * *",
                "0 0 0 * *",
                "@daily",
                "*/0 * * * *",
            )
        ),
        *(
            creates(400, "Invalid end_date", name="end", end_date=day)
            for day in ("2026-11-20", "31-12-2027", "2027-02-30", "")
        ),
        creates(400, "Invalid PIC team", name="team", pic_team="nobody"),
        creates(400, "Invalid category", name="category", category="nothing"),
        *(
            creates(400, "Invalid target_url", name="url", target_url=url)
            for url in ("example.com", "ftp://example.com", "https://example.com/" + "x" * 500)
        ),
        creates(400, name="half a workflow", github_repo="myrepo", github_owner="myorg"),
        creates(400, "Missing target configuration", name="no target", target_url=None),
        creates(400, **{**DAILY_BACKUP, "name": "workflow", "github_workflow_name": "backup.sh"}),
        *(creates(400, name="metadata", metadata=metadata) for metadata in NO_OBJECTS),
        creates(400, name="mail", notification_emails=["nowhere"]),
        creates(400, name="flag", is_active="yes"),
    ]
    assert await differences(api, V2, cases) == []


async def test_the_defaults_are_the_documented_ones(api: Api) -> None:
    await prepare(api)
    job = (await api.user.post("/jobs", json={"name": "least", **LEAST})).json()["job"]
    defaults: Json = {
        "category": "general",
        "metadata": {},
        "is_active": True,
        "last_execution_at": None,
        "enable_email_notifications": False,
        "notification_emails": [],
        "notify_on_success": False,
        "github_owner": None,
        "github_repo": None,
        "github_workflow_name": None,
        "created_by": str(api.people["user"].id),
    }
    assert {name: job[name] for name in defaults} == defaults
    assert job["next_execution_at"] == "2026-11-22T02:00:00+09:00"


async def test_reading_changing_and_deleting(api: Api) -> None:
    await prepare(api)
    job = await api.create_job(**{**DAILY_BACKUP, "target_url": None})
    await api.create_job(name="taken")
    path = "/jobs/{id}"
    cases = [
        Case(asked="GET /jobs", by="viewer", status=200, shape={"count": whole, "jobs": Each(JOB)}),
        Case(asked=f"GET {path}", by="viewer", status=200, shape={"job": JOB}),
        refused("GET /jobs", 401, by="anonymous"),
        changes(200, cron_expression="*/15 * * * *"),
        changes(200, name="Daily Backup Job"),
        changes(200, by="admin", metadata={"new_key": "new_value"}),
        changes(400, "Duplicate job name", name="taken"),
        changes(400, "Invalid cron expression", cron_expression="0 2 * *"),
        changes(400, "Invalid end_date", end_date="2026-11-20"),
        changes(400, "Invalid PIC team", pic_team="nobody"),
        changes(400, "Invalid category", category="nothing"),
        changes(
            400,
            "Missing target configuration",
            github_owner=None,
            github_repo=None,
            github_workflow_name=None,
        ),
        *(changes(403, by=person, is_active=False) for person in ("other", "viewer")),
        *(refused(f"DELETE {path}", 403, by=person) for person in ("other", "viewer")),
        *(refused(f"{method} /jobs/{NOBODY}", 404, "Job not found") for method in ("GET", "DELETE")),
        refused(f"PUT /jobs/{NOBODY}", 404, "Job not found", sent={"json": {"name": "x"}}),
        changes(200, enable_email_notifications=False),
        Case(
            asked=f"DELETE {path}",
            by="user",
            status=200,
            shape=DELETED,
            says={
                "message": "Job deleted successfully",
                "deleted_job": {"id": job["id"], "name": "Daily Backup Job"},
            },
        ),
        refused(f"GET {path}", 404, "Job not found"),
    ]
    assert await differences(api, V2, cases, id=job["id"]) == []


async def test_a_job_that_has_ended(api: Api) -> None:
    job = await api.create_job(end_date="2026-11-21")
    api.clock.advance(hours=20)
    cases = [
        refused("POST /jobs/{id}/execute", 400),
        Case(asked="GET /jobs/{id}", by="viewer", status=200, shape={"job": JOB}),
        changes(400, is_active=True),
        changes(200, is_active=True, end_date="2026-11-30"),
    ]
    assert await differences(api, V2, cases[:1], id=job["id"]) == []
    assert (await got(api.user, f"/jobs/{job['id']}"))["job"]["is_active"] is False
    assert await differences(api, V2, cases[1:], id=job["id"]) == []


async def test_running_one_now(api: Api) -> None:
    job = await api.create_job()
    shape: Shape = {"message": text, "job_id": some_id, "execution": EXECUTION}
    path, says = "POST /jobs/{id}/execute", {"message": "Job triggered successfully", "job_id": job["id"]}
    bodies: list[Json] = [
        {},
        {"json": {}},
        {"json": {"inputs": {"key": "value"}}},
        {"json": {"metadata": {"a": 1}, "target_url": "https://example.com/other"}},
    ]
    cases = [
        *(Case(asked=path, by="user", status=200, sent=sent, shape=shape, says=says) for sent in bodies),
        Case(asked=path, by="admin", status=200, shape=shape, says=says),
        *(refused(path, 403, by=person) for person in ("other", "viewer")),
        refused(f"POST /jobs/{NOBODY}/execute", 404, "Job not found"),
        refused(path, 400, sent={"json": {"metadata": "text"}}),
    ]
    assert await differences(api, V2, cases, id=job["id"]) == []
    listed = await got(api.user, f"/jobs/{job['id']}/executions")
    assert listed["total_executions"] == 5
    assert {(run["status"], run["trigger_type"]) for run in listed["executions"]} == {("running", "manual")}
    assert (await got(api.user, f"/jobs/{job['id']}"))["job"]["target_url"] == job["target_url"]
