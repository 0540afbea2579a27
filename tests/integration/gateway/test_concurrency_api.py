"""Many at once: nobody's change is lost, and what can be true once is true once."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import httpx

from tests.fixtures.gateway import PASSWORD, Api, Json, body_of, job_body

UPDATES = 100
ROUNDS = 100
FIELDS = ("metadata", "target_url", "cron_expression", "timeout_seconds")


def change(number: int) -> Json:
    """One of the fields, with a value that no other update gives it."""
    value: dict[str, Any] = {
        "metadata": {"number": number},
        "target_url": f"https://example.com/{number}",
        "cron_expression": f"{number % 60} {number // 60} * * *",
        "timeout_seconds": 100.0 + number,
    }
    field = FIELDS[number % len(FIELDS)]
    return {field: value[field]}


def outcomes(answers: Iterable[httpx.Response]) -> Counter[tuple[int, str]]:
    return Counter((answer.status_code, answer.json().get("error", "")) for answer in answers)


async def test_of_100_updates_of_one_job_none_is_lost(api: Api) -> None:
    job = await api.create_job()
    path = f"/jobs/{job['id']}"
    changes = [change(number) for number in range(UPDATES)]
    answers = await asyncio.gather(*(api.user.put(path, json=fields) for fields in changes))
    assert outcomes(answers) == {(200, ""): UPDATES}
    made = {answer.json()["job"]["version"]: fields for answer, fields in zip(answers, changes, strict=True)}
    assert sorted(made) == list(range(2, UPDATES + 2))

    history = (await body_of(api.user, f"{path}/history", limit=200))["history"]
    told = {entry["version"]: entry["changes"] for entry in history if entry["action"] == "updated"}
    after = {
        version: {name: value["to"] for name, value in change.items()} for version, change in told.items()
    }
    assert after == made
    # Each change was made to what the one before it had left.
    for field in FIELDS:
        values = [told[version][field] for version in sorted(told) if field in told[version]]
        assert values[0]["from"] == job[field]
        assert all(earlier["to"] == later["from"] for earlier, later in pairwise(values))

    final = {name: value for version in sorted(made) for name, value in made[version].items()}
    now = (await body_of(api.user, path))["job"]
    assert {name: now[name] for name in (*FIELDS, "version")} == {**final, "version": UPDATES + 1}


async def test_two_changes_of_different_fields_at_once_are_both_made(api: Api) -> None:
    job = await api.create_job()
    path = f"/jobs/{job['id']}"
    for number in range(ROUNDS):
        changes: list[Json] = [{"metadata": {"number": number}}, {"timeout_seconds": 100.0 + number}]
        answers = await asyncio.gather(*(api.user.put(path, json=fields) for fields in changes))
        assert outcomes(answers) == {(200, ""): 2}
        now = (await body_of(api.user, path))["job"]
        assert (now["metadata"], now["timeout_seconds"]) == ({"number": number}, 100.0 + number)
        assert now["version"] == 2 * number + 3


async def test_of_two_changes_of_one_version_one_is_made(api: Api) -> None:
    job = await api.create_job()
    path = f"/jobs/{job['id']}"
    for number in range(10):
        headers = {"If-Match": f'"{number + 1}"'}
        names = [f"name {number} of {one}" for one in range(5)]
        answers = await asyncio.gather(
            *(api.user.put(path, json={"name": name}, headers=headers) for name in names)
        )
        assert outcomes(answers) == {(200, ""): 1, (412, "Precondition failed"): 4}


async def test_of_two_jobs_with_one_name_one_is_made(api: Api) -> None:
    for number in range(5):
        body = job_body(name=f"nightly {number}")
        answers = await asyncio.gather(api.user.post("/jobs", json=body), api.other.post("/jobs", json=body))
        assert outcomes(answers) == {(201, ""): 1, (400, "Duplicate job name"): 1}
    assert (await body_of(api.user, "/jobs"))["count"] == 5


async def test_of_two_jobs_that_take_one_name_one_gets_it(api: Api) -> None:
    for number in range(5):
        jobs = [await api.create_job() for _ in range(2)]
        answers = await asyncio.gather(
            *(api.user.put(f"/jobs/{job['id']}", json={"name": f"wanted {number}"}) for job in jobs)
        )
        assert outcomes(answers) == {(200, ""): 1, (400, "Duplicate job name"): 1}


async def test_a_job_is_deleted_once_and_not_changed_afterwards(api: Api) -> None:
    job = await api.create_job()
    path = f"/jobs/{job['id']}"
    answers = await asyncio.gather(
        *(api.user.delete(path) for _ in range(5)),
        *(api.user.put(path, json={"name": f"name {number}"}) for number in range(5)),
    )
    assert outcomes(answers[:5]) == {(200, ""): 1, (404, "Job not found"): 4}
    history = (await body_of(api.user, f"{path}/history"))["history"]
    assert history[0]["action"] == "deleted"
    updated = outcomes(answers[5:])[200, ""]
    assert [entry["action"] for entry in history] == ["deleted", *["updated"] * updated, "created"]
    assert outcomes(answers[5:])[404, "Job not found"] == 5 - updated


async def test_each_of_many_requests_to_run_a_job_is_a_run(api: Api) -> None:
    job = await api.create_job()
    answers = await asyncio.gather(*(api.user.post(f"/jobs/{job['id']}/execute") for _ in range(50)))
    asked = {answer.json()["execution"]["id"] for answer in answers}
    listed = await body_of(api.user, f"/jobs/{job['id']}/executions", limit=200)
    assert {execution["id"] for execution in listed["executions"]} == asked
    assert len(asked) == 50


async def test_a_refresh_that_was_sent_twice_leaves_both_answers_good(api: Api) -> None:
    login = {"username": "user", "password": PASSWORD}
    session = (await api.anonymous.post("/auth/login", json=login)).json()
    token = {"refresh_token": session["refresh_token"]}
    answers = await asyncio.gather(*(api.anonymous.post("/auth/refresh", json=token) for _ in range(5)))
    assert outcomes(answers) == {(200, ""): 5}
    again = await asyncio.gather(
        *(
            api.anonymous.post("/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]})
            for answer in answers
        )
    )
    assert outcomes(again) == {(200, ""): 5}
