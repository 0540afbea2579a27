"""A notifier on a real bus, with a real mail server and a real receiver in Slack's place; no gateway."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from services.notifier.app import Notifier
from services.notifier.settings import NotifierSettings
from shared.bus import streams, subjects
from shared.bus.connect import Bus
from shared.clock import Clock, utc_now
from shared.domain.directory import SlackSettings, Team
from shared.domain.job import Job
from shared.events import (
    Alert,
    Event,
    ExecutionReported,
    JobCreated,
    JobsSeeded,
    JobUpdated,
    NotificationPosted,
    SlackSettingsUpdated,
    TeamCreated,
    User,
    UserRegistered,
)
from shared.secretbox import SecretBox
from shared.settings import DEVELOPMENT_SECRET
from shared.slack_settings import seal_webhook_url
from tests.fixtures.bus import GENERATION, publish_events, read_events
from tests.fixtures.mail import MailServer
from tests.fixtures.notices import BASE_URL, make_slack
from tests.fixtures.receiver import Receiver

SLACK_PATH = "/services/T000/B000/secret"


class World:
    """What a test sets up and looks at."""

    def __init__(self, bus: Bus, nats_url: str, mail_server: MailServer, receiver: Receiver) -> None:
        self.bus = bus
        self.mail_server = mail_server
        self.receiver = receiver
        self._nats_url = nats_url

    def settings(self, **overrides: Any) -> NotifierSettings:
        """Mails and Slack messages go to this test's servers."""
        return NotifierSettings.model_validate(
            {
                "nats_url": self._nats_url,
                "mail_enabled": True,
                "mail_server": "127.0.0.1",
                "mail_port": self.mail_server.port,
                "mail_use_tls": False,
                "mail_default_sender": "jetcron <noreply@jetcron.example>",
                "frontend_base_url": BASE_URL,
                "webhook_allowed_networks": "127.0.0.0/8",
                **overrides,
            }
        )

    @asynccontextmanager
    async def notifier(self, clock: Clock = utc_now, **overrides: Any) -> AsyncIterator[Notifier]:
        """A notifier at work; a failure of it fails the test."""
        notifier = Notifier(self.settings(**overrides), clock)
        task = asyncio.create_task(notifier.run())
        try:
            yield notifier
        finally:
            task.cancel()
            [ended] = await asyncio.gather(task, return_exceptions=True)
            if isinstance(ended, Exception):
                raise ended

    async def know(self, *known: User | Team | SlackSettings) -> None:
        """Publish people, teams and settings as a gateway does."""
        await publish_events(self.bus, [_introduction(one) for one in known])

    async def know_slack(self, channel: str | None = None, secret: str = DEVELOPMENT_SECRET) -> SlackSettings:
        """Slack is on, and is this test's receiver."""
        sealed = seal_webhook_url(SecretBox(secret), self.receiver.url + SLACK_PATH)
        settings = make_slack(sealed_webhook_url=sealed, channel=channel)
        await self.know(settings)
        return settings

    async def report(self, *reports: ExecutionReported) -> None:
        """Publish what executors say."""
        await publish_events(
            self.bus, [(subjects.execution(one.facts.job_id, one.facts.execution_id), one) for one in reports]
        )

    async def change(self, *events: JobCreated | JobUpdated) -> None:
        """Publish changes of jobs."""
        await publish_events(self.bus, [(subjects.event("job", one.job.id), one) for one in events])

    async def alert(self, *alerts: Alert) -> None:
        """Publish what a gateway's auditor found."""
        await publish_events(self.bus, [(subjects.event("alert", uuid4()), one) for one in alerts])

    async def seed(self, *jobs: Job) -> None:
        """Jobs, and the marker behind them."""
        await self.change(*(JobCreated(job=job) for job in jobs))
        await publish_events(self.bus, [(subjects.SEEDED, JobsSeeded(generation=GENERATION))])

    async def inbox(self) -> list[NotificationPosted]:
        """What was posted, in order."""
        found = await read_events(self.bus, subjects.INBOX)
        return [one for one in found if isinstance(one, NotificationPosted)]

    async def is_quiet(self) -> bool:
        """Whether everything that was published has been handled, and sent or given up."""
        durables = [
            (subjects.EXECUTIONS, subjects.NOTIFIER_DURABLE),
            (subjects.EVENTS, subjects.NOTIFIER_EVENTS_DURABLE),
            *((subjects.NOTICES, subjects.channel_durable(channel)) for channel in subjects.CHANNELS),
        ]
        # In the order of the way: what the first ones left behind stands before the later ones already.
        for stream, durable in durables:
            info = await self.bus.js.consumer_info(stream, durable)
            if info.num_pending or info.num_ack_pending:
                return False
        return True

    async def marks(self) -> int:
        """How many sent-marks there are."""
        return (await self.bus.js.stream_info(streams.SENT_STREAM)).state.messages

    async def come_again(self, channel: str) -> None:
        """Deliver all notices of a channel once more, as after a loss of the consumer."""
        durable = subjects.channel_durable(channel)
        await self.bus.js.delete_consumer(subjects.NOTICES, durable)
        config = next(one.config for one in streams.durables() if one.config.durable_name == durable)
        await self.bus.js.add_consumer(subjects.NOTICES, config=config)


def _introduction(known: User | Team | SlackSettings) -> tuple[str, Event]:
    match known:
        case User():
            return subjects.event("user", known.id), UserRegistered(user=known)
        case Team():
            return subjects.event("team", known.id), TeamCreated(team=known)
        case SlackSettings():
            return subjects.event("settings", known.id), SlackSettingsUpdated(settings=known)
