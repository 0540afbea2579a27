"""The notifier: reads what happens to executions and jobs, and tells people.

In two steps. What the rules say goes to the bus at once: records to the inbox, mails and Slack messages to a queue. From there
each channel sends as it can: a server that is slow or away delays nothing but its own messages.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import TypeAlias
from zoneinfo import ZoneInfo

from aiohttp import ClientSession

from services.notifier.alerts import of_alert
from services.notifier.channels.email import EmailChannel
from services.notifier.channels.slack import SlackChannel
from services.notifier.courier import Courier
from services.notifier.generations import while_current
from services.notifier.posting import post
from services.notifier.reminders import Reminders
from services.notifier.replica import DirectoryReplica
from services.notifier.rules import Rules
from services.notifier.sent import SentMarks
from services.notifier.settings import NotifierSettings
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.fence import Fence
from shared.bus.subscribing import Handler, subscribe
from shared.clock import Clock, utc_now
from shared.egress import EgressPolicy, guarded_session
from shared.events import Alert, AnyEvent, ExecutionReported, JobUpdated, MailQueued, SlackQueued
from shared.process import run_until_stopped
from shared.secretbox import SecretBox

MAILS_AT_ONCE = 4
SLACK_AT_ONCE = 1  # it takes about one a second from each webhook

AnyCourier: TypeAlias = Courier[MailQueued] | Courier[SlackQueued]


class Notifier:
    """One notifier process; several share the durables."""

    def __init__(self, settings: NotifierSettings, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._bus = Bus()
        self._fence = Fence(self._bus)
        self._replica = DirectoryReplica(self._bus)
        self._rules = Rules(job_url=settings.job_url, mails=settings.mail_enabled)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            await self._bus.connect(self._settings.nats_url.get_secret_value(), "jetcron notifier")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._fence.follow())
                tasks.create_task(self._send())
                for stream, subject, durable, handler in (
                    (subjects.EXECUTIONS, subjects.ALL_EXECUTIONS, subjects.NOTIFIER_DURABLE, self.on_report),
                    (subjects.EVENTS, subjects.ALL_EVENTS, subjects.NOTIFIER_EVENTS_DURABLE, self.on_change),
                ):
                    tasks.create_task(self._subscribe(stream, subject, durable, handler))
        finally:
            await self._bus.close()

    async def on_report(self, event: AnyEvent) -> None:
        """Post what the rules say of an execution; raises `Transient` unless all of it is stored."""
        if isinstance(event, ExecutionReported):
            directory = await self._replica.loaded()
            await post(self._bus, self._rules.of_report(event, directory))

    async def on_change(self, event: AnyEvent) -> None:
        """Post what the rules say of a change of a job, or of an alert; raises `Transient` unless all of it is stored."""
        if isinstance(event, JobUpdated):
            directory = await self._replica.loaded()
            await post(self._bus, self._rules.of_change(event, directory, self._clock()))
        elif isinstance(event, Alert):
            directory = await self._replica.loaded()
            await post(self._bus, of_alert(event, directory, self._settings.job_url, self._clock()))

    async def _subscribe(self, stream: str, subject: str, durable: str, handler: Handler) -> None:
        url = self._settings.nats_url.get_secret_value()
        await subscribe(
            self._bus, self._fence, url, stream=stream, subject=subject, durable=durable, handler=handler
        )

    async def _send(self) -> None:
        """Everything that begins anew with each generation of the store, for ever."""
        settings = self._settings
        policy = EgressPolicy(settings.webhook_allowed_networks, settings.webhook_require_https)
        zone = ZoneInfo(settings.scheduler_timezone)
        reminders = Reminders(self._bus, self._fence, self._replica, self._rules, zone, self._clock)
        async with guarded_session(policy) as session:
            couriers = self._couriers(session, policy)
            while True:
                generation = await self._fence.wait()
                work = [self._replica.run(), reminders.run(generation)]
                work += [courier.run(generation) for courier in couriers]
                await while_current(self._fence, generation, _together(work))

    def _couriers(self, session: ClientSession, policy: EgressPolicy) -> list[AnyCourier]:
        settings, box = self._settings, SecretBox(self._settings.secret_key.get_secret_value())
        slack = SlackChannel(session, policy, box, self._replica.slack)
        marks = SentMarks(self._bus)
        couriers: list[AnyCourier] = [
            Courier(self._bus, self._fence, slack, SlackQueued, marks, self._clock, at_once=SLACK_AT_ONCE)
        ]
        if settings.mail_enabled:
            mail = EmailChannel(settings)
            couriers.append(
                Courier(self._bus, self._fence, mail, MailQueued, marks, self._clock, at_once=MAILS_AT_ONCE)
            )
        return couriers


async def _together(work: Iterable[Coroutine[None, None, None]]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for one in work:
            tasks.create_task(one)


def run() -> None:
    """Run a notifier until it is told to stop."""
    settings = NotifierSettings()
    run_until_stopped("notifier", settings, Notifier(settings).run())
