"""Jobs over HTTP: exactly the documented answers, and nothing is changed by a request that is refused."""

from uuid import uuid4

from services.gateway.store.tables import events, jobs
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import (
    Api,
    Json,
    body_of,
    client_of,
    created,
    job_body,
    running_app,
    z,
)

ALL_FIELDS: Json = {
    "name": "nightly ✓",
    "cron_expression": "0 2 * * *",
    "end_date": "2026-12-31",
    "pic_team": "devops",
    "target_url": "https://example.com/hook",
    "category": "maintenance",
    "metadata": {"env": "production", "list": [1, 2.5, None, True, {"ü": ""}]},
    "timezone": "Europe/Berlin",
    "timeout_seconds": 12.5,
    "enable_email_notifications": True,
    "notification_emails": ["admin@example.com", "ops@example.com"],
    "notify_on_success": True,
    "is_active": True,
    "webhook": {"method": "POST"},
    "misfire_policy": "run_all",
    "misfire_grace_seconds": 0,
    "max_instances": 100,
    "overlap_policy": "cancel_running",
    "pause_after_failures": 1,
}
DEFAULT_POLICIES = {
    "misfire_policy": "run_latest",
    "misfire_grace_seconds": 3600,
    "max_instances": 1,
    "overlap_policy": "skip",
    "pause_after_failures": None,
}
NO_GITHUB = {"github_owner": None, "github_repo": None, "github_workflow_name": None}


async def know_all_names(api: Api) -> None:
    """Make the team and the category of `ALL_FIELDS`."""
    await api.create_team("DevOps")
    answer = await api.admin.post("/job-categories", json={"name": "Maintenance"})
    assert answer.status_code == 201, answer.text


def plain_schedule(job: Json) -> Json:
    """What a job without a schedule of its own shows as one."""
    return {
        "kind": "cron",
        "expression": job["cron_expression"],
        "seconds": False,
        "gap": "debian",
        "fold": "debian",
        "timezone": job["timezone"],
        "start_at": None,
        "end_date": job["end_date"],
        "jitter_seconds": 0,
        "exclusions": [],
    }


def missing(job_id: object) -> Json:
    return {"error": "Job not found", "message": f"No job found with ID: {job_id}"}


class TestCreate:
    async def test_it_answers_the_whole_job(self, api: Api) -> None:
        await know_all_names(api)
        answer = await api.user.post("/jobs", json=ALL_FIELDS)
        body = answer.json()
        job_id = body["job"]["id"]
        job = {
            **ALL_FIELDS,
            **NO_GITHUB,
            "schedule": plain_schedule(ALL_FIELDS),
            "id": job_id,
            "created_by": str(api.people["user"].id),
            "created_at": z(SOME_TIME),
            "updated_at": z(SOME_TIME),
            "last_execution_at": None,
            "next_execution_at": "2026-11-22T02:00:00+01:00",
            "next_run_at": None,
            "version": 1,
        }
        assert (answer.status_code, body) == (201, {"message": "Job created successfully", "job": job})
        assert answer.headers["Location"] == f"/api/v2/jobs/{job_id}"
        assert await body_of(api.viewer, f"/jobs/{job_id}") == {"job": job}

    async def test_what_is_not_given_has_its_documented_default(self, api: Api) -> None:
        given = job_body(end_date="2026-11-21", name="  trimmed ")
        job = (await api.user.post("/jobs", json=given)).json()["job"]
        assert job == {
            **given,
            **NO_GITHUB,
            **DEFAULT_POLICIES,
            "schedule": plain_schedule({**given, "timezone": "Asia/Tokyo"}),
            "id": job["id"],
            "name": "trimmed",
            "category": "general",
            "metadata": {},
            "timezone": "Asia/Tokyo",
            "timeout_seconds": 30.0,
            "enable_email_notifications": False,
            "notification_emails": [],
            "notify_on_success": False,
            "is_active": True,
            "webhook": {"method": "GET"},
            "created_by": str(api.people["user"].id),
            "created_at": z(SOME_TIME),
            "updated_at": z(SOME_TIME),
            "last_execution_at": None,
            "next_execution_at": None,  # 02:00 of the last day is over
            "next_run_at": None,
            "version": 1,
        }

    async def test_a_taken_name_is_a_400(self, api: Api) -> None:
        await api.create_job(name="nightly")
        answer = await api.admin.post("/jobs", json=job_body(name=" nightly "))
        assert (answer.status_code, answer.json()) == (
            400,
            {"error": "Duplicate job name", "message": 'A job named "nightly" already exists.'},
        )

    async def test_every_required_field_is_asked_for(self, api: Api) -> None:
        names = ("name", "cron_expression", "end_date", "pic_team")
        expected = {
            "error": "Missing required fields",
            "message": "; ".join(f"{name}: is required" for name in names),
            "details": dict.fromkeys(names, "is required"),
        }
        answer = await api.user.post("/jobs", json={})
        assert (answer.status_code, answer.json()) == (400, expected)
        given = {name: value for name, value in job_body().items() if name != "target_url"}
        answer = await api.user.post("/jobs", json=given)
        message = "Provide target_url or GitHub config (github_owner, github_repo, github_workflow_name)."
        expected = {"error": "Missing target configuration", "message": message}
        assert (answer.status_code, answer.json()) == (400, expected)
        given = {name: value for name, value in job_body().items() if name != "pic_team"}
        answer = await api.user.post("/jobs", json=given)
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid PIC team")


class TestRead:
    async def test_the_list_has_everybodys_jobs_newest_first(self, api: Api) -> None:
        first = await api.create_job(name="first")
        api.clock.advance(seconds=1)
        second = await created(api.other, name="second")
        listed = {"count": 2, "jobs": [second, first]}
        for client in (api.viewer, api.user, api.admin):
            assert await body_of(client, "/jobs") == listed

    async def test_a_job_tells_when_its_newest_run_started(self, api: Api) -> None:
        job = await api.create_job()
        for minutes in (1, 3, 2):
            at = api.clock.advance(minutes=minutes)
            await api.insert_execution(job, kind="manual", queued_at=at, started_at=at)
        await api.insert_execution(job, status="missed", queued_at=api.clock.advance(minutes=5))
        expected = {**job, "last_execution_at": z(SOME_TIME.replace(minute=6))}
        assert await body_of(api.viewer, f"/jobs/{job['id']}") == {"job": expected}
        assert await body_of(api.viewer, "/jobs") == {"count": 1, "jobs": [expected]}

    async def test_a_paused_job_has_no_next_instant(self, api: Api) -> None:
        assert (await api.create_job(is_active=False))["next_execution_at"] is None

    async def test_what_is_not_there_is_a_404(self, api: Api) -> None:
        job_id = uuid4()
        answer = await api.viewer.get(f"/jobs/{job_id}")
        assert (answer.status_code, answer.json()) == (404, missing(job_id))
        for text in ("1", "x", str(job_id).replace("-", ""), f"{{{job_id}}}"):
            answer = await api.viewer.get(f"/jobs/{text}")
            assert (answer.status_code, answer.json()) == (
                404,
                {"error": "Job not found", "message": "This is not a valid ID"},
            )


class TestUpdate:
    async def test_only_what_is_given_changes(self, api: Api) -> None:
        await know_all_names(api)
        job = (await api.user.post("/jobs", json=ALL_FIELDS)).json()["job"]
        api.clock.advance(minutes=1)
        answer = await api.user.put(f"/jobs/{job['id']}", json={"cron_expression": "30 3 * * *"})
        expected = {
            **job,
            "cron_expression": "30 3 * * *",
            "schedule": {**job["schedule"], "expression": "30 3 * * *"},
            "updated_at": "2026-11-21T12:01:00Z",
            "next_execution_at": "2026-11-22T03:30:00+01:00",
            "version": 2,
        }
        assert (answer.status_code, answer.json()) == (
            200,
            {"message": "Job updated successfully", "job": expected},
        )
        assert await body_of(api.viewer, f"/jobs/{job['id']}") == {"job": expected}

    async def test_every_field_can_be_changed(self, api: Api) -> None:
        await know_all_names(api)
        job = await api.create_job(is_active=False)
        answer = await api.user.put(f"/jobs/{job['id']}", json=ALL_FIELDS)
        times = {"next_execution_at": "2026-11-22T02:00:00+01:00", "version": 2}
        schedule = plain_schedule(ALL_FIELDS)
        assert answer.json()["job"] == {**job, **ALL_FIELDS, **times, "schedule": schedule}

    async def test_one_that_changes_nothing_makes_no_version(self, api: Api) -> None:
        job = await api.create_job(name="same")
        for fields in ({}, {"name": "same"}, {"webhook": {"method": "GET"}}):
            answer = await api.user.put(f"/jobs/{job['id']}", json=fields)
            assert (answer.status_code, answer.json()["job"]) == (200, job)

    async def test_a_taken_name_is_a_400_and_the_own_one_is_not(self, api: Api) -> None:
        await api.create_job(name="taken")
        job = await api.create_job(name="own")
        await api.create_team("qa")
        answer = await api.user.put(f"/jobs/{job['id']}", json={"name": "taken"})
        assert (answer.status_code, answer.json()["error"]) == (400, "Duplicate job name")
        answer = await api.user.put(f"/jobs/{job['id']}", json={"name": "own", "pic_team": "qa"})
        assert (answer.status_code, answer.json()["job"]["pic_team"]) == (200, "qa")

    async def test_an_ended_job_is_enabled_with_a_later_end_only(self, api: Api) -> None:
        path = f"/jobs/{(await api.create_job(end_date='2026-11-21', is_active=False))['id']}"
        api.clock.advance(hours=3)  # midnight in Tokyo
        answer = await api.user.put(path, json={"is_active": True})
        assert (answer.status_code, answer.json()["error"]) == (400, "Job expired")
        answer = await api.user.put(path, json={"is_active": True, "end_date": "2026-11-22"})
        assert (answer.status_code, answer.json()["job"]["is_active"]) == (200, True)


class TestDelete:
    async def test_the_job_is_gone_and_its_name_is_free(self, api: Api) -> None:
        job = await api.create_job(name="nightly")
        answer = await api.user.delete(f"/jobs/{job['id']}")
        deleted = {"id": job["id"], "name": "nightly"}
        expected = {"message": "Job deleted successfully", "deleted_job": deleted}
        assert (answer.status_code, answer.json()) == (200, expected)
        assert await body_of(api.user, "/jobs") == {"count": 0, "jobs": []}
        for answer in (
            await api.user.get(f"/jobs/{job['id']}"),
            await api.user.delete(f"/jobs/{job['id']}"),
            await api.user.put(f"/jobs/{job['id']}", json={"name": "again"}),
        ):
            assert (answer.status_code, answer.json()) == (404, missing(job["id"]))
        assert (await api.create_job(name="nightly"))["id"] != job["id"]


async def test_refused_requests_leave_no_event_behind(api: Api) -> None:
    job = await api.create_job(name="nightly")
    before = await rows_of(api.gateway.database, events), await rows_of(api.gateway.database, jobs)
    await api.user.post("/jobs", json=job_body(name="nightly"))
    await api.user.put(f"/jobs/{job['id']}", json={"cron_expression": "never"})
    await api.other.put(f"/jobs/{job['id']}", json={"name": "mine"})
    await api.other.delete(f"/jobs/{job['id']}")
    assert before == (
        await rows_of(api.gateway.database, events),
        await rows_of(api.gateway.database, jobs),
    )


async def test_where_https_is_required_no_job_is_made_without(api: Api) -> None:
    settings = api.gateway.settings.model_copy(update={"webhook_require_https": True})
    token = api.user.headers["Authorization"].removeprefix("Bearer ")
    async with running_app(settings, api.clock) as strict, client_of(strict, token) as client:
        answer = await client.post("/jobs", json=job_body(target_url="http://example.com/"))
        assert (answer.status_code, answer.json()) == (
            400,
            {
                "error": "Invalid target_url",
                "message": "target_url must begin with https://",
                "details": {"target_url": "must begin with https://"},
            },
        )
        assert (await created(client))["target_url"] == "https://example.com/hook"
