"""Versions of a job: an `ETag` for each, and changes that are made to the version that is meant."""

import pytest

from tests.fixtures.gateway import Api, Json, body_of, job_body


async def version(api: Api, job: Json) -> int:
    found: int = (await body_of(api.viewer, f"/jobs/{job['id']}"))["job"]["version"]
    return found


async def test_every_answer_of_one_job_says_its_version(api: Api) -> None:
    answer = await api.user.post("/jobs", json=job_body())
    path = f"/jobs/{answer.json()['job']['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert (await api.user.put(path, json={"name": "second"})).headers["ETag"] == '"2"'
    assert (await api.viewer.get(path)).headers["ETag"] == '"2"'


@pytest.mark.parametrize("tag", ['"1"', "*", '"7", "1"', '"x","1"'])
async def test_a_change_of_the_present_version_is_made(api: Api, tag: str) -> None:
    job = await api.create_job()
    answer = await api.user.put(f"/jobs/{job['id']}", json={"name": "new"}, headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["job"]["version"]) == (200, 2)


@pytest.mark.parametrize("tag", ['"2"', '"0"', '"x"', 'W/"1"', '""', '"01"', '"99999999999999999999"'])
async def test_any_other_version_is_a_412_and_changes_nothing(api: Api, tag: str) -> None:
    job = await api.create_job()
    path, headers = f"/jobs/{job['id']}", {"If-Match": tag}
    expected = {"error": "Precondition failed", "message": "The job's present version is 1; read it again."}
    for answer in (
        await api.user.put(path, json={"name": "new"}, headers=headers),
        await api.user.put(path, json={}, headers=headers),
        await api.user.delete(path, headers=headers),
    ):
        assert (answer.status_code, answer.json()) == (412, expected)
    assert await version(api, job) == 1


@pytest.mark.parametrize("tag", ["1", '"1', "'1'", '"1" "2"', 'w/"1"', '"1",', '* , "1"', '"a b"'])
async def test_what_is_no_tag_is_a_400(api: Api, tag: str) -> None:
    job = await api.create_job()
    for answer in (
        await api.user.put(f"/jobs/{job['id']}", json={"name": "new"}, headers={"If-Match": tag}),
        await api.user.delete(f"/jobs/{job['id']}", headers={"If-Match": tag}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid If-Match")
    assert await version(api, job) == 1


async def test_a_deletion_of_the_present_version_is_made(api: Api) -> None:
    job = await api.create_job()
    answer = await api.user.delete(f"/jobs/{job['id']}", headers={"If-Match": '"1"'})
    assert answer.status_code == 200
    answer = await api.user.delete(f"/jobs/{job['id']}", headers={"If-Match": '"2"'})
    assert (answer.status_code, answer.json()["error"]) == (404, "Job not found")


async def test_who_may_not_change_it_does_not_learn_its_version(api: Api) -> None:
    job = await api.create_job()
    answer = await api.other.put(f"/jobs/{job['id']}", json={"name": "x"}, headers={"If-Match": '"9"'})
    assert (answer.status_code, answer.json()["error"]) == (403, "Insufficient permissions")


async def test_v1_has_them_too(api: Api) -> None:
    job = await api.create_job()
    url = f"{api.app.state.origin}/api/jobs/{job['id']}"
    assert (await api.viewer.get(url)).headers["ETag"] == '"1"'
    answer = await api.user.put(url, json={"name": "new"}, headers={"If-Match": '"2"'})
    assert answer.status_code == 412


async def test_a_job_may_be_sent_back_as_it_was_shown(api: Api) -> None:
    job = await api.create_job(metadata={"kept": True})
    answer = await api.user.put(f"/jobs/{job['id']}", json={**job, "name": "renamed"})
    assert answer.status_code == 200, answer.text
    changed = answer.json()["job"]
    assert {**changed, "name": job["name"], "version": 1, "updated_at": job["updated_at"]} == job
    assert (changed["version"], changed["created_by"]) == (2, job["created_by"])
