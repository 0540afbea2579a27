"""Who changed a job, when, and from what to what."""

from typing import Any
from uuid import uuid4

from tests.fixtures.builders import SOME_TIME
from tests.fixtures.gateway import Api, Json, body_of, z


async def history(api: Api, job: Json, **query: Any) -> Json:
    return await body_of(api.viewer, f"/jobs/{job['id']}/history", **query)


async def change(api: Api, job: Json, **fields: Any) -> None:
    """Change the job a minute later, as an administrator."""
    api.clock.advance(minutes=1)
    answer = await api.admin.put(f"/jobs/{job['id']}", json=fields)
    assert answer.status_code == 200, answer.text


async def versions(api: Api, job: Json, **query: Any) -> list[int]:
    return [entry["version"] for entry in (await history(api, job, **query))["history"]]


async def test_a_life_is_told_newest_first_field_by_field(api: Api) -> None:
    job = await api.create_job(
        name="nightly",
        metadata={"a": 1},
        enable_email_notifications=True,
        notification_emails=["ops@example.com"],
        timeout_seconds=5,
    )
    await change(api, job, cron_expression="30 3 * * *", metadata={"a": 2}, webhook={"method": "POST"})
    await change(api, job, is_active=False)
    deleted = api.clock.advance(minutes=1)
    await api.user.delete(f"/jobs/{job['id']}")
    user, admin = ({"actor": name, "actor_id": str(api.people[name].id)} for name in ("user", "admin"))
    settings = {
        "name": "nightly",
        "cron_expression": "0 2 * * *",
        "target_url": "https://example.com/hook",
        "metadata": {"a": 1},
        "category": "general",
        "pic_team": "ops",
        "end_date": "2026-12-31",
        "enable_email_notifications": True,
        "notification_emails": ["ops@example.com"],
        "notify_on_success": False,
        "is_active": True,
        "timezone": "Asia/Tokyo",
        "timeout_seconds": 5.0,
        "webhook": {"method": "GET"},
        "misfire_policy": "run_latest",
        "misfire_grace_seconds": 3600,
        "max_instances": 1,
        "overlap_policy": "skip",
        "schedule": {
            "kind": "cron",
            "seconds": False,
            "gap": "debian",
            "fold": "debian",
            "start_at": None,
            "jitter_seconds": 0,
            "exclusions": [],
        },
    }
    changed = {"cron_expression": "30 3 * * *", "metadata": {"a": 2}, "webhook": {"method": "POST"}}
    last = {**settings, **changed, "is_active": False}
    assert await history(api, job) == {
        "job_id": job["id"],
        "total": 4,
        "history": [
            {
                "version": 4,
                "action": "deleted",
                "at": z(deleted),
                **user,
                "changes": {name: {"from": value, "to": None} for name, value in last.items()},
            },
            {
                "version": 3,
                "action": "updated",
                "at": z(SOME_TIME.replace(minute=2)),
                **admin,
                "changes": {"is_active": {"from": True, "to": False}},
            },
            {
                "version": 2,
                "action": "updated",
                "at": z(SOME_TIME.replace(minute=1)),
                **admin,
                "changes": {name: {"from": settings[name], "to": value} for name, value in changed.items()},
            },
            {
                "version": 1,
                "action": "created",
                "at": z(SOME_TIME),
                **user,
                "changes": {name: {"from": None, "to": value} for name, value in settings.items()},
            },
        ],
    }


async def test_what_the_system_did_is_told_as_its_deed(api: Api) -> None:
    job = await api.create_job(end_date="2026-11-21")
    api.clock.advance(hours=3)  # midnight in Tokyo
    await api.user.post(f"/jobs/{job['id']}/execute")  # which pauses the job
    assert (await history(api, job, limit=1))["history"] == [
        {
            "version": 2,
            "action": "updated",
            "at": z(SOME_TIME.replace(hour=15)),
            "actor": "system",
            "actor_id": None,
            "changes": {"is_active": {"from": True, "to": False}},
        }
    ]


async def test_pages_follow_one_another_by_version(api: Api) -> None:
    job = await api.create_job()
    for number in range(4):
        await change(api, job, name=f"name {number}")
    pages = [
        await versions(api, job, limit=2),
        await versions(api, job, limit=2, before_version=4),
        await versions(api, job, limit=2, before_version=2),
        await versions(api, job, limit=2, before_version=1),
    ]
    assert pages == [[5, 4], [3, 2], [1], []]
    assert (await history(api, job, limit=1, before_version=3))["total"] == 5


async def test_a_change_that_changes_nothing_is_not_told(api: Api) -> None:
    job = await api.create_job()
    await change(api, job, name=job["name"])
    assert await versions(api, job) == [1]


async def test_a_job_that_never_was_has_none(api: Api) -> None:
    job_id = uuid4()
    for path, message in ((job_id, f"No job found with ID: {job_id}"), ("x", "This is not a valid ID")):
        answer = await api.admin.get(f"/jobs/{path}/history")
        assert (answer.status_code, answer.json()) == (
            404,
            {"error": "Job not found", "message": message},
        )


async def test_a_query_that_makes_no_sense_is_a_400(api: Api) -> None:
    job = await api.create_job()
    for query in ("limit=0", "limit=x", "before_version=0", "before_version=2147483648", "before_version=x"):
        answer = await api.viewer.get(f"/jobs/{job['id']}/history?{query}")
        [field] = answer.json()["details"]
        assert (answer.status_code, answer.json()["error"], field) == (
            400,
            "Invalid request",
            query.partition("=")[0],
        )
