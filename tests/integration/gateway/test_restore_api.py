"""A deleted job comes back: as it was, unless its time is over."""

import asyncio
from uuid import uuid4

from services.gateway.store.read_models import rebuild
from services.gateway.store.tables import jobs
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of, z


async def deleted(api: Api, **fields: object) -> Json:
    """A job of `user` that is gone since a minute after its creation, as it was."""
    job = await api.create_job(**fields)
    api.clock.advance(minutes=1)
    assert (await api.user.delete(f"/jobs/{job['id']}")).status_code == 200
    api.clock.advance(minutes=1)
    return job


async def test_it_is_as_it_was_with_the_next_version(api: Api) -> None:
    job = await deleted(api, metadata={"a": 1}, timeout_seconds=5)
    answer = await api.user.post(f"/jobs/{job['id']}/restore")
    expected = {**job, "updated_at": z(api.clock.now), "version": 3}
    assert (answer.status_code, answer.json()) == (
        200,
        {"message": "Job restored successfully", "job": expected},
    )
    assert answer.headers["ETag"] == '"3"'
    assert await body_of(api.viewer, f"/jobs/{job['id']}") == {"job": expected}
    assert await body_of(api.viewer, "/jobs") == {"count": 1, "jobs": [expected]}


async def test_its_history_goes_on(api: Api) -> None:
    job = await deleted(api, name="nightly")
    await api.admin.post(f"/jobs/{job['id']}/restore")
    await api.user.put(f"/jobs/{job['id']}", json={"name": "renamed"})
    history = (await body_of(api.viewer, f"/jobs/{job['id']}/history"))["history"]
    assert [entry["action"] for entry in history] == ["updated", "restored", "deleted", "created"]
    restored = history[1]
    assert (restored["version"], restored["actor"], restored["at"]) == (3, "admin", z(api.clock.now))
    assert restored["changes"]["name"] == {"from": None, "to": "nightly"}


async def test_it_may_be_deleted_and_restored_again(api: Api) -> None:
    job = await deleted(api)
    for version in (3, 5):
        answer = await api.user.post(f"/jobs/{job['id']}/restore")
        assert (answer.status_code, answer.json()["job"]["version"]) == (200, version)
        assert (await api.user.delete(f"/jobs/{job['id']}")).status_code == 200


async def test_it_survives_a_rebuild_of_the_tables(api: Api) -> None:
    job = await deleted(api)
    await api.user.post(f"/jobs/{job['id']}/restore")
    before = await rows_of(api.gateway.database, jobs)
    await rebuild(api.gateway.database)
    assert await rows_of(api.gateway.database, jobs) == before


async def test_a_name_that_was_taken_meanwhile_is_a_400(api: Api) -> None:
    job = await deleted(api, name="nightly")
    await api.create_job(name="nightly")
    answer = await api.user.post(f"/jobs/{job['id']}/restore")
    assert (answer.status_code, answer.json()["error"]) == (400, "Duplicate job name")
    assert (await body_of(api.user, "/jobs"))["count"] == 1


async def test_a_job_whose_last_day_is_over_comes_back_paused(api: Api) -> None:
    job = await deleted(api, end_date="2026-11-21")
    api.clock.advance(hours=3)  # midnight in Tokyo
    answer = await api.user.post(f"/jobs/{job['id']}/restore")
    assert (answer.status_code, answer.json()["job"]["is_active"]) == (200, False)


async def test_it_has_the_slugs_that_its_category_and_its_team_got_meanwhile(api: Api) -> None:
    category = (await api.admin.post("/job-categories", json={"name": "Reports"})).json()["category"]
    team = await api.create_team("Quality")
    job = await deleted(api, category="reports", pic_team="quality")
    await api.admin.put(f"/job-categories/{category['id']}", json={"name": "Audits"})
    await api.admin.put(f"/pic-teams/{team['id']}", json={"name": "Assurance"})
    # Somebody else has the old ones now.
    await api.admin.post("/job-categories", json={"name": "Reports"})
    await api.create_team("Quality")
    back = (await api.user.post(f"/jobs/{job['id']}/restore")).json()["job"]
    assert (back["category"], back["pic_team"]) == ("audits", "assurance")


async def test_a_job_that_is_there_is_a_409(api: Api) -> None:
    job = await api.create_job()
    answer = await api.user.post(f"/jobs/{job['id']}/restore")
    assert (answer.status_code, answer.json()["error"]) == (409, "Job is not deleted")


async def test_a_job_that_never_was_is_a_404(api: Api) -> None:
    for path in (uuid4(), "x"):
        answer = await api.admin.post(f"/jobs/{path}/restore")
        assert (answer.status_code, answer.json()["error"]) == (404, "Job not found")


async def test_only_its_owner_and_administrators_may(api: Api) -> None:
    seen = {}
    for caller in ("admin", "user", "other", "viewer", "anonymous"):
        job = await deleted(api)
        seen[caller] = (await getattr(api, caller).post(f"/jobs/{job['id']}/restore")).status_code
    assert seen == {"admin": 200, "user": 200, "other": 403, "viewer": 403, "anonymous": 401}


async def test_of_many_at_once_one_restores_it(api: Api) -> None:
    job = await deleted(api)
    answers = await asyncio.gather(*(api.user.post(f"/jobs/{job['id']}/restore") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
