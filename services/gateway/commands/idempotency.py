"""Requests that a client may send again: what carries an `Idempotency-Key` is done once.

The key is written in the transaction of the command, so that there is never one without the other. A refused request
leaves no key behind and may be corrected.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.gateway import Gateway
from services.gateway.store.tables import idempotency_keys
from shared.errors import Conflict, Transient

LIFETIME = timedelta(hours=24)
"""How long a key is remembered."""
FORGET_BATCH = 100

T = TypeVar("T")

_keys = idempotency_keys.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """A request that carries a key. The same key with another operation or hash is another request."""

    user_id: UUID
    key: str
    operation: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a command answers, and whether it had been done before."""

    value: T
    is_replayed: bool = False


class KeyReused(Conflict):
    """The key belongs to another request."""

    title = "Idempotency key reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was sent with another request; take a new one.")


class AlreadyDone(Exception):
    """Not an error: the request was done before, and this is what became of it. Raised to leave the transaction."""

    def __init__(self, resource_id: UUID, answer: Any) -> None:
        super().__init__(f"done before: {resource_id}")
        self.resource_id = resource_id
        self.answer = answer


def request_hash(path: str, body: bytes) -> str:
    """What tells requests apart: where they go, and what they say. For JSON, pass `canonical(body)`."""
    return hashlib.sha256(path.encode() + b"\0" + body).hexdigest()


def canonical(body: Any) -> bytes:
    """A JSON value as bytes that are the same however its keys were ordered."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


async def claim(
    gateway: Gateway, connection: AsyncConnection, keyed: Keyed, resource_id: UUID, now: datetime
) -> None:
    """Take the key for a request that is about to be done, as the first thing in its transaction.

    Of several at once, one goes on; the others wait here for its end. Raises `AlreadyDone` when the request was done
    before, and `KeyReused` when another one was.
    """
    row = {
        "user_id": keyed.user_id,
        "key": keyed.key,
        "operation": keyed.operation,
        "request_hash": keyed.request_hash,
        "resource_id": resource_id,
        "answer": None,
        "created_at": now,
    }
    insert = gateway.database.upsert(idempotency_keys).values(row)
    taken = insert.on_conflict_do_update(
        index_elements=["user_id", "key"], set_=row, where=_keys.created_at <= now - LIFETIME
    )
    if (await connection.execute(taken.returning(_keys.key))).first() is None:
        await _replay(connection, keyed)
    await _forget_old(connection, now)


async def keep_answer(connection: AsyncConnection, keyed: Keyed, answer: Any) -> None:
    """Remember a JSON answer with the claimed key, where the resource alone would not tell it."""
    await connection.execute(update(idempotency_keys).where(*_this(keyed)).values(answer=answer))


async def _replay(connection: AsyncConnection, keyed: Keyed) -> None:
    row = (await connection.execute(select(idempotency_keys).where(*_this(keyed)))).first()
    if row is None:
        raise Transient("The request with this Idempotency-Key has just been forgotten; try again.")
    if (row.operation, row.request_hash) != (keyed.operation, keyed.request_hash):
        raise KeyReused
    raise AlreadyDone(row.resource_id, row.answer)


async def _forget_old(connection: AsyncConnection, now: datetime) -> None:
    """Delete some keys that are too old; those that somebody else is deleting are left to them."""
    old = (
        select(_keys.user_id, _keys.key)
        .where(_keys.created_at <= now - LIFETIME)
        .limit(FORGET_BATCH)
        .with_for_update(skip_locked=True)
    )
    await connection.execute(delete(idempotency_keys).where(tuple_(_keys.user_id, _keys.key).in_(old)))


def _this(keyed: Keyed) -> tuple[Any, Any]:
    return _keys.user_id == keyed.user_id, _keys.key == keyed.key
