"""A notifier is killed while the mail server has its mail and has not said so."""

import asyncio

from shared.bus import subjects
from tests.fixtures.eventually import eventually
from tests.fixtures.jetcron import Jetcron
from tests.fixtures.notices import mailing_job, report_of
from tests.integration.notifier.world import World


async def test_it_sends_the_mail_at_most_twice_with_one_message_id(world: World, jetcron: Jetcron) -> None:
    settings = world.settings()
    jetcron.environment |= {
        "NATS_URL": settings.nats_url.get_secret_value(),
        "MAIL_ENABLED": "true",
        "MAIL_SERVER": settings.mail_server,
        "MAIL_PORT": str(settings.mail_port),
        "MAIL_USE_TLS": "false",
    }
    world.mail_server.delay = 20.0
    first = jetcron.spawn_beside("notifier")
    await world.report(report_of(mailing_job("ops@example.com", "dev@example.com")))
    await world.mail_server.wait_for(2)
    first.kill()
    await asyncio.to_thread(first.wait)
    assert await world.marks() == 0

    world.mail_server.delay = 0.0
    # What the dead one held would come again by itself after the acknowledgement's time-out.
    await world.come_again(subjects.MAIL)
    jetcron.spawn_beside("notifier")
    mails = await world.mail_server.wait_for(4)
    await eventually(world.is_quiet)
    assert len(world.mail_server.mails) == 4
    assert len({mail.message["Message-ID"] for mail in mails}) == 2
    assert len(await world.inbox()) == 1
