"""The auditor finds every planned instant without a row, gives it one and tells; and it finds nothing else."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete as delete_rows
from sqlalchemy import update

from services.gateway import audit_reading, auditor, seeding, steward
from services.gateway.auditor import REASON, Auditor
from services.gateway.bus_state import load_bus_state
from services.gateway.ledger import Ledger
from services.gateway.metrics import Metrics
from services.gateway.store.database import Database
from services.gateway.store.event_store import EventStore
from services.gateway.store.tables import bus_state, events, executions
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.domain.ids import planned_execution_id, unaccounted_alert_id
from shared.domain.job import Job
from shared.domain.schedule import CronSchedule, IntervalSchedule
from shared.events import Event, InstantsSkipped, InstantsUnaccounted, RunWaiting
from tests.fixtures.builders import SOME_TIME, make_job, make_missed, make_trigger
from tests.fixtures.bus import as_read, connected, publish_events, read_events
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import MovableClock
from tests.fixtures.nats import NatsProcess
from tests.integration.gateway.world import (
    at_work,
    change,
    create,
    delete,
    is_all_published,
    opened,
    reach_checkpoint,
    state_of_bus,
    works_in,
)

MINUTE = timedelta(minutes=1)
SEQUENCE = 7
"""Where all changes stand in EVENTS, unless a test says otherwise."""


def minute(number: int) -> datetime:
    """So many minutes after the window's beginning."""
    return SOME_TIME + number * MINUTE


class World:
    """An installation in which everything up to `SOME_TIME` is audited."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = EventStore(database)
        self.clock = MovableClock(minute(60))
        self.metrics = Metrics(database, Bus(), self.clock)
        self.auditor = Auditor(database, self.store, self.metrics, self.clock)
        self._position = 0

    async def set(self, **state: Any) -> None:
        """Say what is known of the bus."""
        async with self.database.write() as connection:
            await connection.execute(update(bus_state).values(state))

    async def decided(self, *decisions: Event) -> None:
        """What the ledger reads."""
        messages = [as_read(self._position + number, one) for number, one in enumerate(decisions, 1)]
        await Ledger(self.database).absorb(messages, position=self._position, generation=1)
        self._position += len(messages)

    async def ran(self, job: Job, minutes: Sequence[int]) -> None:
        """These instants were decided."""
        await self.decided(*(make_trigger(job, planned_at=minute(number)) for number in minutes))

    async def audit(self, minutes: int) -> int:
        """A round over so many minutes, all of whose changes are published; returns what was unaccounted for."""
        async with self.database.write() as connection:
            await connection.execute(
                update(events).where(events.c.published_seq.is_(None)).values(published_seq=SEQUENCE)
            )
        await self.set(ledgered_until=minute(minutes) + auditor.MARGIN, ledgered_events_seq=SEQUENCE)
        return await self.auditor.audit()

    async def found(self) -> list[tuple[datetime, datetime, int]]:
        """What the auditor has written."""
        rows = [row for row in await rows_of(self.database, executions) if row["reason"] == REASON]
        assert {row["status"] for row in rows} <= {"missed"}
        assert not any(row["is_open"] for row in rows)
        return sorted((row["planned_at"], row["planned_to"], row["planned_count"]) for row in rows)

    async def alerts(self) -> list[dict[str, Any]]:
        """What administrators are told."""
        return [row for row in await rows_of(self.database, events) if row["aggregate"] == "alert"]


@pytest.fixture
async def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    """Nothing is audited beyond `SOME_TIME`."""
    monkeypatch.setattr(auditor, "PAGE_PAUSE", 0)
    await load_bus_state(database, SOME_TIME)
    world = World(database)
    await world.set(is_seeded=True, generation=1, audited_until=SOME_TIME)
    return world


async def test_where_every_instant_has_a_row_it_finds_nothing(world: World) -> None:
    job = await create(world.store, make_job())
    await world.ran(job, range(6))
    before = await rows_of(world.database, executions)
    assert await world.audit(5) == 0
    assert (await state_of_bus(world.database))["audited_until"] == minute(5)
    assert await rows_of(world.database, executions) == before
    assert await world.alerts() == []


async def test_an_instant_without_a_decision_gets_a_row_and_is_told(world: World) -> None:
    job = await create(world.store, make_job())
    await world.ran(job, [1, 2, 4, 5])
    assert await world.audit(5) == 1
    assert await world.found() == [(minute(3), minute(3), 1)]
    [row] = [row for row in await rows_of(world.database, executions) if row["reason"] == REASON]
    assert row["id"] == planned_execution_id(job.id, minute(3))
    assert (row["job_name"], row["owner_id"], row["job_version"]) == (job.name, job.owner_id, 1)
    [alert] = await world.alerts()
    assert (alert["aggregate_id"], alert["version"]) == (unaccounted_alert_id(job.id, minute(3)), 1)
    assert InstantsUnaccounted.model_validate(alert["data"]) == InstantsUnaccounted(
        job_id=job.id,
        job_name=job.name,
        owner_id=job.owner_id,
        from_=minute(3),
        to=minute(3),
        count=1,
        at=world.clock(),
    )
    assert b"jetcron_unaccounted_instants_total 1.0" in await world.metrics.text()


async def test_a_job_is_told_of_once_a_round_however_many_instants_there_are(world: World) -> None:
    job = await create(world.store, make_job())
    await world.ran(job, [3])
    assert await world.audit(6) == 5
    assert [first for first, _, _ in await world.found()] == [minute(number) for number in (1, 2, 4, 5, 6)]
    [alert] = await world.alerts()
    assert (alert["data"]["count"], alert["data"]["job_name"]) == (5, job.name)


async def test_a_long_stretch_is_one_row(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor, "MAX_ROWS", 3)
    job = await create(world.store, make_job())
    await world.ran(job, [5])
    assert await world.audit(8) == 7
    assert await world.found() == [
        (minute(1), minute(4), 4),
        *((minute(number), minute(number), 1) for number in (6, 7, 8)),
    ]


async def test_the_same_window_again_changes_nothing(world: World) -> None:
    job = await create(world.store, make_job())
    await world.ran(job, [2])
    assert await world.audit(4) == 3
    before = await rows_of(world.database, executions)
    await world.set(audited_until=SOME_TIME)
    assert await world.audit(4) == 0
    assert await rows_of(world.database, executions) == before
    assert len(await world.alerts()) == 1


async def test_after_a_crash_between_rows_and_alert_all_is_found_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(world.store, make_job())

    async def crash(*_: object) -> bool:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(auditor, "record", crash)
        with pytest.raises(RuntimeError, match="killed"):
            await world.audit(2)
    assert await world.found() == []
    assert await world.audit(2) == 2
    assert len(await world.found()) == 2
    assert len(await world.alerts()) == 1


async def test_an_alert_that_stands_there_already_is_not_told_twice(world: World) -> None:
    await create(world.store, make_job())
    assert await world.audit(2) == 2
    async with world.database.write() as connection:
        await connection.execute(delete_rows(executions))
    await world.set(audited_until=SOME_TIME)
    assert await world.audit(2) == 2
    assert len(await world.alerts()) == 1


async def test_what_was_before_there_was_an_auditor_is_not_looked_at(world: World) -> None:
    await create(world.store, make_job())
    await world.set(audited_until=None)
    assert await world.audit(30) == 0
    assert (await state_of_bus(world.database))["audited_until"] == minute(30) + auditor.MARGIN
    assert await world.audit(32) == 1
    assert [first for first, _, _ in await world.found()] == [minute(32)]


async def test_it_waits_for_the_checkpoint_to_cover_every_change(world: World) -> None:
    job = await create(world.store, make_job())
    await world.ran(job, range(1, 4))
    assert await world.audit(3) == 0
    paused = await change(world.store, job.id, now=minute(3) + MINUTE / 2, is_active=False)
    assert paused.version == 2
    async with world.database.write() as connection:
        later = update(events).where(events.c.version == 2)
        await connection.execute(later.values(recorded_at=minute(3) + MINUTE / 2))
    await world.set(ledgered_until=minute(6), ledgered_events_seq=SEQUENCE)
    assert await world.auditor.audit() == 0  # not published yet
    async with world.database.write() as connection:
        await connection.execute(later.values(published_seq=SEQUENCE + 1))
    assert await world.auditor.audit() == 0  # published behind the checkpoint
    assert (await state_of_bus(world.database))["audited_until"] == minute(3)
    await world.set(ledgered_events_seq=SEQUENCE + 1)
    assert await world.auditor.audit() == 0
    assert (await state_of_bus(world.database))["audited_until"] == minute(5)
    assert await world.found() == []


async def test_each_version_counts_for_its_own_time(world: World) -> None:
    job = await create(world.store, make_job())
    await world.ran(job, [1, 2])
    every = IntervalSchedule(every_seconds=120, anchor=minute(0), timezone="UTC")
    await change(world.store, job.id, now=minute(2) + MINUTE / 2, schedule=every)
    await change(world.store, job.id, now=minute(5), is_active=False)
    await change(world.store, job.id, now=minute(9) - MINUTE / 2, is_active=True)
    assert await world.audit(12) == 3
    assert [first for first, _, _ in await world.found()] == [minute(number) for number in (4, 10, 12)]
    rows = {row["planned_at"]: row["job_version"] for row in await rows_of(world.database, executions)}
    assert (rows[minute(4)], rows[minute(10)]) == (2, 4)


async def test_a_job_that_was_deleted_meanwhile_is_looked_at(world: World) -> None:
    job = await create(world.store, make_job())
    await delete(world.store, job.id)
    async with world.database.write() as connection:
        rows = [row for row in await rows_of(world.database, events) if row["version"] == 2]
        data = {**rows[0]["data"], "effective_at": (minute(2) + MINUTE / 2).isoformat()}
        await connection.execute(update(events).where(events.c.version == 2).values(data=data))
    await world.ran(job, [1])
    assert await world.audit(5) == 1
    assert await world.found() == [(minute(2), minute(2), 1)]


async def test_whatever_stands_for_an_instant_accounts_for_it(world: World) -> None:
    job = await create(world.store, make_job())
    skipped = InstantsSkipped.model_validate(
        make_missed(job, planned_at=minute(2)).model_dump(exclude={"type"})
    )
    await world.decided(
        make_missed(job, planned_at=minute(1)),
        skipped,
        RunWaiting(order=make_trigger(job, planned_at=minute(3)), reason="spread"),
        make_missed(job, planned_at=minute(4), to=minute(7), count=4),
    )
    assert await world.audit(8) == 1
    assert await world.found() == [(minute(8), minute(8), 1)]


async def test_ranges_may_reach_over_both_ends_of_a_window(world: World) -> None:
    job = await create(world.store, make_job())
    await world.decided(
        make_missed(job, planned_at=minute(-5), to=minute(3), count=9),
        make_missed(job, planned_at=minute(5), to=minute(20), count=16),
    )
    assert await world.audit(8) == 1
    assert await world.audit(15) == 0
    assert await world.found() == [(minute(4), minute(4), 1)]


async def test_rows_of_instants_that_are_not_planned_are_counted_and_stay(world: World) -> None:
    job = await create(world.store, make_job())
    await world.ran(job, [1, 2, 3])
    await change(world.store, job.id, now=minute(2) - MINUTE / 2, is_active=False)
    assert await world.audit(5) == 0
    assert len(await rows_of(world.database, executions)) == 3
    assert b"jetcron_extra_instants_total 2.0" in await world.metrics.text()
    assert await world.alerts() == []


async def test_all_jobs_are_looked_at_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_reading, "PAGE", 2)
    made = [await create(world.store, make_job()) for _ in range(5)]
    for job in made[1:]:
        await world.ran(job, [1])
    await world.ran(made[3], [2])
    assert await world.audit(2) == 5
    alerts = {row["data"]["job_id"]: row["data"]["count"] for row in await world.alerts()}
    assert alerts == {str(made[0].id): 2, **{str(made[number].id): 1 for number in (1, 2, 4)}}


async def test_a_long_time_is_looked_at_piece_by_piece(world: World) -> None:
    job = await create(world.store, make_job(schedule=CronSchedule(expression="30 * * * *", timezone="UTC")))
    await world.ran(job, [30, 150])
    found = []
    while (await state_of_bus(world.database))["audited_until"] < minute(180):
        found.append(await world.audit(180))
    assert found == [0, 1, 0]


async def test_before_the_first_seeding_there_is_nothing_to_look_at(world: World) -> None:
    await create(world.store, make_job())
    await world.set(is_seeded=False)
    assert await world.audit(5) == 0
    assert (await state_of_bus(world.database))["audited_until"] == SOME_TIME


async def test_a_decision_that_the_stream_lost_before_the_ledger_read_it_is_found(
    database_url: str, nats_server: NatsProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "LIFETIME", 0.0)
    monkeypatch.setattr(steward, "STORE_CHECK", 0.3)
    monkeypatch.setattr(auditor, "BETWEEN_ROUNDS", 0.1)
    async with opened(database_url, nats_server.url) as gateway:
        async with at_work(gateway):
            await works_in(gateway, 1)
            job = await create(gateway.event_store, make_job())
            await eventually(lambda: is_all_published(gateway.database))
        async with gateway.database.write() as connection:
            begin = {"ledgered_until": SOME_TIME, "audited_until": SOME_TIME}
            await connection.execute(update(bus_state).values(begin))
    async with connected(nats_server.url) as bus:
        subject = subjects.trigger(job.queue, job.id)
        places = await publish_events(
            bus, [(subject, make_trigger(job, planned_at=minute(number))) for number in range(1, 5)]
        )
        await bus.js.delete_msg(subjects.TRIGGERS, places[2])
    async with opened(database_url, nats_server.url) as gateway, at_work(gateway):
        await works_in(gateway, 1)
        await reach_checkpoint(gateway, minute(4) + auditor.MARGIN)

        async def missed() -> list[datetime]:
            rows = await rows_of(gateway.database, executions)
            return [row["planned_at"] for row in rows if row["reason"] == REASON]

        assert await eventually(missed) == [minute(3)]
        await eventually(lambda: is_all_published(gateway.database))
        found = await read_events(gateway.bus, subjects.EVENTS, subjects.ALERT_EVENTS)
        assert [(one.type, getattr(one, "count", 0)) for one in found] == [("alert.instants_unaccounted", 1)]
