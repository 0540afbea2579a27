"""Notifications become rows of people's inboxes, once."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update

from services.gateway.inbox import Inbox
from services.gateway.store.database import Database
from services.gateway.store.tables import notifications
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing
from shared.bus.fence import Fence
from shared.bus.streams import CONSUMER_ACK_WAIT
from shared.domain.execution import Phase
from shared.events import NotificationPosted
from tests.fixtures.builders import SOME_TIME, make_notification, make_report
from tests.fixtures.bus import GENERATION, publish_events, raise_fence
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess
from tests.integration.gateway.world import background

PROMPTLY = CONSUMER_ACK_WAIT / 2  # seconds: sooner than what was lost on the way would come again


@pytest.fixture
async def followed(
    database: Database, nats_server: NatsProcess, made_bus: Bus, fence: Fence
) -> AsyncIterator[Bus]:
    """A bus whose inbox a gateway follows."""
    async with background(Inbox(database).run(made_bus, fence, nats_server.url)):
        yield made_bus


async def post(bus: Bus, *posted: NotificationPosted) -> None:
    """What a notifier does, without the ids that keep a repetition from being stored."""
    await publish_events(bus, [(subjects.inbox(one.user_id), one) for one in posted])


async def stand_in_sql(database: Database, count: int) -> bool:
    """Whether that many rows are there."""
    return len(await rows_of(database, notifications)) == count


async def everything_is_acknowledged(bus: Bus) -> bool:
    """Whether nothing will come again."""
    info = await bus.js.consumer_info(subjects.INBOX, subjects.INBOX_DURABLE)
    return not info.num_pending and not info.num_ack_pending


async def test_a_notification_becomes_an_unread_row(database: Database, followed: Bus) -> None:
    posted = make_notification()
    await post(followed, posted)
    await eventually(lambda: stand_in_sql(database, 1), within=PROMPTLY)
    [row] = await rows_of(database, notifications)
    assert row == {
        "id": posted.notification_id,
        "user_id": posted.user_id,
        "title": posted.title,
        "message": posted.message,
        "type": posted.level,
        "related_job_id": posted.related_job_id,
        "related_execution_id": posted.related_execution_id,
        "is_read": False,
        "read_at": None,
        "created_at": SOME_TIME,
        "deleted_at": None,
    }
    await eventually(lambda: everything_is_acknowledged(followed), within=PROMPTLY)


async def test_a_notification_posted_twice_changes_nothing(database: Database, followed: Bus) -> None:
    posted, other = make_notification(), make_notification()
    await post(followed, posted)
    await eventually(lambda: stand_in_sql(database, 1), within=PROMPTLY)
    async with database.write() as connection:
        await connection.execute(update(notifications).values(is_read=True, read_at=SOME_TIME))
    before = await rows_of(database, notifications)
    await post(followed, posted, other, posted)
    await eventually(lambda: stand_in_sql(database, 2), within=PROMPTLY)
    await eventually(lambda: everything_is_acknowledged(followed), within=PROMPTLY)
    assert [row for row in await rows_of(database, notifications) if row["is_read"]] == before


async def test_what_is_no_notification_is_passed_over(database: Database, followed: Bus) -> None:
    await followed.publish(Outgoing(subject="jetcron.inbox.nobody", body=b"{", headers={}))
    await publish_events(followed, [("jetcron.inbox.nobody", make_report(Phase.FAILED))])
    await post(followed, make_notification())
    await eventually(lambda: stand_in_sql(database, 1), within=PROMPTLY)
    await eventually(lambda: everything_is_acknowledged(followed), within=PROMPTLY)


async def test_of_many_none_is_missing(database: Database, followed: Bus) -> None:
    posted = [make_notification() for _ in range(450)]
    await post(followed, *posted)
    await eventually(lambda: stand_in_sql(database, 450), within=PROMPTLY)
    ids = {row["id"] for row in await rows_of(database, notifications)}
    assert ids == {one.notification_id for one in posted}


@pytest.mark.parametrize("way", ["kill", "stop"])
async def test_it_goes_on_after_a_restart_of_the_server(
    nats_server: NatsProcess, database: Database, followed: Bus, way: str
) -> None:
    await post(followed, make_notification())
    await eventually(lambda: stand_in_sql(database, 1), within=PROMPTLY)
    await (nats_server.kill() if way == "kill" else nats_server.stop())
    await eventually(lambda: not followed.is_connected)
    await nats_server.start()
    await eventually(lambda: followed.is_connected)
    await raise_fence(followed, GENERATION)
    await post(followed, make_notification())
    await eventually(lambda: stand_in_sql(database, 2), within=PROMPTLY)
