"""Who schedules, as people are told: with schedulers, without any, and with nothing but the database."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from services.gateway.store.tables import bus_state
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing
from shared.bus.instances import Instance, NextJob, tell
from shared.bus.lease import Lease
from shared.bus.streams import SCHEDULER_STREAM, bucket_subject
from shared.clock import utc_now
from shared.domain.execution import Status
from shared.events import CheckpointReached
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import Api, Json, body_of, z
from tests.fixtures.nats import NatsProcess
from tests.integration.gateway.test_health_api import database_moved

PATH = "/scheduler/status"
NOBODY: Json = {
    "scheduler_enabled": True,
    "running": False,
    "leader": None,
    "leader_since": None,
    "last_heartbeat": None,
    "term": None,
    "version": None,
    "decided_until": None,
    "ledgered_until": None,
    "lag_seconds": None,
    "total_jobs": 0,
    "active_jobs": 0,
    "running_jobs": 0,
    "next_job": None,
    "instances": [],
}
LEADER = Instance(
    id=uuid4(),
    name="server-01:4711:abc123",
    hostname="server-01",
    pid=4711,
    started_at=SOME_TIME - timedelta(hours=2),
    last_heartbeat=SOME_TIME - timedelta(seconds=1),
    version="1.2.3",
    is_leader=True,
    leader_since=SOME_TIME - timedelta(hours=1),
    term=7,
    jobs=120,
    until=SOME_TIME - timedelta(seconds=2),
    next_job=NextJob(id=uuid4(), name="nightly", at=SOME_TIME + timedelta(minutes=1)),
)
FOLLOWER = Instance(
    id=uuid4(),
    name="server-02:815:def456",
    hostname="server-02",
    pid=815,
    started_at=SOME_TIME - timedelta(hours=1),
    last_heartbeat=SOME_TIME,
    version="1.2.4",
    jobs=119,
    until=SOME_TIME - timedelta(seconds=3),
)


def shown(instance: Instance) -> Json:
    """An instance as the answer shows it."""
    return {
        "id": str(instance.id),
        "hostname": instance.hostname,
        "pid": instance.pid,
        "is_leader": instance.is_leader,
        "leader_since": z(instance.leader_since),
        "term": instance.term,
        "started_at": z(instance.started_at),
        "last_heartbeat": z(instance.last_heartbeat),
        "version": instance.version,
        "jobs": instance.jobs,
        "until": z(instance.until),
    }


@pytest.fixture
async def with_bus(api: Api, made_bus: Bus) -> AsyncIterator[Api]:
    """Its routes find a bus, on which nobody schedules yet."""
    alone = api.gateway
    api.app.state.gateway = replace(alone, bus=made_bus)
    yield api
    api.app.state.gateway = alone


async def record(api: Api, **columns: Any) -> None:
    """What the ledger would have written."""
    row = {
        "id": 1,
        "generation": 1,
        "is_seeded": True,
        "ledgered_until": SOME_TIME,
        "ledgered_events_seq": 0,
        "ledger_position": 0,
        "projector_position": 0,
        **columns,
    }
    async with api.gateway.database.write() as connection:
        await connection.execute(bus_state.insert().values(row))


class TestWithSchedulers:
    async def test_the_leader_and_the_others_are_shown(self, with_bus: Api, made_bus: Bus) -> None:
        await Lease(made_bus, LEADER.name, 30, utc_now).acquire()
        until = SOME_TIME - timedelta(seconds=1)
        checkpoint = CheckpointReached(until=until, events_seq=1, decisions_seq=1, generation=1)
        subject = bucket_subject(subjects.SCHEDULER_BUCKET, subjects.CHECKPOINT_KEY)
        await made_bus.publish(Outgoing(subject=subject, body=orjson.dumps(checkpoint.body()), headers={}))
        for instance in (FOLLOWER, LEADER):
            await tell(made_bus, instance)
        await record(with_bus, ledgered_until=SOME_TIME - timedelta(seconds=2.5))
        assert LEADER.next_job is not None
        assert await body_of(with_bus.user, PATH) == {
            **NOBODY,
            "running": True,
            "leader": shown(LEADER),
            "leader_since": z(LEADER.leader_since),
            "last_heartbeat": z(LEADER.last_heartbeat),
            "term": 7,
            "version": "1.2.3",
            "decided_until": z(until),
            "ledgered_until": z(SOME_TIME - timedelta(seconds=2.5)),
            "lag_seconds": 2.5,
            "next_job": {
                "id": str(LEADER.next_job.id),
                "name": "nightly",
                "at": z(LEADER.next_job.at),
            },
            "instances": [shown(LEADER), shown(FOLLOWER)],
        }

    async def test_one_that_was_killed_does_not_lead_any_more(self, with_bus: Api, made_bus: Bus) -> None:
        await Lease(made_bus, FOLLOWER.name, 30, utc_now).acquire()
        await tell(made_bus, LEADER)
        await tell(made_bus, FOLLOWER)
        body = await body_of(with_bus.user, PATH)
        assert (body["running"], body["leader"], body["next_job"]) == (True, None, None)
        assert [(one["hostname"], one["is_leader"], one["term"]) for one in body["instances"]] == [
            ("server-01", False, None),
            ("server-02", False, None),
        ]

    async def test_without_a_leader_nothing_runs_whoever_is_there(self, with_bus: Api, made_bus: Bus) -> None:
        await tell(made_bus, FOLLOWER)
        assert await body_of(with_bus.user, PATH) == {**NOBODY, "instances": [shown(FOLLOWER)]}


class TestWithoutSchedulers:
    async def test_without_the_bus_the_database_is_asked_all_the_same(self, api: Api) -> None:
        await record(api, ledgered_until=SOME_TIME - timedelta(minutes=5))
        job = await api.create_job()
        await api.create_job(is_active=False)
        for minute, status in enumerate((Status.RUNNING, Status.RUNNING, Status.SUCCESS)):
            planned_at = SOME_TIME + timedelta(minutes=minute)
            await api.insert_execution(job, status=status, planned_at=planned_at)
        assert await body_of(api.user, PATH) == {
            **NOBODY,
            "ledgered_until": z(SOME_TIME - timedelta(minutes=5)),
            "lag_seconds": 300.0,
            "total_jobs": 2,
            "active_jobs": 1,
            "running_jobs": 1,
        }

    async def test_before_the_very_first_start_of_a_bus_nothing_is_known(self, api: Api) -> None:
        assert await body_of(api.user, PATH) == NOBODY

    async def test_a_bus_without_its_buckets_is_as_good_as_none(self, with_bus: Api, made_bus: Bus) -> None:
        await made_bus.js.delete_stream(SCHEDULER_STREAM)
        assert await body_of(with_bus.user, PATH) == NOBODY

    async def test_a_server_that_is_killed_is_not_waited_for(
        self, with_bus: Api, made_bus: Bus, nats_server: NatsProcess
    ) -> None:
        await tell(made_bus, FOLLOWER)
        await nats_server.kill()
        await eventually(lambda: not made_bus.is_connected)
        assert await body_of(with_bus.user, PATH) == NOBODY
        await nats_server.start()
        await made_bus.wait_connected()

    async def test_where_there_should_be_none_it_says_so(self, api: Api) -> None:
        alone = api.gateway
        settings = alone.settings.model_copy(update={"scheduler_enabled": False})
        api.app.state.gateway = replace(alone, settings=settings)
        assert await body_of(api.user, PATH) == {**NOBODY, "scheduler_enabled": False}

    async def test_while_the_database_is_away_people_are_told_when_to_come_back(self, api: Api) -> None:
        await body_of(api.user, PATH)  # the caller is known from now on
        async with database_moved(api, 1):
            answer = await api.user.get(PATH)
        assert answer.status_code == 503
        assert answer.json()["error"] == "Service unavailable"
        assert answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("caller", "status"), [("admin", 200), ("user", 200), ("other", 200), ("viewer", 200), ("anonymous", 401)]
)
async def test_everybody_who_is_logged_in_may_look(api: Api, caller: str, status: int) -> None:
    answer = await getattr(api, caller).get(PATH)
    assert answer.status_code == status
    if status == 401:
        assert set(answer.json()) == {"error", "message"}


async def test_the_older_contract_does_not_have_it(api: Api) -> None:
    answer = await api.user.get(f"{api.app.state.origin}/api{PATH}")
    assert answer.status_code == 404
