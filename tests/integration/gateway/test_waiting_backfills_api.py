"""Backfills that have not run yet: they are called off again, or get their turn."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import update

from services.gateway.store.tables import executions, runs
from services.gateway.turns import JOB_DELETED, give_turns
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, z
from tests.integration.gateway.backfilling import (
    accepted,
    ago,
    backfills,
    hourly,
    insert_instant,
)


class TestCalledOff:
    async def cancel(self, api: Api, job: Json, backfill_id: Any, client: Any = None) -> httpx.Response:
        answer: httpx.Response = await (client or api.user).delete(
            f"/jobs/{job['id']}/backfill/{backfill_id}"
        )
        return answer

    async def test_what_waits_is_and_its_orders_are_erased(self, api: Api) -> None:
        job = await hourly(api)
        kept = await accepted(api, job, only_missed=False, limit=5)
        made = await accepted(api, job, only_missed=False)
        await give_turns(api.gateway.database)
        answer = await self.cancel(api, job, made["backfill_id"])
        body = answer.json()
        assert sorted(body.pop("execution_ids")) == sorted(made["execution_ids"])
        assert (answer.status_code, body) == (
            200,
            {
                "message": "Backfill cancelled successfully",
                "job_id": job["id"],
                "backfill_id": made["backfill_id"],
                "cancelled": 5,
            },
        )
        rows = {str(row["id"]): row for row in await backfills(api)}
        assert {rows[one]["status"] for one in made["execution_ids"]} == {"cancelled"}
        assert [rows[one]["status"] for one in kept["execution_ids"]] == ["queued", *["waiting"] * 4]
        outbox = {str(row["execution_id"]): row for row in await rows_of(api.gateway.database, runs)}
        erased = [outbox[one] for one in made["execution_ids"]]
        assert {(row["turn"], row["sealed_order"]) for row in erased} == {(None, None)}

    async def test_what_has_begun_goes_on(self, api: Api) -> None:
        job = await hourly(api)
        made = await accepted(api, job, only_missed=False)
        assert await give_turns(api.gateway.database) == 1
        first = (await self.cancel(api, job, made["backfill_id"])).json()
        assert sorted(first["execution_ids"]) == sorted(made["execution_ids"][1:])
        again = await self.cancel(api, job, made["backfill_id"])
        assert (again.status_code, again.json()["cancelled"]) == (200, 0)

    async def test_by_its_owner_and_administrators_only(self, api: Api) -> None:
        job = await hourly(api)
        made = await accepted(api, job, only_missed=False)
        for client, status in ((api.other, 403), (api.viewer, 403), (api.anonymous, 401), (api.admin, 200)):
            assert (await self.cancel(api, job, made["backfill_id"], client)).status_code == status

    async def test_only_one_that_there_is(self, api: Api) -> None:
        job, another = await hourly(api), await hourly(api)
        made = await accepted(api, another, only_missed=False)
        for unknown in (uuid4(), made["backfill_id"], "none"):
            answer = await self.cancel(api, job, unknown)
            assert (answer.status_code, answer.json()["error"]) == (404, "Backfill not found")

    async def test_together_with_its_job(self, api: Api) -> None:
        job, another = await hourly(api), await hourly(api)
        made = await accepted(api, job, only_missed=False)
        await accepted(api, another, only_missed=False)
        assert (await api.user.delete(f"/jobs/{job['id']}")).status_code == 200
        statuses = {
            str(row["id"]): (row["status"], row["reason"], row["is_open"]) for row in await backfills(api)
        }
        assert {statuses.pop(one) for one in made["execution_ids"]} == {("cancelled", JOB_DELETED, False)}
        assert {status for status, _, _ in statuses.values()} == {"waiting"}

    async def test_but_not_by_a_pause(self, api: Api) -> None:
        job = await hourly(api)
        await accepted(api, job, only_missed=False)
        await api.user.post(f"/jobs/{job['id']}/pause")
        assert {row["status"] for row in await backfills(api)} == {"waiting"}


class TestTurns:
    async def finish(self, api: Api, row: Json) -> None:
        """As the projector notes it."""
        async with api.gateway.database.write() as connection:
            done = {"status": "success", "is_open": False, "rank": 24}
            await connection.execute(update(executions).where(executions.c.id == row["id"]).values(done))
            erased = update(runs).where(runs.c.execution_id == row["id"])
            await connection.execute(erased.values(sealed_order=None, published_seq=1))

    async def queued(self, api: Api) -> list[Json]:
        return [row for row in await backfills(api) if row["status"] == "queued"]

    @pytest.mark.parametrize("most", [1, 2, 5, 9])
    async def test_as_many_as_may_be_unfinished_have_theirs(self, api: Api, most: int) -> None:
        job = await hourly(api, max_instances=most)
        await accepted(api, job, only_missed=False)
        order: list[datetime] = []
        while await give_turns(api.gateway.database):
            assert await give_turns(api.gateway.database) == 0
            queued = await self.queued(api)
            assert len(queued) == min(most, 5 - len(order))
            order.append(queued[0]["backfills"])
            await self.finish(api, queued[0])
        while queued := await self.queued(api):
            order.append(queued[0]["backfills"])
            await self.finish(api, queued[0])
        assert [z(one) for one in order] == ago(5, 4, 3, 2, 1)

    async def test_other_runs_of_the_job_do_not_matter(self, api: Api) -> None:
        job = await hourly(api)
        await insert_instant(api, job, 9, status="running", is_open=True)
        await accepted(api, job, only_missed=False)
        await accepted(api, await hourly(api), only_missed=False)
        assert await give_turns(api.gateway.database) == 2
