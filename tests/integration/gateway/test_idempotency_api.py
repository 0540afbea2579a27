"""Requests that are sent again with their key: done once, answered alike."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from services.gateway.commands.idempotency import FORGET_BATCH
from services.gateway.store.tables import executions, idempotency_keys, jobs
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of, job_body

REPLAYED = "Idempotency-Replayed"


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def is_replayed(answer: httpx.Response) -> bool:
    return bool(answer.headers.get(REPLAYED) == "true")


async def count(api: Api, table: Any) -> int:
    return len(await rows_of(api.gateway.database, table))


async def age(api: Api, how_old: timedelta) -> None:
    """Make all keys this old."""
    async with api.gateway.database.write() as connection:
        await connection.execute(update(idempotency_keys).values(created_at=api.clock.now - how_old))


class TestCreate:
    async def test_the_same_request_makes_one_job_and_answers_it_again(self, api: Api) -> None:
        body = job_body(metadata={"a": 1, "b": 2})
        first = await api.user.post("/jobs", json=body, headers=keyed("k"))
        other_order = dict(reversed(body.items()))
        second = await api.user.post("/jobs", json=other_order, headers=keyed("k"))
        assert (first.status_code, is_replayed(first)) == (201, False)
        assert (second.status_code, second.json(), is_replayed(second)) == (201, first.json(), True)
        for header in ("Location", "ETag"):
            assert second.headers[header] == first.headers[header]
        assert await count(api, jobs) == 1

    async def test_the_answer_is_the_first_one_whatever_became_of_the_job(self, api: Api) -> None:
        body = job_body()
        first = await api.user.post("/jobs", json=body, headers=keyed("k"))
        path = f"/jobs/{first.json()['job']['id']}"
        await api.user.put(path, json={"name": "renamed"})
        assert (await api.user.post("/jobs", json=body, headers=keyed("k"))).json() == first.json()
        await api.user.delete(path)
        again = await api.user.post("/jobs", json=body, headers=keyed("k"))
        assert (again.status_code, again.json(), is_replayed(again)) == (201, first.json(), True)

    async def test_another_request_under_the_key_is_a_409(self, api: Api) -> None:
        await api.user.post("/jobs", json=job_body(name="one"), headers=keyed("k"))
        answer = await api.user.post("/jobs", json=job_body(name="two"), headers=keyed("k"))
        assert (answer.status_code, answer.json()) == (
            409,
            {
                "error": "Idempotency key reused",
                "message": "This Idempotency-Key was sent with another request; take a new one.",
            },
        )
        job = (await body_of(api.user, "/jobs"))["jobs"][0]
        answer = await api.user.post(f"/jobs/{job['id']}/execute", headers=keyed("k"))
        assert (answer.status_code, answer.json()["error"]) == (409, "Idempotency key reused")
        assert (await count(api, jobs), await count(api, executions)) == (1, 0)

    async def test_a_key_is_its_users_own(self, api: Api) -> None:
        answers = [
            await client.post("/jobs", json=job_body(name=name), headers=keyed("k"))
            for client, name in ((api.user, "one"), (api.other, "two"))
        ]
        assert [(answer.status_code, is_replayed(answer)) for answer in answers] == [(201, False)] * 2

    async def test_a_refused_request_may_be_corrected(self, api: Api) -> None:
        await api.create_job(name="taken")
        for fields in ({"name": "taken"}, {"name": "free", "pic_team": "nobody"}, {"name": ""}):
            answer = await api.user.post("/jobs", json=job_body(**fields), headers=keyed("k"))
            assert answer.status_code == 400
        answer = await api.user.post("/jobs", json=job_body(name="free"), headers=keyed("k"))
        assert (answer.status_code, is_replayed(answer)) == (201, False)

    async def test_after_a_day_the_key_is_forgotten(self, api: Api) -> None:
        await api.user.post("/jobs", json=job_body(name="one"), headers=keyed("k"))
        await age(api, timedelta(hours=24, microseconds=-1))
        answer = await api.user.post("/jobs", json=job_body(name="two"), headers=keyed("k"))
        assert answer.status_code == 409
        await age(api, timedelta(hours=24))
        answer = await api.user.post("/jobs", json=job_body(name="two"), headers=keyed("k"))
        assert (answer.status_code, is_replayed(answer)) == (201, False)
        replay = await api.user.post("/jobs", json=job_body(name="two"), headers=keyed("k"))
        assert is_replayed(replay)

    async def test_old_keys_go_in_passing(self, api: Api) -> None:
        old = [
            {
                "user_id": api.people["other"].id,
                "key": f"old {number}",
                "operation": "create job",
                "request_hash": "0" * 64,
                "created_at": api.clock.now - timedelta(hours=24),
            }
            for number in range(FORGET_BATCH + 1)
        ]
        async with api.gateway.database.write() as connection:
            await connection.execute(idempotency_keys.insert(), old)
        for number, left in ((1, 2), (2, 2)):
            await api.user.post("/jobs", json=job_body(), headers=keyed(f"new-{number}"))
            assert await count(api, idempotency_keys) == left

    @pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\u00fc"])
    async def test_a_key_that_is_none_is_a_400(self, api: Api, key: str) -> None:
        headers = {b"Idempotency-Key": key.encode("latin-1")}
        answer = await api.user.post("/jobs", json=job_body(), headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid request")
        assert list(answer.json()["details"]) == ["Idempotency-Key"]
        assert await count(api, jobs) == 0

    async def test_the_longest_key_is_taken(self, api: Api) -> None:
        answer = await api.user.post("/jobs", json=job_body(), headers=keyed("~" * 255))
        assert answer.status_code == 201


class TestExecute:
    async def test_the_same_request_is_one_run(self, api: Api) -> None:
        job = await api.create_job()
        path, body = f"/jobs/{job['id']}/execute", {"inputs": {"a": 1}, "github_token": "hush"}
        answers = [await api.user.post(path, json=body, headers=keyed("k")) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert [is_replayed(answer) for answer in answers] == [False, True, True]
        assert len({answer.json()["execution"]["id"] for answer in answers}) == 1
        assert await count(api, executions) == 1
        assert "hush" not in str(await rows_of(api.gateway.database, idempotency_keys))
        for other in ({"inputs": {"a": 2}}, None):
            answer = await api.user.post(path, json=other, headers=keyed("k"))
            assert (answer.status_code, answer.json()["error"]) == (409, "Idempotency key reused")

    async def test_the_same_key_for_another_job_is_another_request(self, api: Api) -> None:
        paths = [f"/jobs/{(await api.create_job())['id']}/execute" for _ in range(2)]
        answers = [await api.user.post(path, headers=keyed("k")) for path in paths]
        assert [answer.status_code for answer in answers] == [200, 409]

    async def test_it_is_answered_again_after_the_job_is_gone(self, api: Api) -> None:
        job = await api.create_job()
        path = f"/jobs/{job['id']}/execute"
        first = await api.user.post(path, headers=keyed("k"))
        await api.user.delete(f"/jobs/{job['id']}")
        again = await api.user.post(path, headers=keyed("k"))
        assert (again.status_code, again.json()["execution"]["id"]) == (
            200,
            first.json()["execution"]["id"],
        )
        assert (await api.user.post(path, headers=keyed("new"))).status_code == 404


class TestAtOnce:
    async def test_of_many_equal_requests_one_makes_the_job(self, api: Api) -> None:
        for number in range(5):
            body = job_body(name=f"nightly {number}")
            sent = [api.user.post("/jobs", json=body, headers=keyed(f"k{number}")) for _ in range(10)]
            answers = await asyncio.gather(*sent)
            assert Counter((answer.status_code, is_replayed(answer)) for answer in answers) == {
                (201, False): 1,
                (201, True): 9,
            }
            assert len({answer.json()["job"]["id"] for answer in answers}) == 1
        assert await count(api, jobs) == 5

    async def test_of_many_equal_requests_one_makes_the_run(self, api: Api) -> None:
        job: Json = await api.create_job()
        path = f"/jobs/{job['id']}/execute"
        answers = await asyncio.gather(*(api.user.post(path, headers=keyed("k")) for _ in range(20)))
        assert Counter((answer.status_code, is_replayed(answer)) for answer in answers) == {
            (200, False): 1,
            (200, True): 19,
        }
        assert await count(api, executions) == 1

    async def test_of_many_different_requests_under_one_key_one_is_done(self, api: Api) -> None:
        sent = [api.user.post("/jobs", json=job_body(), headers=keyed("k")) for _ in range(10)]
        answers = await asyncio.gather(*sent)
        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 9}
        assert await count(api, jobs) == 1
