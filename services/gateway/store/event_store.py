"""Commands change things here and nowhere else: load, fold, decide, append, project, in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Row, func, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.store.database import Database
from services.gateway.store.projections import project
from services.gateway.store.tables import events
from shared.errors import Conflict
from shared.events import DomainEvent, parse_event

MAX_TRIES = 20

S = TypeVar("S")
C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate(Generic[S, C]):
    """What `execute` needs to know of a kind of aggregate."""

    name: str
    initial: S
    decide: Callable[[C, S], list[DomainEvent]]
    evolve: Callable[[S, DomainEvent], S]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who changes something, and because of what."""

    actor: str
    at: datetime
    correlation_id: str | None = None
    causation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One event and its place in its aggregate."""

    aggregate: str
    aggregate_id: UUID
    version: int
    event: DomainEvent


class TooManyConflicts(Conflict):
    """Others changed the same thing each time that this command tried."""


class EventStore:
    """The events table as streams of aggregates."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: list[asyncio.Event] = []

    def wake_on_append(self, listener: asyncio.Event) -> None:
        """Set `listener` after each commit, so that the relay need not wait for its next look."""
        self._listeners.append(listener)

    async def execute(
        self,
        aggregate: Aggregate[S, C],
        aggregate_id: UUID,
        prepare: Callable[[AsyncConnection, S], Awaitable[C]],
        context: Context,
    ) -> S:
        """Decide one command and commit what follows; returns the state afterwards.

        `prepare` makes the command from facts that it reads in the same transaction. When somebody else appended
        first, everything is done again. Raises what the decider raises, and `TooManyConflicts`.
        """
        for attempt in range(MAX_TRIES):
            try:
                state = await self._try(aggregate, aggregate_id, prepare, context)
            except IntegrityError:
                await asyncio.sleep(0.002 * attempt)
                continue
            self.wake()
            return state
        raise TooManyConflicts("somebody else keeps changing this; try again")

    def wake(self) -> None:
        """Tell the listeners that there is something to publish."""
        for listener in self._listeners:
            listener.set()

    async def _try(
        self,
        aggregate: Aggregate[S, C],
        aggregate_id: UUID,
        prepare: Callable[[AsyncConnection, S], Awaitable[C]],
        context: Context,
    ) -> S:
        async with self._database.write() as connection:
            await self.take_turn(connection, aggregate_id)
            state, version = await load(connection, aggregate, aggregate_id)
            decided = aggregate.decide(await prepare(connection, state), state)
            changes = [
                Change(aggregate=aggregate.name, aggregate_id=aggregate_id, version=number, event=event)
                for number, event in enumerate(decided, version + 1)
            ]
            await self.append(connection, changes, context)
        for event in decided:
            state = aggregate.evolve(state, event)
        return state

    async def take_turn(self, connection: AsyncConnection, aggregate_id: UUID) -> None:
        """Wait for the commands on the same aggregate, and let others wait until the end of the transaction.

        Who holds nothing but this before the first event keeps to the order of all others: events, then rows.
        """
        if not self._database.is_sqlite:
            key = int.from_bytes(aggregate_id.bytes[:8], "big", signed=True)
            await connection.execute(select(func.pg_advisory_xact_lock(literal(key, BigInteger))))

    async def append(self, connection: AsyncConnection, changes: Sequence[Change], context: Context) -> None:
        """Write events and the rows that follow from them, many at once, in the caller's transaction.

        Raises SQLAlchemy's IntegrityError when somebody else appended first; `wake` is the caller's, after the commit.
        """
        if changes:
            # In one order everywhere: two writers of the same aggregates must not wait for one another in a circle.
            ordered = sorted(changes, key=lambda change: (change.aggregate_id, change.version))
            await connection.execute(events.insert(), [_row(change, context) for change in ordered])
            await project(self._database, connection, [change.event for change in changes])


async def load(connection: AsyncConnection, aggregate: Aggregate[S, C], aggregate_id: UUID) -> tuple[S, int]:
    """An aggregate's state and version. Events carry the whole state, so the newest one is the fold of all."""
    newest = (
        select(events)
        .where(events.c.aggregate_id == aggregate_id, events.c.aggregate == aggregate.name)
        .order_by(events.c.version.desc())
        .limit(1)
    )
    row = (await connection.execute(newest)).first()
    if row is None:
        return aggregate.initial, 0
    return aggregate.evolve(aggregate.initial, stored_event(row)), row.version


def stored_event(row: Row[Any]) -> DomainEvent:
    """The typed event of a row of the events table."""
    return parse_event(row.type, row.schema_version, row.data)  # type: ignore[return-value] # the table holds no others


def _row(change: Change, context: Context) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "aggregate": change.aggregate,
        "aggregate_id": change.aggregate_id,
        "version": change.version,
        "type": change.event.type,
        "schema_version": change.event.schema_version,
        "data": change.event.body(),
        "actor": context.actor,
        "correlation_id": context.correlation_id,
        "causation_id": context.causation_id,
        "recorded_at": context.at,
    }
