"""v1, "Authentication Endpoints" and "Job Management Endpoints": what is documented is answered."""

from typing import Any

from tests.fixtures.gateway import PASSWORD, Api, Json
from tests.integration.gateway.conformance.documented import (
    JOB,
    NOBODY,
    USER,
    V1,
    Case,
    ask,
    differences,
    refused,
)
from tests.integration.gateway.conformance.shapes import Each, Shape, some_id, text, whole

JOHN = {
    "username": "john_doe",
    "email": "john@example.com",
    "password": "secure_password",
    "role": "user",
}
QA_TESTS: Json = {
    "name": "QA Backend Tests",
    "cron_expression": "0 3 * * *",
    "github_owner": "myorg",
    "github_repo": "test-automation",
    "github_workflow_name": "qa-tests.yml",
    "metadata": {"environment": "QA", "branch": "master", "parallelContainers": "5"},
}
HEALTH_CHECK = {
    "name": "Hourly Health Check",
    "cron_expression": "0 * * * *",
    "target_url": "https://api.example.com/health",
}
SYNC: Json = {
    "name": "Critical Data Sync Job",
    "cron_expression": "0 2 * * *",
    "target_url": "https://api.example.com/sync",
    "enable_email_notifications": True,
    "notification_emails": ["admin@example.com", "devops@example.com"],
    "notify_on_success": False,
}
EXAMPLES = ("*/5 * * * *", "0 */2 * * *", "0 9 * * 1-5", "0 0 * * 0", "0 0 1 * *", "0 0 1 1 *")
CHANGED: Shape = {"message": text, "job": JOB}


async def test_sessions(api: Api) -> None:
    login: Json = {"json": {"username": "admin", "password": PASSWORD}}
    shape: Shape = {"message": text, "access_token": text, "refresh_token": text, "user": USER}
    cases = [
        Case(
            asked="POST /auth/login",
            by="anonymous",
            status=200,
            sent=login,
            shape=shape,
            says={"message": "Login successful"},
        ),
        refused("POST /auth/login", 400, by="anonymous", sent={"json": {"username": "admin"}}),
        refused("POST /auth/login", 400, by="anonymous", sent={"json": {"password": PASSWORD}}),
        refused(
            "POST /auth/login", 401, by="anonymous", sent={"json": {"username": "admin", "password": "no"}}
        ),
        Case(asked="GET /auth/me", by="viewer", status=200, shape={"user": USER}),
        refused("GET /auth/me", 401, by="anonymous"),
        refused("POST /auth/refresh", 401, by="anonymous"),
        refused("POST /auth/refresh", 401),  # an access token is none that refreshes
    ]
    assert await differences(api, V1, cases) == []
    answer = await ask(api, V1, cases[0], {})
    refreshes: Json = {"headers": {"Authorization": f"Bearer {answer.json()['refresh_token']}"}}
    again = Case(
        asked="POST /auth/refresh", by="anonymous", status=200, sent=refreshes, shape={"access_token": text}
    )
    assert await differences(api, V1, [again]) == []


async def test_users(api: Api) -> None:
    me, path = api.people["user"].id, "/auth/users/{id}"
    deleted: Shape = {"message": text, "deleted_user": {"id": some_id, "username": text}}
    registered: dict[str, Shape] = {"message": text, "user": USER}

    def registers(status: int, **fields: Any) -> Case:
        sent = {"json": {name: value for name, value in (JOHN | fields).items() if value is not None}}
        if status != 201:
            return refused("POST /auth/register", status, sent=sent)
        return Case(
            asked="POST /auth/register",
            status=201,
            sent=sent,
            shape=registered,
            says={"message": "User registered successfully"},
        )

    def changes(status: int, by: str, **fields: Any) -> Case:
        asked, sent = f"PUT {path}", {"json": fields}
        if status != 200:
            return refused(asked, status, by=by, sent=sent)
        shape: Shape = {**registered, "updated_fields": Each(text)}
        says = {"message": "User updated successfully", "updated_fields": list(fields)}
        return Case(asked=asked, by=by, status=200, sent=sent, shape=shape, says=says)

    cases = [
        registers(201),
        registers(409),
        registers(409, username="other_name"),
        registers(400, username="jo"),
        registers(400, password="short"),
        registers(400, role="root"),
        *(registers(400, **{name: None}) for name in ("username", "email", "password")),
        refused("POST /auth/register", 403, by="user", sent={"json": JOHN}),
        refused("POST /auth/register", 401, by="anonymous", sent={"json": JOHN}),
        Case(asked="GET /auth/users", status=200, shape={"count": whole, "users": Each(USER)}),
        refused("GET /auth/users", 403, by="viewer"),
        Case(asked=f"GET {path}", by="user", status=200, shape={"user": USER}),
        Case(asked=f"GET {path}", status=200, shape={"user": USER}),
        refused(f"GET {path}", 403, by="viewer"),
        refused(f"GET /auth/users/{NOBODY}", 404),
        changes(200, "admin", email="newemail@example.com", password="newpassword123"),
        changes(200, "admin", role="user", is_active=True),
        changes(400, "admin", password="short"),
        changes(400, "admin"),
        changes(409, "admin", email="viewer@example.com"),
        changes(403, "other", email="x@example.com"),
        refused(f"PUT /auth/users/{NOBODY}", 404, sent={"json": {"email": "x@example.com"}}),
        refused(f"DELETE {path}", 403, by="viewer"),
        refused(f"DELETE /auth/users/{api.people['admin'].id}", 400),
        refused(f"DELETE /auth/users/{NOBODY}", 404),
        Case(
            asked=f"DELETE {path}",
            status=200,
            shape=deleted,
            says={"message": "User deleted successfully"},
        ),
    ]
    assert await differences(api, V1, cases, id=me) == []


async def test_jobs(api: Api) -> None:
    def creates(status: int, body: Json, by: str = "user", **fields: Any) -> Case:
        asked, sent = "POST /jobs", {"json": {**body, **fields}}
        if status != 201:
            return refused(asked, status, by=by, sent=sent)
        says = {"message": "Job created successfully"}
        return Case(asked=asked, by=by, status=201, sent=sent, shape=CHANGED, says=says)

    cases = [
        *(creates(201, body) for body in (QA_TESTS, HEALTH_CHECK, SYNC)),
        *(creates(201, HEALTH_CHECK, name=cron, cron_expression=cron) for cron in EXAMPLES),
        creates(400, HEALTH_CHECK),
        creates(400, {**HEALTH_CHECK, "name": ""}),
        creates(400, {"name": "no target", "cron_expression": "0 * * * *"}),
        creates(400, {**QA_TESTS, "name": "half", "github_owner": None, "github_repo": None}),
        creates(400, {**HEALTH_CHECK, "name": "bad cron", "cron_expression": "every day"}),
        creates(400, {"cron_expression": "0 * * * *", "target_url": "https://example.com"}),
        creates(400, {"name": "no cron", "target_url": "https://example.com"}),
        creates(400, {**HEALTH_CHECK, "name": "metadata", "metadata": []}),
        creates(403, {**HEALTH_CHECK, "name": "viewers"}, by="viewer"),
        creates(401, {**HEALTH_CHECK, "name": "nobodys"}, by="anonymous"),
        Case(asked="GET /jobs", by="viewer", status=200, shape={"count": whole, "jobs": Each(JOB)}),
        refused("GET /jobs", 401, by="anonymous"),
    ]
    assert await differences(api, V1, cases) == []
    jobs = (await api.user.get(f"{api.app.state.origin}{V1}/jobs")).json()["jobs"]
    assert {job["category"] for job in jobs} == {"general"}
    assert {job["end_date"] for job in jobs} == {None}


async def test_one_job(api: Api) -> None:
    answer = await api.user.post(f"{api.app.state.origin}{V1}/jobs", json=SYNC)
    job = answer.json()["job"]
    await api.create_job(name="taken")
    path = "/jobs/{id}"

    def changes(status: int, by: str = "user", **fields: Any) -> Case:
        if status != 200:
            return refused(f"PUT {path}", status, by=by, sent={"json": fields})
        says = {"message": "Job updated successfully"}
        return Case(asked=f"PUT {path}", by=by, status=200, sent={"json": fields}, shape=CHANGED, says=says)

    says: Json = {"message": "Job deleted successfully", "deleted_job": {"id": job["id"], "name": "Renamed"}}
    cases = [
        Case(asked=f"GET {path}", by="viewer", status=200, shape={"job": JOB}),
        refused(f"GET /jobs/{NOBODY}", 404),
        changes(200, name="Renamed", cron_expression="*/10 * * * *", target_url="https://new-url.com"),
        changes(200, "admin", metadata={"new_key": "new_value"}, is_active=False),
        changes(200, github_owner="neworg", github_repo="newrepo", github_workflow_name="new-workflow.yml"),
        changes(200, enable_email_notifications=False),
        changes(400, name=""),
        changes(400, name="taken"),
        changes(400, cron_expression="nonsense"),
        changes(403, "other", is_active=True),
        changes(403, "viewer", is_active=True),
        refused(f"PUT /jobs/{NOBODY}", 404, sent={"json": {"is_active": True}}),
        *(refused(f"DELETE {path}", 403, by=person) for person in ("other", "viewer")),
        Case(asked="POST /jobs/{id}/execute", by="user", status=200, says={"job_id": job["id"]}),
    ]
    assert await differences(api, V1, cases, id=job["id"]) == []
    now = (await api.user.get(f"/jobs/{job['id']}")).json()["job"]
    assert (now["notification_emails"], now["is_active"], now["next_execution_at"]) == ([], False, None)
    gone = [
        Case(asked=f"DELETE {path}", by="user", status=200, says=says),
        refused(f"DELETE {path}", 404),
    ]
    assert await differences(api, V1, gone, id=job["id"]) == []
