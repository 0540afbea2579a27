"""What SQL knows of the bus: its generation, each stream's birth and last acknowledged message, the readers' positions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from nats.js.api import StreamInfo
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.store.database import Database
from services.gateway.store.tables import bus_state, bus_streams
from shared.bus import subjects
from shared.bus.streams import FENCE_STREAM, created_at, stream_configs

_ROW = 1


class PositionMoved(Exception):
    """Another gateway reads the stream too; this one must stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusState:
    """The one row of `bus_state`."""

    generation: int
    is_seeded: bool
    ledgered_until: datetime
    ledgered_events_seq: int
    ledger_position: int
    projector_position: int


async def load_bus_state(database: Database, now: datetime) -> BusState:
    """The state; on the very first start, generation 0 and "everything before now is decided"."""
    async with database.write() as connection:
        row = (await connection.execute(select(bus_state))).first()
        if row is None:
            first = {
                "id": _ROW,
                "generation": 0,
                "is_seeded": False,
                "ledgered_until": now,
                "ledgered_events_seq": 0,
                "ledger_position": 0,
                "projector_position": 0,
            }
            await connection.execute(database.upsert(bus_state).values(first).on_conflict_do_nothing())
            row = (await connection.execute(select(bus_state))).one()
    return BusState(
        generation=row.generation,
        is_seeded=row.is_seeded,
        ledgered_until=row.ledgered_until,
        ledgered_events_seq=row.ledgered_events_seq,
        ledger_position=row.ledger_position,
        projector_position=row.projector_position,
    )


async def find_damage(
    database: Database, state: BusState, look: Callable[[], Awaitable[dict[str, StreamInfo]]]
) -> str | None:
    """What is wrong with the store as seen from SQL: something lost, recreated or rolled back; None when it is whole.

    SQL is read first: what the streams acknowledge meanwhile makes them newer, never older.
    """
    async with database.read() as connection:
        recorded = {row.name: row for row in (await connection.execute(select(bus_streams))).all()}
    found = await look()
    seen = {
        subjects.TRIGGERS: state.ledger_position,
        subjects.EXECUTIONS: state.projector_position,
    }
    for name in (config.name or "" for config in stream_configs(2**30, 1)):
        if name == FENCE_STREAM:
            continue
        info, record = found.get(name), recorded.get(name)
        if info is None:
            return f"stream {name} is gone"
        if record is None or created_at(info) != record.created_at:
            return f"stream {name} was created anew"
        if info.state.last_seq < max(seen.get(name, 0), record.acknowledged_seq):
            return f"stream {name} was rolled back"
    return None


async def begin_generation(connection: AsyncConnection, *, before: int, generation: int) -> None:
    """A new generation, not yet seeded: nothing of its streams has been read, no change in them is covered.

    Raises `PositionMoved` when another gateway has begun one meanwhile.
    """
    begun = await connection.execute(
        update(bus_state)
        .where(bus_state.c.generation == before)
        .values(
            generation=generation,
            is_seeded=False,
            ledgered_events_seq=0,
            ledger_position=0,
            projector_position=0,
        )
    )
    if begun.rowcount != 1:
        raise PositionMoved("generation")


async def finish_generation(
    database: Database, connection: AsyncConnection, streams: dict[str, StreamInfo], events_seq: int
) -> None:
    """The generation is seeded; from now on its streams are what SQL is compared with."""
    for name, info in streams.items():
        row = {"name": name, "created_at": created_at(info), "acknowledged_seq": info.state.last_seq}
        insert = database.upsert(bus_streams).values(row)
        await connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=row))
    await connection.execute(update(bus_state).values(is_seeded=True, ledgered_events_seq=events_seq))


async def move_position(connection: AsyncConnection, column: str, *, before: int, after: int) -> None:
    """Advance a reader by compare-and-set; raises `PositionMoved` when another reader was faster."""
    moved = await connection.execute(
        update(bus_state).where(bus_state.c[column] == before).values({column: after})
    )
    if moved.rowcount != 1:
        raise PositionMoved(column)


async def note_acknowledged(connection: AsyncConnection, stream: str, sequence: int) -> None:
    """Remember the newest message that a stream has acknowledged to this side."""
    newer = (bus_streams.c.name == stream) & (bus_streams.c.acknowledged_seq < sequence)
    await connection.execute(update(bus_streams).where(newer).values(acknowledged_seq=sequence))
