"""What a notifier knows of people: all of it from the start, each change as it comes, and nothing of an earlier store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.notifier.replica import DirectoryReplica
from shared.bus import streams, subjects
from shared.bus.connect import Bus
from shared.events import TeamUpdated, UserDeleted
from tests.fixtures.builders import make_user
from tests.fixtures.bus import GENERATION, MAX_BYTES, publish_events, raise_fence
from tests.fixtures.eventually import eventually
from tests.fixtures.notices import mailing_job, make_slack, make_team, person, report_of
from tests.integration.notifier.world import World


@asynccontextmanager
async def following(bus: Bus) -> AsyncIterator[DirectoryReplica]:
    """A replica at work."""
    replica = DirectoryReplica(bus)
    task = asyncio.create_task(replica.run())
    try:
        yield replica
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def is_copied(bus: Bus, count: int) -> bool:
    return (await bus.js.stream_info(subjects.DIRECTORY)).state.messages == count


async def test_it_knows_what_only_the_compacted_stream_still_holds(world: World) -> None:
    people = [make_user() for _ in range(50)]
    team, slack = make_team(), make_slack()
    await world.know(*people, team, slack)
    await eventually(lambda: is_copied(world.bus, 52))
    await world.bus.js.purge_stream(subjects.EVENTS)
    async with following(world.bus) as replica:
        directory = await replica.loaded()
        assert len(directory) == 50
        assert directory.handle(team.slug) == team.slack_handle
        assert directory.slack == slack


async def test_it_knows_what_has_not_been_copied_yet(world: World) -> None:
    people = [make_user() for _ in range(50)]
    async with following(world.bus) as replica:
        await replica.loaded()
    await world.know(*people)
    async with following(world.bus) as replica:
        assert len(await replica.loaded()) == 50


async def test_it_follows_changes(world: World) -> None:
    user, team = make_user(), make_team()
    renamed = team.model_copy(update={"version": 2, "slack_handle": "@renamed"})
    await world.know(user, team)
    async with following(world.bus) as replica:
        directory = await replica.loaded()
        assert directory.handle(team.slug) == "@operations"
        await publish_events(
            world.bus,
            [
                (subjects.event("team", team.id), TeamUpdated(team=renamed, before=team)),
                (subjects.event("user", user.id), UserDeleted(before=user, version=2)),
            ],
        )
        await eventually(lambda: directory.handle(team.slug) == "@renamed")
        await eventually(lambda: directory.is_deleted(user.id))


async def test_what_is_no_longer_followed_does_not_count_as_loaded(world: World) -> None:
    async with following(world.bus) as replica:
        await replica.loaded()
    waiting = asyncio.create_task(replica.loaded())
    done, _ = await asyncio.wait({waiting}, timeout=0.1)
    assert not done
    waiting.cancel()


async def test_a_new_generation_of_the_store_is_learnt_anew(world: World) -> None:
    before = person(email="ops@example.com", email_on_job_failure=False)
    await world.know(before)
    async with world.notifier():
        await world.report(report_of(mailing_job("ops@example.com")))
        await eventually(world.inbox)
        await eventually(world.is_quiet)
        assert world.mail_server.attempts == []
        await streams.remove_fence(world.bus.js)
        await asyncio.sleep(3.5)  # as long as a gateway waits for everybody to stop
        await streams.recreate(world.bus.js, MAX_BYTES, 1)
        await world.know(person(email="other@example.com"))
        await raise_fence(world.bus, GENERATION + 1)
        # What met a subscriber of the old store would come again only after the acknowledgement's time-out.
        await asyncio.sleep(1.5)
        await world.report(report_of(mailing_job("ops@example.com")))
        await world.mail_server.wait_for(1)
        await eventually(world.is_quiet)
    assert world.mail_server.attempts == ["ops@example.com"]
    assert len(await world.inbox()) == 1
