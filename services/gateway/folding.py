"""Streams folded into SQL from a position that SQL keeps: the ledger and the projector, at one gateway at a time."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import APIError, NotFoundError

from services.gateway.bus_state import BusState, load_bus_state
from services.gateway.store.database import Database
from services.gateway.store.tables import bus_state
from shared.bus.connect import Bus
from shared.bus.pull import ConsumerGone
from shared.bus.reader import StreamMessage, StreamReader
from shared.errors import Transient

RETRY = 0.2  # seconds, doubled up to MAX_RETRY
MAX_RETRY = 5.0  # seconds

logger = structlog.get_logger()


class Fold(Protocol):
    """What takes a stream's messages in order. Rows and position commit together."""

    stream: str
    position_column: str

    async def absorb(self, batch: Sequence[StreamMessage], *, position: int, generation: int) -> None:
        """Write one batch that follows `position`."""


async def follow(bus: Bus, fold: Fold, position: int, generation: int) -> None:
    """Fold the stream from behind `position`, for ever."""
    reader = StreamReader(bus, fold.stream, after=position)
    async for batch in reader.batches():
        await _absorb(fold, batch, position, generation)
        position = reader.position


async def _absorb(fold: Fold, batch: Sequence[StreamMessage], position: int, generation: int) -> None:
    """Write a batch, waiting for the database as long as it takes; what else goes on beside it need not stop."""
    wait = RETRY
    while True:
        try:
            await fold.absorb(batch, position=position, generation=generation)
            return
        except Transient as error:
            logger.warning(
                "the database does not take a batch", action="fold", stream=fold.stream, error=error.message
            )
            await asyncio.sleep(wait)
            wait = min(wait * 2, MAX_RETRY)


async def absorb_rest(
    database: Database, bus: Bus, folds: Sequence[Fold], state: BusState, now: datetime
) -> BusState:
    """Fold what is left of streams that are about to be deleted; returns the state afterwards."""
    for fold in folds:
        position: int = getattr(state, fold.position_column)
        try:
            info = await bus.js.stream_info(fold.stream)
        except NotFoundError:
            continue
        # Rolled back: the numbers were used before, so everything that stands there is read (again).
        start = position if info.state.last_seq >= position else 0
        if start != position:
            async with database.write() as connection:
                await connection.execute(bus_state.update().values({fold.position_column: start}))
        await absorb_to_end(bus, fold, start, state.generation)
    return await load_bus_state(database, now)


async def absorb_to_end(bus: Bus, fold: Fold, position: int, generation: int) -> int:
    """Fold a stream to its present end; returns the new position. Raises `Transient` when it cannot be read."""
    reader = StreamReader(bus, fold.stream, after=position)
    try:
        async for batch in reader.read_to_end():
            await fold.absorb(batch, position=position, generation=generation)
            position = reader.position
    except (NatsError, APIError, TimeoutError, OSError, ConsumerGone) as error:
        raise Transient(f"{fold.stream} cannot be read to its end: {error!r}") from error
    return position
