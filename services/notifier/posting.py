"""Everything that is told goes to the bus first: inbox records for the gateway, the rest for the channel that sends it."""

from collections.abc import Iterable

from services.notifier.occasion import Told
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import Outgoing, pack
from shared.events import MailQueued, NotificationPosted, SlackQueued


async def post(bus: Bus, told: Iterable[Told]) -> None:
    """Store all of it; raises `Transient` unless every message is stored. What was posted before is not posted again."""
    for answer in await bus.publish_all(message(one) for one in told):
        if isinstance(answer, BaseException):
            raise answer


def message(told: Told) -> Outgoing:
    """A message whose id is that of the notification."""
    identity = str(told.notification_id)
    return pack(
        told,
        subject=_subject(told),
        source="notifier",
        event_id=identity,
        time=told.created_at,
        message_id=identity,
    )


def _subject(told: Told) -> str:
    match told:
        case NotificationPosted(user_id=user_id):
            return subjects.inbox(user_id)
        case MailQueued(notification_id=identity):
            return subjects.notice(subjects.MAIL, identity)
        case SlackQueued(notification_id=identity):
            return subjects.notice(subjects.SLACK, identity)
