"""A lease in a JetStream bucket: one holder, renewed by compare-and-set, gone by itself when nobody renews it.

The key has a time to live of whole seconds. When it ends, or the holder gives it up, the server leaves a marker;
taking over is a compare-and-set on that marker's revision (ADR-8, ADR-43 per-message TTL). The revision of the
election is the term. A lease alone stops no paused holder: what it guards has its own compare-and-set.

A candidate polls, since the server tells nobody that a key has ended; and it listens, since a holder that gives up says so.
"""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import RawStreamMsg

from shared.bus.connect import Bus, WrongLastSequence
from shared.bus.envelope import EXPECTED_LAST_SUBJECT_SEQUENCE, Outgoing
from shared.bus.streams import SCHEDULER_STREAM, bucket_subject
from shared.bus.subjects import LEASE_KEY, SCHEDULER_BUCKET
from shared.clock import Clock
from shared.errors import Transient

SAFETY_MARGIN = 0.25  # seconds by which the holder stops before the key can be gone
SPREAD = 0.01  # seconds over which candidates that heard of a release spread their tries
RETRY = 0.002  # seconds, doubled up to the poll: what was heard may not be stored yet

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTime:
    """The server's clock, as of one renewal."""

    at: datetime
    monotonic: float
    """This machine's monotonic clock just before."""
    offset: float
    """Server time minus local time, in seconds."""

    def latest(self, slack: timedelta) -> datetime:
        """What time it can be now at most, whatever was done to this machine's clock meanwhile."""
        return self.at + timedelta(seconds=time.monotonic() - self.monotonic) + slack


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A won election."""

    term: int
    server_time: ServerTime


class LeaseLost(Exception):
    """The lease is somebody else's now, or could not be renewed in time."""


class Lease:
    """One candidate's side of the lease."""

    def __init__(self, bus: Bus, holder: str, ttl_seconds: int, clock: Clock) -> None:
        self._bus = bus
        self._holder = holder
        self._ttl = ttl_seconds
        self._clock = clock
        self._subject = bucket_subject(SCHEDULER_BUCKET, LEASE_KEY)
        self._revision = 0
        self._deadline = 0.0
        self._asked = time.monotonic()

    @property
    def is_held(self) -> bool:
        """Whether the lease is certainly still ours, by a clock that nobody sets back."""
        return time.monotonic() < self._deadline

    @property
    def renew_interval(self) -> float:
        """Seconds between renewals."""
        return self._ttl / 3

    async def acquire(self) -> Grant:
        """Return once this candidate leads. Waits through outages."""
        async with self._listening() as vacancy:
            while True:
                try:
                    last = await self._bus.last(SCHEDULER_STREAM, self._subject)
                    vacant = last is None or not last.data
                    if vacant and await self._try(last.seq or 0 if last is not None else 0):
                        return Grant(term=self._revision, server_time=await self.server_time())
                except (Transient, LeaseLost) as error:
                    logger.debug("the lease cannot be read", action="lease", error=str(error))
                await vacancy.wait(self._ttl / 8)

    async def renew(self) -> None:
        """Extend the lease; raises `LeaseLost` when it is somebody else's or time has run out."""
        try:
            if await self._try(self._revision):
                return
        except Transient as error:
            if self.is_held:
                logger.warning("the lease was not renewed, trying again", action="lease", error=error.message)
                return
        self._deadline = 0.0
        raise LeaseLost(f"{self._holder} no longer leads")

    async def release(self) -> None:
        """Hand over at once: leave a marker that a follower can take over from."""
        if not self.is_held:
            return
        self._deadline = 0.0
        try:
            try:
                await self._leave_marker(self._revision)
            except WrongLastSequence:
                # A renewal whose answer nobody waited for any more may have been stored all the same.
                last = await self._bus.last(SCHEDULER_STREAM, self._subject)
                if last is None or last.seq is None or not self._is_ours(last):
                    raise
                await self._leave_marker(last.seq)
        except (WrongLastSequence, Transient) as error:
            logger.info("the lease was gone already", action="lease", error=repr(error))

    async def server_time(self) -> ServerTime:
        """The server's clock as of the newest renewal stored; raises `LeaseLost` when the lease is gone."""
        last = await self._bus.last(SCHEDULER_STREAM, self._subject)
        if last is None or last.time is None or not self._is_ours(last):
            raise LeaseLost("the lease changed hands")
        renewed_at = datetime.fromisoformat(orjson.loads(last.data or b"")["renewed_at"])
        return ServerTime(
            at=last.time, monotonic=self._asked, offset=(last.time - renewed_at).total_seconds()
        )

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator["_Vacancy"]:
        """What candidates and holders write, as it passes by: no promise that it is heard, nor that it was stored."""
        vacancy = _Vacancy(SPREAD * zlib.crc32(self._holder.encode()) / 2**32)
        subscription = await self._bus.nc.subscribe(self._subject, cb=vacancy.hear)
        try:
            yield vacancy
        finally:
            # Also while the server is away: the client would subscribe again on its return.
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()

    async def _leave_marker(self, expected: int) -> None:
        headers = {
            "KV-Operation": "PURGE",
            "Nats-TTL": "5s",
            EXPECTED_LAST_SUBJECT_SEQUENCE: str(expected),
        }
        await self._bus.publish(Outgoing(subject=self._subject, body=b"", headers=headers))

    async def _try(self, expected: int) -> bool:
        self._asked = asked = time.monotonic()
        body = orjson.dumps({"holder": self._holder, "renewed_at": self._clock()})
        headers = {"Nats-TTL": f"{self._ttl}s", EXPECTED_LAST_SUBJECT_SEQUENCE: str(expected)}
        try:
            ack = await self._bus.publish(Outgoing(subject=self._subject, body=body, headers=headers))
        except WrongLastSequence:
            last = await self._bus.last(SCHEDULER_STREAM, self._subject)
            if last is None or last.seq is None or not self._is_ours(last):
                return False
            if last.data != body:
                # An earlier renewal of ours was stored although its answer was lost: this one goes behind it.
                return last.seq != expected and await self._try(last.seq)
            self._revision = last.seq
        else:
            self._revision = ack.seq
        self._deadline = asked + self._ttl - SAFETY_MARGIN
        return True

    def _is_ours(self, message: RawStreamMsg) -> bool:
        # Names are never used twice (a marker has no body).
        return bool(message.data) and orjson.loads(message.data or b"")["holder"] == self._holder


class _Vacancy:
    """Tells a candidate when to look: at each poll, and soon after a holder has given up."""

    def __init__(self, turn: float) -> None:
        self._turn = turn
        """Seconds that this candidate leaves to others: whoever is first is heard by all, who need not try then."""
        self._given_up = asyncio.Event()
        self._taken = asyncio.Event()
        self._retry: float | None = None

    async def hear(self, message: Msg) -> None:
        """Somebody has given the lease up, or has taken or renewed it."""
        if message.data:
            self._taken.set()
        else:
            self._taken.clear()
            self._given_up.set()

    async def wait(self, poll: float) -> None:
        """Return when it is time to look."""
        retry, self._retry = self._retry, None
        if retry is not None and retry < poll:
            if not await _up_to(retry, self._taken):
                self._retry = retry * 2
        elif await _up_to(poll, self._given_up):
            self._given_up.clear()
            if not await _up_to(self._turn, self._taken):
                self._retry = RETRY


async def _up_to(seconds: float, event: asyncio.Event) -> bool:
    """Wait for the event, so long at most; whether it is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
