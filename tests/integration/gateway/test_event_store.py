"""Commands: everything they change is committed together, and nobody's change is lost."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from services.gateway.domain.actor import SYSTEM
from services.gateway.domain.job import InvalidJob, JobCommand, JobState, UpdateJob
from services.gateway.store import event_store
from services.gateway.store.aggregates import JOBS
from services.gateway.store.database import Database
from services.gateway.store.event_store import Change, EventStore, TooManyConflicts, load
from services.gateway.store.tables import events, jobs, notifications, teams
from shared.domain.schedule import InvalidSchedule
from shared.events import JobCreated, JobUpdated, TeamCreated
from tests.fixtures.builders import SOME_TIME, make_job, make_notification, make_team
from tests.fixtures.database import rows_of
from tests.integration.gateway.world import CONTEXT, change, change_by, create, delete


@pytest.fixture
def store(database: Database) -> EventStore:
    """The event store of one gateway."""
    return EventStore(database)


async def recorded(database: Database) -> list[tuple[int, str]]:
    """Version and type of each event, in the order of the table."""
    return [(row["version"], row["type"]) for row in await rows_of(database, events)]


async def test_a_command_appends_its_event_and_brings_the_row_up_to_date(
    database: Database, store: EventStore
) -> None:
    job = await create(store, make_job(metadata={"ä": [1, 2.5, None, {"deep": "x"}]}))
    [event] = await rows_of(database, events)
    assert (event["aggregate"], event["aggregate_id"], event["version"]) == ("job", job.id, 1)
    assert (event["actor"], event["recorded_at"], event["published_seq"]) == ("test", SOME_TIME, None)
    assert event["data"] == JobCreated(job=job).body()
    [row] = await rows_of(database, jobs)
    assert (row["id"], row["version"], row["is_active"]) == (job.id, 1, True)
    assert row["state"] == job.model_dump(mode="json")


async def test_each_change_is_the_next_version_and_carries_the_state_before_it(
    database: Database, store: EventStore
) -> None:
    first = await create(store, make_job())
    second = await change(store, first.id, name="other")
    third = await change(store, first.id, is_active=False)
    assert (second.version, third.version) == (2, 3)
    assert first.effective_at < second.effective_at < third.effective_at
    rows = await rows_of(database, events)
    assert [row["data"] for row in rows[1:]] == [
        JobUpdated(job=second, before=first).body(),
        JobUpdated(job=third, before=second).body(),
    ]
    async with database.read() as connection:
        assert await load(connection, JOBS, first.id) == (JobState(third, 3, third.effective_at), 3)


async def test_a_change_that_changes_nothing_leaves_no_event(database: Database, store: EventStore) -> None:
    job = await create(store, make_job())
    assert await change(store, job.id, name=job.name) == job
    assert await recorded(database) == [(1, "job.created")]


async def test_a_deleted_job_has_no_row_and_keeps_its_events(database: Database, store: EventStore) -> None:
    job = await create(store, make_job())
    await delete(store, job.id)
    assert await recorded(database) == [(1, "job.created"), (2, "job.deleted")]
    assert await rows_of(database, jobs) == []
    assert (await create(store, job)).version == 3


async def test_a_decision_that_fails_changes_nothing(database: Database, store: EventStore) -> None:
    job = await create(store, make_job())
    before = (await rows_of(database, events), await rows_of(database, jobs))

    async def prepare(connection: Any, _state: JobState) -> JobCommand:
        row = make_notification()
        await connection.execute(
            notifications.insert().values(
                id=row.notification_id,
                user_id=row.user_id,
                title=row.title,
                message=row.message,
                type=row.level,
                is_read=False,
                created_at=row.created_at,
            )
        )
        return UpdateJob(
            job_id=job.id, changes={"timeout_seconds": 0.0}, actor=SYSTEM, now=SOME_TIME, name_taken=False
        )

    with pytest.raises(InvalidJob):
        await store.execute(JOBS, job.id, prepare, CONTEXT)
    with pytest.raises(InvalidSchedule):
        await change(store, job.id, schedule=job.schedule.model_copy(update={"expression": "never"}))
    assert (await rows_of(database, events), await rows_of(database, jobs)) == before
    assert await rows_of(database, notifications) == []


async def test_a_projection_that_fails_takes_its_event_along(
    database: Database, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def project(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(event_store, "project", project)
    with pytest.raises(RuntimeError):
        await create(store, make_job())
    assert await rows_of(database, events) == []


async def test_changes_of_many_things_are_appended_together(database: Database, store: EventStore) -> None:
    first, second, team = make_job(), make_job(), make_team()
    changes = [
        Change(aggregate="job", aggregate_id=first.id, version=1, event=JobCreated(job=first)),
        Change(aggregate="team", aggregate_id=team.id, version=1, event=TeamCreated(team=team)),
        Change(aggregate="job", aggregate_id=second.id, version=1, event=JobCreated(job=second)),
    ]
    async with database.write() as connection:
        await store.append(connection, [], CONTEXT)
        await store.append(connection, changes, CONTEXT)
    # In the order of their ids, whoever writes them: two writers never wait for one another in a circle.
    written = [row["aggregate_id"] for row in await rows_of(database, events)]
    assert written == sorted([first.id, team.id, second.id])
    assert {row["id"] for row in await rows_of(database, jobs)} == {first.id, second.id}
    assert [row["id"] for row in await rows_of(database, teams)] == [team.id]


async def test_of_changes_that_are_appended_together_one_that_comes_too_late_takes_all_along(
    database: Database, store: EventStore
) -> None:
    job, team = await create(store, make_job()), make_team()
    changes = [
        Change(aggregate="team", aggregate_id=team.id, version=1, event=TeamCreated(team=team)),
        Change(aggregate="job", aggregate_id=job.id, version=1, event=JobCreated(job=job)),
    ]
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await store.append(connection, changes, CONTEXT)
    assert await recorded(database) == [(1, "job.created")]
    assert await rows_of(database, teams) == []


@pytest.mark.parametrize("gateways", [1, 2])
async def test_of_concurrent_changes_none_is_lost(
    database: Database, database_url: str, gateways: int
) -> None:
    others = [Database(database_url) for _ in range(gateways - 1)]
    stores = [EventStore(one) for one in (database, *others)] * (2 // gateways)
    job = await create(stores[0], make_job(metadata={"count": 0}))
    each = 15

    async def count_up(store: EventStore) -> None:
        for _ in range(each):
            await change_by(
                store, job.id, lambda before: {"metadata": {"count": before.metadata["count"] + 1}}
            )

    try:
        await asyncio.gather(*(count_up(store) for store in stores))
    finally:
        for other in others:
            await other.close()
    rows = await rows_of(database, events)
    assert [row["version"] for row in rows] == list(range(1, 2 * each + 2))
    assert [row["data"]["job"]["metadata"]["count"] for row in rows] == list(range(2 * each + 1))
    [row] = await rows_of(database, jobs)
    assert (row["version"], row["state"]) == (2 * each + 1, rows[-1]["data"]["job"])


async def test_many_writers_of_many_jobs_do_not_disturb_one_another(
    database: Database, store: EventStore
) -> None:
    created = [make_job() for _ in range(20)]
    await asyncio.gather(*(create(store, job) for job in created))
    await asyncio.gather(*(change(store, job.id, is_active=False) for job in created))
    assert sorted(await recorded(database)) == sorted([(1, "job.created"), (2, "job.updated")] * 20)
    assert {row["id"] for row in await rows_of(database, jobs)} == {job.id for job in created}


async def test_a_row_that_can_never_be_written_is_a_conflict_in_the_end(store: EventStore) -> None:
    taken = await create(store, make_job())
    # Nobody looked whether the name is taken: only the table does.
    with pytest.raises(TooManyConflicts):
        await create(store, make_job(name=taken.name))


async def test_whoever_listens_is_woken_after_the_commit(store: EventStore) -> None:
    listener = asyncio.Event()
    store.wake_on_append(listener)
    await create(store, make_job())
    assert listener.is_set()
