"""When nobody decides on planned runs, administrators are told once, with the bus or without it; and when it is over."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from services.gateway.bus_state import load_bus_state
from services.gateway.commands.users import register_user
from services.gateway.domain.actor import SYSTEM, Role
from services.gateway.gateway import Gateway
from services.gateway.silence import PATIENCE, SilenceWatch
from services.gateway.store.tables import bus_state, events, notifications
from shared.alerting import notification_of
from shared.bus.connect import Bus
from shared.events import SchedulerHeard, SchedulerSilent, User
from tests.fixtures.builders import SOME_TIME, make_job
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import NOBODY_LISTENS, PASSWORD, MovableClock
from tests.integration.gateway.world import change, create, opened, state_of_bus


class World:
    """A gateway without a bus, whose scheduler decided last at `SOME_TIME`."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.clock = MovableClock()
        self.bus = Bus()

    def watch(self, *, is_expected: bool = True) -> SilenceWatch:
        """A gateway's; its process's clock and everybody's go alike."""
        return SilenceWatch(
            self.gateway.database,
            self.gateway.event_store,
            self.bus,
            self.clock,
            is_expected=is_expected,
            ticks=lambda: self.clock().timestamp(),
        )

    async def set(self, **state: Any) -> None:
        """Say what is known of the bus."""
        async with self.gateway.database.write() as connection:
            await connection.execute(update(bus_state).values(state))

    async def alerts(self) -> list[str]:
        """The types of all alerts, in their order."""
        rows = await rows_of(self.gateway.database, events)
        return [row["type"] for row in rows if row["aggregate"] == "alert"]

    async def silent_since(self) -> Any:
        """Since when administrators were told that it is silent."""
        return (await state_of_bus(self.gateway.database))["silent_since"]


async def look_for(watch: SilenceWatch, world: World, seconds: int) -> None:
    """Time passes, and the gateway looks every ten seconds."""
    for _ in range(seconds // 10):
        world.clock.advance(seconds=10)
        await watch.look()


async def decide_for(watch: SilenceWatch, world: World, seconds: int) -> None:
    """Time passes, in which everything is decided, and the gateway looks every ten seconds."""
    for _ in range(seconds // 10):
        await world.set(ledgered_until=world.clock() + timedelta(seconds=9))
        await look_for(watch, world, 10)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """An active job, and everything decided until `SOME_TIME`."""
    async with opened(database_url, NOBODY_LISTENS) as gateway:
        world = World(gateway)
        await load_bus_state(gateway.database, SOME_TIME)
        await world.set(is_seeded=True, generation=1)
        await create(gateway.event_store, make_job())
        yield world


async def register(gateway: Gateway, name: str, role: Role) -> User:
    return await register_user(
        gateway, username=name, email=f"{name}@example.com", password=PASSWORD, role=role, actor=SYSTEM
    )


async def test_it_is_told_once_and_again_when_it_is_over(world: World) -> None:
    watch = world.watch()
    await watch.look()
    await look_for(watch, world, 60)
    assert await world.alerts() == []
    await look_for(watch, world, 300)
    assert await world.alerts() == ["alert.scheduler_silent"]
    assert await world.silent_since() == SOME_TIME
    await decide_for(watch, world, 60)
    assert await world.alerts() == ["alert.scheduler_silent"]
    await decide_for(watch, world, 10)
    assert await world.alerts() == ["alert.scheduler_silent", "alert.scheduler_heard"]
    assert await world.silent_since() is None


async def test_who_decides_now_and_then_is_told_of_once(world: World) -> None:
    watch = world.watch()
    for _ in range(5):
        await look_for(watch, world, 180)
        await decide_for(watch, world, 50)
    assert await world.alerts() == ["alert.scheduler_silent"]


async def test_the_next_silence_is_told_too(world: World) -> None:
    watch = world.watch()
    for _ in range(2):
        await look_for(watch, world, 180)
        await decide_for(watch, world, 70)
    assert await world.alerts() == ["alert.scheduler_silent", "alert.scheduler_heard"] * 2


async def test_of_several_gateways_one_tells(world: World) -> None:
    watches = [world.watch() for _ in range(3)]
    for _ in range(20):
        world.clock.advance(seconds=10)
        for watch in watches:
            await watch.look()
    assert await world.alerts() == ["alert.scheduler_silent"]


async def test_while_decisions_go_on_nothing_is_told_however_late_they_are(world: World) -> None:
    watch = world.watch()
    world.clock.advance(hours=5)
    for minutes in range(1, 30):
        await world.set(ledgered_until=SOME_TIME + timedelta(minutes=minutes))
        await look_for(watch, world, 30)
    assert await world.alerts() == []


async def test_after_a_start_a_scheduler_has_time_to_take_over(world: World) -> None:
    world.clock.advance(hours=5)
    watch = world.watch()
    await watch.look()
    await look_for(watch, world, int(PATIENCE.total_seconds()) - 10)
    assert await world.alerts() == []
    await look_for(watch, world, 10)
    assert await world.alerts() == ["alert.scheduler_silent"]


async def test_it_stays_silent_until_something_is_decided(world: World) -> None:
    watch = world.watch()
    await look_for(watch, world, 180)
    late = world.clock() - 2 * PATIENCE
    await world.set(ledgered_until=late)
    await look_for(watch, world, 30)
    assert await world.alerts() == ["alert.scheduler_silent"]


async def test_without_active_jobs_nobody_misses_a_scheduler(world: World) -> None:
    [row] = [row for row in await rows_of(world.gateway.database, events) if row["aggregate"] == "job"]
    await change(world.gateway.event_store, row["aggregate_id"], is_active=False)
    await look_for(world.watch(), world, 300)
    assert await world.alerts() == []


async def test_where_no_scheduler_is_meant_to_be_nothing_is_told(world: World) -> None:
    await look_for(world.watch(is_expected=False), world, 300)
    assert await world.alerts() == []


async def test_before_the_store_was_first_made_nothing_is_told(world: World) -> None:
    await world.set(generation=0, is_seeded=False)
    await look_for(world.watch(), world, 300)
    assert await world.alerts() == []


async def test_without_the_bus_administrators_find_it_in_their_inbox(world: World) -> None:
    gateway = world.gateway
    admin = await register(gateway, "admin", Role.ADMIN)
    await register(gateway, "user", Role.USER)
    await look_for(world.watch(), world, 180)
    [row] = await rows_of(gateway.database, notifications)
    told = SchedulerSilent(since=SOME_TIME, at=row["created_at"], bus_is_reachable=False)
    expected = notification_of(told, admin.id)
    assert (row["id"], row["user_id"]) == (expected.notification_id, admin.id)
    assert (row["title"], row["message"], row["type"]) == (expected.title, expected.message, "warning")
    assert "The message bus cannot be reached" in row["message"]
    assert row["is_read"] is False


async def test_with_the_bus_it_is_the_notifiers_to_tell(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(world.gateway, "admin", Role.ADMIN)
    monkeypatch.setattr(Bus, "is_connected", True)
    await look_for(world.watch(), world, 180)
    assert await world.alerts() == ["alert.scheduler_silent"]
    assert await rows_of(world.gateway.database, notifications) == []


def test_beginning_and_end_of_a_silence_are_alerts_of_their_own() -> None:
    silent = SchedulerSilent(since=SOME_TIME, at=SOME_TIME)
    heard = SchedulerHeard(since=SOME_TIME, at=SOME_TIME)
    assert silent.alert_id != heard.alert_id
    assert silent.alert_id == silent.model_copy(update={"at": SOME_TIME + PATIENCE}).alert_id
