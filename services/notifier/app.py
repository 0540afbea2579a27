"""The notifier: reads the reports of executions and tells people."""

import asyncio

from services.notifier.rules import notifications
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing, pack
from shared.bus.fence import Fence
from shared.bus.subscribing import subscribe
from shared.events import AnyEvent, ExecutionReported, NotificationPosted
from shared.process import run_until_stopped
from shared.settings import CommonSettings


class Notifier:
    """One notifier process; several share the durable."""

    def __init__(self, settings: CommonSettings) -> None:
        self._settings = settings
        self._bus = Bus()
        self._fence = Fence(self._bus)

    async def run(self) -> None:
        """Work until cancelled."""
        url = self._settings.nats_url.get_secret_value()
        try:
            await self._bus.connect(url, "jetcron notifier")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._fence.follow())
                tasks.create_task(
                    subscribe(
                        self._bus,
                        self._fence,
                        url,
                        stream=subjects.EXECUTIONS,
                        subject=subjects.ALL_EXECUTIONS,
                        durable=subjects.NOTIFIER_DURABLE,
                        handler=self.on_report,
                    )
                )
        finally:
            await self._bus.close()

    async def on_report(self, event: AnyEvent) -> None:
        """Post what the rules say; raises `Transient` unless every notification is stored."""
        if isinstance(event, ExecutionReported):
            for notification in notifications(event):
                await self._bus.publish(message(notification))


def message(notification: NotificationPosted) -> Outgoing:
    """A notification for the inbox; posted twice it is stored once."""
    identity = str(notification.notification_id)
    return pack(
        notification,
        subject=subjects.inbox(notification.user_id),
        source="notifier",
        event_id=identity,
        time=notification.created_at,
        message_id=identity,
    )


def run() -> None:
    """Run a notifier until it is told to stop."""
    settings = CommonSettings()
    run_until_stopped("notifier", settings, Notifier(settings).run())
