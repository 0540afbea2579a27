"""Streams that refuse what they have no room for are purged in time, and never of what somebody still needs."""

import asyncio
from datetime import datetime, timedelta

import orjson
import pytest
from sqlalchemy import update

from services.gateway import housekeeping
from services.gateway.bus_state import load_bus_state
from services.gateway.housekeeping import KEEP, Housekeeping
from services.gateway.projector import Projector
from services.gateway.store.database import Database
from services.gateway.store.event_store import EventStore
from services.gateway.store.tables import bus_state
from shared.bus import streams, subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing
from shared.clock import utc_now
from shared.domain.execution import Phase
from shared.events import CheckpointReached, ExecutionReported, RunWaiting
from tests.fixtures.builders import SOME_TIME, make_facts, make_report, make_trigger
from tests.fixtures.bus import packed, read_all

SMALL = 2 * 2**20  # bytes of all streams together
TRIGGER_BYTES = 7_000
TRIGGERS = 30  # of that size: more than half of what TRIGGERS holds
REPORT_BYTES = 20_000
REPORTS = 30


@pytest.fixture
async def small(bus: Bus, database: Database) -> Bus:
    """Small streams, of which nothing has been read."""
    await streams.recreate(bus.js, SMALL, 1)
    await load_bus_state(database, SOME_TIME)
    await has_read(database, generation=1)
    return bus


async def fill_triggers(bus: Bus, count: int = TRIGGERS) -> None:
    """Publish runs."""
    for _ in range(count):
        order = make_trigger(metadata={"fill": "x" * TRIGGER_BYTES})
        await bus.publish(packed(order, subjects.trigger("default", order.facts.job_id)))


async def acknowledge(bus: Bus, count: int) -> None:
    """What executors do with the first runs of the queue."""
    durable = subjects.executor_durable("default")
    subscription = await bus.js.pull_subscribe_bind(durable, subjects.TRIGGERS)
    for message in await subscription.fetch(count):
        await message.ack_sync()
    await subscription.unsubscribe()


async def tell(bus: Bus, count: int) -> None:
    """What notifiers do with the first reports."""
    durable = subjects.NOTIFIER_DURABLE
    subscription = await bus.js.subscribe(
        subjects.ALL_EXECUTIONS, queue=durable, stream=subjects.EXECUTIONS, manual_ack=True
    )
    for _ in range(count):
        await (await subscription.next_msg(timeout=5)).ack_sync()
    await subscription.unsubscribe()


async def decided(bus: Bus, decisions_seq: int) -> None:
    """What a scheduler writes: a new leader reads from here."""
    value = CheckpointReached(until=SOME_TIME, events_seq=0, decisions_seq=decisions_seq, generation=1)
    subject = streams.bucket_subject(subjects.SCHEDULER_BUCKET, subjects.CHECKPOINT_KEY)
    await bus.publish(Outgoing(subject=subject, body=orjson.dumps(value.body()), headers={}))


async def has_read(database: Database, **state: int) -> None:
    """Ledger and projector have come that far, in this generation."""
    async with database.write() as connection:
        await connection.execute(update(bus_state).values(state))


async def first_of(bus: Bus, stream: str) -> int:
    """The oldest message that the stream still holds."""
    return (await bus.js.stream_info(stream)).state.first_seq


def house(database: Database, bus: Bus, now: datetime | None = None) -> Housekeeping:
    """Housekeeping at some time."""
    return Housekeeping(database, bus, lambda: now or utc_now())


class TestTriggers:
    @pytest.mark.parametrize(
        ("acknowledged", "ledgered", "decisions_seq", "first"),
        [
            (20, 25, 22, 20),
            (25, 20, 22, 20),
            (25, 22, 20, 20),
            (0, 25, 25, 1),
            (25, 0, 25, 1),
            (25, 25, 0, 1),
        ],
    )
    async def test_it_goes_up_to_what_everybody_has_behind_them(
        self, small: Bus, database: Database, acknowledged: int, ledgered: int, decisions_seq: int, first: int
    ) -> None:
        await fill_triggers(small)
        if acknowledged:
            await acknowledge(small, acknowledged)
        await has_read(database, ledger_position=ledgered)
        await decided(small, decisions_seq)
        await house(database, small).purge_triggers()
        assert await first_of(small, subjects.TRIGGERS) == first
        assert (await read_all(small, subjects.TRIGGERS))[-1].sequence == TRIGGERS

    async def test_an_instant_that_still_waits_stays(self, small: Bus, database: Database) -> None:
        order = make_trigger()
        decision = RunWaiting(order=order, reason="overlap")
        await small.publish(packed(decision, subjects.decision(order.facts.job_id)))
        await fill_triggers(small)
        await acknowledge(small, TRIGGERS)
        await has_read(database, ledger_position=TRIGGERS)
        await decided(small, 0)  # a scheduler leaves it before what waits
        await house(database, small).purge_triggers()
        assert await first_of(small, subjects.TRIGGERS) == 1
        await decided(small, TRIGGERS)
        await house(database, small).purge_triggers()
        assert await first_of(small, subjects.TRIGGERS) == TRIGGERS

    async def test_without_a_checkpoint_everything_stays(self, small: Bus, database: Database) -> None:
        await fill_triggers(small)
        await acknowledge(small, 25)
        await has_read(database, ledger_position=25)
        await house(database, small).purge_triggers()
        assert await first_of(small, subjects.TRIGGERS) == 1

    async def test_below_half_of_its_bytes_everything_stays(self, small: Bus, database: Database) -> None:
        await fill_triggers(small, TRIGGERS // 3)
        await acknowledge(small, TRIGGERS // 3)
        await has_read(database, ledger_position=TRIGGERS // 3)
        await decided(small, TRIGGERS // 3)
        await house(database, small).purge_triggers()
        assert await first_of(small, subjects.TRIGGERS) == 1


class TestExecutions:
    async def report(
        self, bus: Bus, database: Database, open_at: int | None = None, told: int = REPORTS
    ) -> list[datetime]:
        """Fill EXECUTIONS, project and tell it; one execution may stay open. Returns when each report was stored."""
        reports: list[ExecutionReported] = []
        for number in range(1, REPORTS + 1):
            phase = Phase.STARTED if number == open_at else Phase.SUCCEEDED
            reports.append(make_report(phase, make_facts(), output="x" * REPORT_BYTES))
        for report in reports:
            subject = subjects.execution(report.facts.job_id, report.facts.execution_id)
            await bus.publish(packed(report, subject))
            await asyncio.sleep(0.002)
        await Projector(database, EventStore(database), utc_now).absorb(
            await read_all(bus, subjects.EXECUTIONS), position=0, generation=1
        )
        await tell(bus, told)
        stored = [await bus.js.get_msg(subjects.EXECUTIONS, seq=one) for one in range(1, REPORTS + 1)]
        return [message.time for message in stored if message.time is not None]

    async def test_what_is_projected_and_old_goes(self, small: Bus, database: Database) -> None:
        times = await self.report(small, database)
        await house(database, small, times[-1] + KEEP + timedelta(minutes=1)).purge_executions()
        assert await first_of(small, subjects.EXECUTIONS) == REPORTS

    async def test_what_is_young_stays(self, small: Bus, database: Database) -> None:
        times = await self.report(small, database)
        await house(database, small).purge_executions()
        assert await first_of(small, subjects.EXECUTIONS) == 1
        await house(database, small, times[14] + KEEP).purge_executions()
        assert await first_of(small, subjects.EXECUTIONS) == 15

    async def test_what_is_not_projected_stays(self, small: Bus, database: Database) -> None:
        times = await self.report(small, database)
        await has_read(database, projector_position=10)
        await house(database, small, times[-1] + 2 * KEEP).purge_executions()
        assert await first_of(small, subjects.EXECUTIONS) == 10

    async def test_what_is_not_told_stays_until_room_is_short(
        self, small: Bus, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        times = await self.report(small, database, told=10)
        later = house(database, small, times[-1] + 2 * KEEP)
        with monkeypatch.context() as patched:
            patched.setattr(housekeeping, "URGENT_ABOVE", 0.95)
            await later.purge_executions()
            assert await first_of(small, subjects.EXECUTIONS) == 10
        monkeypatch.setattr(housekeeping, "URGENT_ABOVE", 0.5)
        await later.purge_executions()
        assert await first_of(small, subjects.EXECUTIONS) == REPORTS

    async def test_the_claim_of_an_unfinished_execution_stays(self, small: Bus, database: Database) -> None:
        times = await self.report(small, database, open_at=12)
        await house(database, small, times[-1] + 2 * KEEP).purge_executions()
        assert await first_of(small, subjects.EXECUTIONS) <= 12
        assert await first_of(small, subjects.EXECUTIONS) > 1

    async def test_gaps_do_not_lead_it_astray(self, small: Bus, database: Database) -> None:
        times = await self.report(small, database)
        for sequence in (1, 2, 14, 15, 16, 30):
            await small.js.delete_msg(subjects.EXECUTIONS, sequence)
        await house(database, small, times[15] + KEEP).purge_executions()
        assert 13 <= await first_of(small, subjects.EXECUTIONS) <= 17
