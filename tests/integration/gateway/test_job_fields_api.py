"""The fields of a job: what they mean together, and what no job may have."""

import json
from typing import Any
from uuid import uuid4

from tests.fixtures.gateway import Api, Json, body_of, job_body

WRONG_FIELDS: list[tuple[Json, str]] = [
    ({"name": "   "}, "Job name cannot be empty"),
    ({"name": None}, "Invalid name"),
    ({"name": "x" * 256}, "Invalid name"),
    ({"name": "a\r\nBcc: b@example.com"}, "Invalid name"),
    ({"cron_expression": "0 2 * *"}, "Invalid cron expression"),
    ({"cron_expression": "0 0 2 * * *"}, "Invalid cron expression"),
    ({"cron_expression": "@daily"}, "Invalid cron expression"),
    ({"cron_expression": "*/0 * * * *"}, "Invalid cron expression"),
    ({"cron_expression": "0 0 31 2 *"}, "Invalid cron expression"),
    ({"cron_expression": "0," * 200 + "0 * * * *"}, "Invalid cron expression"),
    ({"end_date": "2026-11-20"}, "Invalid end_date"),
    ({"end_date": "2026-02-30"}, "Invalid end_date"),
    ({"end_date": "20261231"}, "Invalid end_date"),
    ({"end_date": 1_800_000_000}, "Invalid end_date"),
    ({"end_date": None}, "Invalid end_date"),
    ({"pic_team": " "}, "Invalid PIC team"),
    ({"pic_team": None}, "Invalid PIC team"),
    ({"pic_team": "Dev Ops"}, "Invalid PIC team"),
    ({"category": "Not A Slug"}, "Invalid category"),
    ({"timezone": "Mars/Base"}, "Invalid time zone"),
    ({"timezone": "../../etc/passwd"}, "Invalid time zone"),
    ({"timeout_seconds": 0}, "Invalid timeout_seconds"),
    ({"timeout_seconds": 301}, "Invalid timeout_seconds"),
    ({"timeout_seconds": "30"}, "Invalid timeout_seconds"),
    ({"metadata": []}, "Invalid metadata"),
    ({"metadata": {"nul": "\0"}}, "Invalid metadata"),
    ({"metadata": {"\0": 1}}, "Invalid metadata"),
    ({"metadata": {"large": 2**63}}, "Invalid metadata"),
    ({"metadata": {"long": "x" * 65_536}}, "Invalid metadata"),
    ({"is_active": "yes"}, "Invalid is_active"),
    ({"is_active": 1}, "Invalid is_active"),
    ({"notification_emails": "a@example.com"}, "Invalid notification_emails"),
    ({"notification_emails": ["not an address"]}, "Invalid notification_emails"),
    ({"notification_emails": ["a@example.com"] * 51}, "Invalid notification_emails"),
    ({"webhook": {"method": "DELETE"}}, "Invalid webhook"),
    ({"webhook": {"headers": {}}}, "Invalid payload"),
    ({"misfire_policy": "run"}, "Invalid misfire_policy"),
    ({"misfire_grace_seconds": -1}, "Invalid misfire_grace_seconds"),
    ({"misfire_grace_seconds": 7 * 86_400 + 1}, "Invalid misfire_grace_seconds"),
    ({"misfire_grace_seconds": 1.5}, "Invalid misfire_grace_seconds"),
    ({"max_instances": 0}, "Invalid max_instances"),
    ({"max_instances": 101}, "Invalid max_instances"),
    ({"max_instances": True}, "Invalid max_instances"),
    ({"overlap_policy": None}, "Invalid overlap_policy"),
    ({"pause_after_failures": 0}, "Invalid pause_after_failures"),
    ({"pause_after_failures": 1001}, "Invalid pause_after_failures"),
    ({"owner_id": str(uuid4())}, "Invalid payload"),
    ({"account_id": str(uuid4())}, "Invalid payload"),
    ({"target_url": None}, "Missing target configuration"),
    ({"target_url": "  "}, "Missing target configuration"),
    ({"github_repo": "myrepo"}, "Missing target configuration"),
    ({"github_repo": "a/b", "github_workflow_name": "x.txt"}, "Invalid github_workflow_name"),
    ({"github_repo": "a/..", "github_workflow_name": "x.yml"}, "Invalid github_repo"),
    ({"target_url": "file:///etc/passwd"}, "Invalid target_url"),
    ({"target_url": "http://user:pass@127.0.0.1/"}, "Invalid target_url"),
    ({"target_url": "http://example.com#@127.0.0.1/"}, "Invalid target_url"),
    ({"target_url": "http://127.0.0.1\\@example.com/"}, "Invalid target_url"),
    ({"target_url": "http://example.com/\r\nX-A: 1"}, "Invalid target_url"),
    ({"target_url": f"http://example.com/{'x' * 500}"}, "Invalid target_url"),
]


class TestWrongFields:
    async def test_no_job_is_made_of_them(self, api: Api) -> None:
        answers: list[Any] = []
        for fields, _ in WRONG_FIELDS:
            answer = await api.user.post("/jobs", json=job_body(**fields))
            answers.append((fields, answer.status_code, answer.json()["error"]))
        assert answers == [(fields, 400, error) for fields, error in WRONG_FIELDS]
        assert await body_of(api.user, "/jobs") == {"count": 0, "jobs": []}

    async def test_no_job_is_changed_into_them(self, api: Api) -> None:
        job = await api.create_job()
        answers: list[Any] = []
        for fields, _ in WRONG_FIELDS:
            answer = await api.user.put(f"/jobs/{job['id']}", json=fields)
            answers.append((fields, answer.status_code, answer.json()["error"]))
        assert answers == [(fields, 400, error) for fields, error in WRONG_FIELDS]
        assert await body_of(api.user, f"/jobs/{job['id']}") == {"job": job}

    async def test_what_nobody_can_set_is_refused_at_first_and_passed_over_later(self, api: Api) -> None:
        job = await api.create_job()
        for fields in ({"id": str(uuid4())}, {"created_by": str(uuid4())}, {"version": 7}):
            answer = await api.user.post("/jobs", json=job_body(**fields))
            assert (answer.status_code, answer.json()["error"]) == (400, "Invalid payload")
            answer = await api.user.put(f"/jobs/{job['id']}", json=fields)
            assert (answer.status_code, answer.json()["job"]) == (200, job)


async def test_teams_and_categories_are_found_by_name_and_must_be_there(api: Api) -> None:
    await api.create_team("DevOps")
    await api.admin.post("/job-categories", json={"name": "Maintenance"})
    job = await api.create_job(pic_team=" DevOps ", category="Maintenance")
    assert (job["pic_team"], job["category"]) == ("devops", "maintenance")
    for fields, error in (
        ({"pic_team": "nobody"}, "Invalid PIC team"),
        ({"category": "none"}, "Invalid category"),
    ):
        answer = await api.user.post("/jobs", json=job_body(**fields))
        assert (answer.status_code, answer.json()["error"]) == (400, error)
        answer = await api.user.put(f"/jobs/{job['id']}", json=fields)
        assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert (await api.create_job(category=None))["category"] == "general"


async def test_a_workflow_comes_before_a_url_which_is_kept(api: Api) -> None:
    workflow = {"github_owner": "myorg", "github_repo": "myrepo", "github_workflow_name": "tests.yml"}
    both = await api.create_job(**workflow)
    assert {**both, **workflow, "target_url": "https://example.com/hook"} == both
    path = f"/jobs/{both['id']}"
    cleared = {**dict.fromkeys(workflow), "target_url": None}
    answer = await api.user.put(path, json=cleared)
    assert (answer.status_code, answer.json()["error"]) == (400, "Missing target configuration")
    answer = await api.user.put(path, json={"target_url": None})
    assert (answer.status_code, answer.json()["job"]["github_repo"]) == (200, "myrepo")
    answer = await api.user.put(path, json={**cleared, "target_url": "https://example.com/other"})
    job = answer.json()["job"]
    assert (job["target_url"], job["github_repo"]) == ("https://example.com/other", None)


async def test_addresses_are_kept_only_while_mail_is_enabled(api: Api) -> None:
    mail: Json = {"notification_emails": ["ops@example.com"], "notify_on_success": True}
    job = await api.create_job(**mail)
    assert (job["notification_emails"], job["notify_on_success"]) == ([], True)
    path = f"/jobs/{job['id']}"
    job = (await api.user.put(path, json={**mail, "enable_email_notifications": True})).json()["job"]
    assert job["notification_emails"] == ["ops@example.com"]
    job = (await api.user.put(path, json={"enable_email_notifications": False})).json()["job"]
    assert (job["notification_emails"], job["notify_on_success"]) == ([], True)
    job = (await api.user.put(path, json=mail)).json()["job"]
    assert (job["notification_emails"], job["version"]) == ([], 3)


async def test_what_is_no_json_object_is_told_apart(api: Api) -> None:
    job = await api.create_job()
    as_json = {"Content-Type": "application/json"}
    for method, path in (("POST", "/jobs"), ("PUT", f"/jobs/{job['id']}")):
        for content, headers, error in (
            (b"{", as_json, "Invalid JSON"),
            (b"[]", as_json, "Invalid payload"),
            (b"{}", {"Content-Type": "text/plain"}, "Content-Type must be application/json"),
        ):
            answer = await api.user.request(method, path, content=content, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_true_in_the_metadata_is_not_1(api: Api) -> None:
    job = await api.create_job(metadata={"on": 1, "all": [{"off": 0}]})
    metadata = {"on": True, "all": [{"off": False}]}
    answer = await api.user.put(f"/jobs/{job['id']}", json={"metadata": metadata})
    changed = answer.json()["job"]
    assert (answer.status_code, changed["version"], json.dumps(changed["metadata"], sort_keys=True)) == (
        200,
        2,
        json.dumps(metadata, sort_keys=True),
    )
    newest = (await body_of(api.user, f"/jobs/{job['id']}/history"))["history"][0]
    assert list(newest["changes"]) == ["metadata"]


async def test_a_body_that_is_nested_too_deeply_is_a_400_at_any_depth(api: Api) -> None:
    as_json = {"Content-Type": "application/json"}
    for depth in range(800, 1010, 2):
        content = '{"username": ' + '{"a": ' * depth + "1" + "}" * depth + ', "password": "x"}'
        answer = await api.anonymous.post("/auth/login", content=content, headers=as_json)
        assert answer.status_code == 400, f"{depth}: {answer.text}"
