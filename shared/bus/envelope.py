"""Messages on the bus are CloudEvents 1.0 in binary mode: attributes in `ce-*` headers, the body is JSON.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson

from shared.events import AnyEvent, Event, UnreadableEvent, parse_event

MESSAGE_ID = "Nats-Msg-Id"
EXPECTED_LAST_SUBJECT_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
STREAM_SOURCE = "Nats-Stream-Source"

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message ready to be published."""

    subject: str
    body: bytes
    headers: dict[str, str]

    @property
    def message_id(self) -> str | None:
        """What the stream deduplicates by."""
        return self.headers.get(MESSAGE_ID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(Generic[E]):
    """A message from the bus: the typed event and what its envelope says of it."""

    event: E
    event_id: str
    aggregate_version: int | None
    correlation_id: str | None


def pack(
    event: Event,
    *,
    subject: str,
    source: str,
    event_id: str,
    time: datetime,
    message_id: str | None = None,
    expected_last: int | None = None,
    aggregate_version: int | None = None,
    correlation_id: str | None = None,
    causation_id: str | None = None,
) -> Outgoing:
    """Wrap an event. `message_id` deduplicates it; `expected_last` makes the publish a compare-and-set."""
    return Outgoing(
        subject=subject,
        body=orjson.dumps(event.body()),
        headers=_headers(
            {
                "ce-specversion": "1.0",
                "ce-id": event_id,
                "ce-source": f"/jetcron/{source}",
                "ce-type": event.type,
                "ce-time": time.isoformat(),
                "ce-dataversion": str(event.schema_version),
                "ce-aggregateversion": aggregate_version,
                "ce-correlationid": correlation_id,
                "ce-causationid": causation_id,
                "content-type": "application/json",
                MESSAGE_ID: message_id,
                EXPECTED_LAST_SUBJECT_SEQUENCE: expected_last,
            }
        ),
    )


def unpack(body: bytes, headers: dict[str, str] | None) -> Received[AnyEvent]:
    """Read a message; raises `UnreadableEvent` when it is not one of ours."""
    headers = headers or {}
    try:
        data = orjson.loads(body)
        version = int(headers.get("ce-dataversion", "1"))
        aggregate_version = headers.get("ce-aggregateversion")
        return Received(
            event=parse_event(headers["ce-type"], version, data),
            event_id=headers["ce-id"],
            aggregate_version=int(aggregate_version) if aggregate_version else None,
            correlation_id=headers.get("ce-correlationid"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise (
            error if isinstance(error, UnreadableEvent) else UnreadableEvent(f"not a CloudEvent: {error!r}")
        ) from error


def source_sequence(headers: dict[str, str] | None, own_sequence: int) -> int:
    """The place of a message in the stream that it was first published to (its own where it was not sourced)."""
    source = (headers or {}).get(STREAM_SOURCE)
    return int(source.split()[1]) if source else own_sequence


def _headers(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}
