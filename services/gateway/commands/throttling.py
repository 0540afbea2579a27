"""Slowing down who guesses passwords, not who knows one: failed logins are counted in SQL, over all replicas."""

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address

from sqlalchemy import BigInteger, ColumnElement, ScalarSelect, delete, exists, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.store.database import Database
from services.gateway.store.tables import known_addresses, login_failures
from shared.errors import TooManyRequests

KNOWN_FOR = timedelta(days=90)
"""How long an address stays known to a login that does not come back to it."""
FORGET_AT_ONCE = 100
"""How many old failures one login forgets at most."""
NOWHERE = "unknown"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many failures within a time, and no more."""

    failures: int
    within: timedelta


PER_PAIR = Limit(5, timedelta(minutes=15))
"""For one login from one address."""
PER_ADDRESS = Limit(100, timedelta(minutes=15))
PER_LOGIN = Limit(100, timedelta(hours=1))
LONGEST = max(limit.within for limit in (PER_PAIR, PER_ADDRESS, PER_LOGIN))


class TooManyFailedLogins(TooManyRequests):
    """Whether the user exists, and whether this password was right, is not told."""

    title = "Too many failed logins"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Try again in {retry_after} seconds", retry_after=retry_after)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who wants to log in, as far as it is kept, and from where."""

    login_hash: str
    address: str

    @classmethod
    def of(cls, login: str, host: str | None) -> "Attempt":
        """Two spellings of one login count as one; so do the addresses of one IPv6 network, which are free to have."""
        return cls(hashlib.sha256(login.strip().lower().encode()).hexdigest(), _address(host))


async def refuse_guessing(connection: AsyncConnection, attempt: Attempt, now: datetime) -> None:
    """Raise `TooManyFailedLogins` when one of the limits is reached.

    The two wide ones do not count for a login at an address where it has succeeded: others cannot lock it out.
    """
    of_login = login_failures.c.login_hash == attempt.login_hash
    of_address = login_failures.c.address == attempt.address
    limits = {
        "pair": (PER_PAIR, _decisive(PER_PAIR, now, of_login, of_address)),
        "address": (PER_ADDRESS, _decisive(PER_ADDRESS, now, of_address)),
        "login": (PER_LOGIN, _decisive(PER_LOGIN, now, of_login)),
    }
    is_known = exists().where(
        known_addresses.c.login_hash == attempt.login_hash, known_addresses.c.address == attempt.address
    )
    asked = select(is_known.label("known"), *(failure.label(name) for name, (_, failure) in limits.items()))
    found = (await connection.execute(asked)).mappings().one()
    ends = [
        found[name] + limit.within
        for name, (limit, _) in limits.items()
        if found[name] is not None and (name == "pair" or not found["known"])
    ]
    if ends:
        raise TooManyFailedLogins(math.ceil((max(ends) - now).total_seconds()))


async def take_turn(database: Database, connection: AsyncConnection, attempt: Attempt) -> None:
    """Wait for the other logins of the same name, so that many at once do not pass the limit together."""
    if not database.is_sqlite:
        key = int.from_bytes(bytes.fromhex(attempt.login_hash)[:8], "big", signed=True)
        await connection.execute(select(func.pg_advisory_xact_lock(literal(key, BigInteger))))


async def note_failure(connection: AsyncConnection, attempt: Attempt, now: datetime) -> None:
    """Count a failed login; some of those that no limit looks at any more go."""
    await connection.execute(
        login_failures.insert().values(login_hash=attempt.login_hash, address=attempt.address, failed_at=now)
    )
    oldest = (
        select(login_failures.c.id, login_failures.c.failed_at)
        .order_by(login_failures.c.id)
        .limit(FORGET_AT_ONCE)
        .subquery()
    )
    old = select(oldest.c.id).where(oldest.c.failed_at <= now - LONGEST)
    await connection.execute(delete(login_failures).where(login_failures.c.id.in_(old)))


async def note_success(
    database: Database, connection: AsyncConnection, attempt: Attempt, now: datetime
) -> None:
    """Forget this pair's failures, and remember the pair."""
    await connection.execute(
        delete(login_failures).where(
            login_failures.c.login_hash == attempt.login_hash, login_failures.c.address == attempt.address
        )
    )
    left = (known_addresses.c.login_hash == attempt.login_hash) & (
        known_addresses.c.last_at < now - KNOWN_FOR
    )
    await connection.execute(delete(known_addresses).where(left))
    row = {"login_hash": attempt.login_hash, "address": attempt.address, "last_at": now}
    seen = database.upsert(known_addresses).values(row)
    await connection.execute(
        seen.on_conflict_do_update(index_elements=["login_hash", "address"], set_={"last_at": now})
    )


def _decisive(limit: Limit, now: datetime, *conditions: ColumnElement[bool]) -> ScalarSelect[datetime]:
    """When the failure happened that has to leave the window before there is room; null when there is."""
    return (
        select(login_failures.c.failed_at)
        .where(*conditions, login_failures.c.failed_at > now - limit.within)
        .order_by(login_failures.c.failed_at.desc())
        .offset(limit.failures - 1)
        .limit(1)
        .scalar_subquery()
    )


def _address(host: str | None) -> str:
    try:
        address = ip_address(host or "")
    except ValueError:
        return NOWHERE
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), 64), strict=False))
