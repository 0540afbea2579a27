"""Every message on the bus, typed. Wire names and versions are explicit, so that classes may be renamed.

Five families: domain events (EVENTS), decisions on planned instants (TRIGGERS), reports of executions (EXECUTIONS),
notifications for the inbox (INBOX) and notices to be sent elsewhere (NOTICES). A field is only ever added, and
optional; a changed meaning is a new version with an upcaster in `UPCASTERS`.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from shared.domain.directory import User
from shared.events.alerts import Alert, InstantsUnaccounted, SchedulerHeard, SchedulerSilent
from shared.events.base import Event
from shared.events.calendars import CalendarCreated, CalendarDeleted, CalendarEvent, CalendarUpdated
from shared.events.decisions import (
    CheckpointReached,
    Decision,
    InstantSettled,
    InstantsMissed,
    InstantsNotRun,
    InstantsSkipped,
    RunCancelled,
    RunFacts,
    RunTriggered,
    RunWaiting,
)
from shared.events.directory import (
    AccountCreated,
    AccountEvent,
    AccountUpdated,
    CategoryCreated,
    CategoryEvent,
    CategoryUpdated,
    SlackSettingsUpdated,
    TeamCreated,
    TeamEvent,
    TeamUpdated,
    UserDeleted,
    UserEvent,
    UserRegistered,
    UserUpdated,
)
from shared.events.inbox import NotificationPosted
from shared.events.jobs import (
    ChangeReason,
    JobCreated,
    JobDeleted,
    JobEvent,
    JobRestored,
    JobsSeeded,
    JobUpdated,
)
from shared.events.notices import MailQueued, Notice, SlackQueued
from shared.events.reports import ExecutionReported

__all__ = [
    "UPCASTERS",
    "AccountCreated",
    "AccountEvent",
    "AccountUpdated",
    "Alert",
    "AnyEvent",
    "CalendarCreated",
    "CalendarDeleted",
    "CalendarEvent",
    "CalendarUpdated",
    "CategoryCreated",
    "CategoryEvent",
    "CategoryUpdated",
    "ChangeReason",
    "CheckpointReached",
    "Decision",
    "DomainEvent",
    "Event",
    "ExecutionReported",
    "InstantSettled",
    "InstantsMissed",
    "InstantsNotRun",
    "InstantsSkipped",
    "InstantsUnaccounted",
    "JobCreated",
    "JobDeleted",
    "JobEvent",
    "JobRestored",
    "JobUpdated",
    "JobsSeeded",
    "MailQueued",
    "Notice",
    "NotificationPosted",
    "RunCancelled",
    "RunFacts",
    "RunTriggered",
    "RunWaiting",
    "SchedulerHeard",
    "SchedulerSilent",
    "SlackQueued",
    "SlackSettingsUpdated",
    "TeamCreated",
    "TeamEvent",
    "TeamUpdated",
    "UnreadableEvent",
    "User",
    "UserDeleted",
    "UserEvent",
    "UserRegistered",
    "UserUpdated",
    "parse_event",
]  # fmt: skip

DomainEvent: TypeAlias = (
    JobCreated | JobUpdated | JobDeleted | JobRestored
    | UserRegistered | UserUpdated | UserDeleted
    | CategoryCreated | CategoryUpdated
    | TeamCreated | TeamUpdated
    | AccountCreated | AccountUpdated
    | CalendarCreated | CalendarUpdated | CalendarDeleted
    | SlackSettingsUpdated
    | Alert
)  # fmt: skip

AnyEvent: TypeAlias = Annotated[
    DomainEvent | JobsSeeded | Decision | ExecutionReported | NotificationPosted | Notice,
    Field(discriminator="type"),
]

_ADAPTER: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)

UPCASTERS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""(type, version) → a function that makes the body one version newer."""


class UnreadableEvent(ValueError):
    """A message that no version of this program can have written, or one from a newer version."""


def parse_event(type_name: str, version: int, body: dict[str, Any]) -> AnyEvent:
    """The typed event of a stored or received body.

    Raises `UnreadableEvent` when the type is unknown, the version is newer than ours, or the body does not fit.
    """
    while upcast := UPCASTERS.get((type_name, version)):
        body, version = upcast(body), version + 1
    try:
        event = _ADAPTER.validate_python({**body, "type": type_name})
    except ValidationError as error:
        raise UnreadableEvent(f"{type_name} v{version} cannot be read: {_described(error)}") from None
    if version != event.schema_version:
        raise UnreadableEvent(
            f"{type_name} v{version} is newer than v{event.schema_version}, which is read here"
        )
    return event


def _described(error: ValidationError) -> str:
    """What does not fit, and where. Not the input: a body holds addresses and what was sealed, and this is logged."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in problems)
