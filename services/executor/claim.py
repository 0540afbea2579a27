"""No call without a prior, exclusive claim.

A claim is a `started` report whose publish names the expected last message of the execution's subject. Two executors that hold
the same trigger cannot both store it. On a conflict the subject's last message says what to do:

| last message | then |
|---|---|
| a claim with our token | our own, whose answer was lost: go on |
| `started` by the same trigger | its executor died or stands still: record `unknown`, claim the next attempt |
| `started` by another trigger | somebody else is at it: nothing to do (in an older generation: as by the same) |
| `unknown` | claim the next attempt |
| `lost` | the same: a gateway gave the attempt up, and its trigger is here after all |
| an end | nothing to do |

Whoever calls an execution off stores its end in the same way, so that a later claim meets it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import structlog
from nats.js.api import RawStreamMsg

from services.executor.reports import Reporter
from shared.bus import subjects
from shared.bus.connect import Bus, Unpublished, WrongLastSequence
from shared.bus.envelope import unpack
from shared.clock import Clock
from shared.domain.execution import MAX_UNKNOWN_ATTEMPTS, TERMINAL_PHASES, Phase
from shared.events import ExecutionReported

MAX_TRIES = 20
GIVEN_UP = f"Given up: the end of {MAX_UNKNOWN_ATTEMPTS} attempts in a row is not known"

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make one attempt."""

    attempt: int
    started_at: datetime
    unknown_count: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What the last message of an execution's subject says."""

    sequence: int = 0
    report: ExecutionReported | None = None

    @property
    def is_end(self) -> bool:
        """Whether the execution has ended, unless somebody drives it again."""
        return self.report is not None and self.report.phase in TERMINAL_PHASES


class Claims:
    """Claims attempts for one executor."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock

    async def claim(self, reporter: Reporter, trigger_seq: int) -> Claim | None:
        """Claim the next attempt; None when there is nothing to do any more. Raises `Transient` when the bus fails."""
        token = uuid4().hex
        standing = Standing()
        for _ in range(MAX_TRIES):
            attempt, unknown_count = _next_attempt(standing)
            started_at = self._clock()
            claimed = reporter.report(
                Phase.STARTED,
                attempt,
                started_at,
                started_at=started_at,
                token=token,
                trigger_seq=trigger_seq,
                unknown_count=unknown_count,
            )
            if await self._store(reporter, claimed, standing.sequence):
                return Claim(attempt, started_at, unknown_count)
            standing = await self.look(reporter.subject)
            if standing.report is not None and standing.report.token == token:
                return Claim(standing.report.attempt, standing.report.at, standing.report.unknown_count)
            settled = await self._settle(reporter, standing, trigger_seq)
            if settled is None:
                return None
            standing = settled
        raise Unpublished(f"too many conflicts on {reporter.subject}")

    async def cancel(self, reporter: Reporter, trigger_seq: int, reason: str) -> None:
        """Record that the execution ends here; does nothing when it has ended, or somebody else is at it.

        Raises `Transient` when the bus fails.
        """
        for _ in range(MAX_TRIES):
            standing = await self._settle(reporter, await self.look(reporter.subject), trigger_seq)
            if standing is None or await self._store_cancelled(reporter, standing, reason):
                return
        raise Unpublished(f"too many conflicts on {reporter.subject}")

    async def call_off(self, reporter: Reporter, reason: str) -> Standing:
        """Record that the execution ends here, whoever is at it; returns what was said of it before.

        Does nothing when it has ended. Raises `Transient` when the bus fails.
        """
        for _ in range(MAX_TRIES):
            standing = await self.look(reporter.subject)
            if standing.is_end or await self._store_cancelled(reporter, standing, reason):
                return standing
        raise Unpublished(f"too many conflicts on {reporter.subject}")

    async def look(self, subject: str) -> Standing:
        """How an execution stands, by its subject; raises `Transient` when the bus fails."""
        last = await self._bus.last(subjects.EXECUTIONS, subject)
        return Standing() if last is None else Standing(last.seq or 0, _read(last))

    async def _store_cancelled(self, reporter: Reporter, standing: Standing, reason: str) -> bool:
        last = standing.report
        report = reporter.report(
            Phase.CANCELLED,
            last.attempt if last is not None else 0,
            self._clock(),
            started_at=last.started_at if last is not None else None,
            error=reason,
        )
        return await self._store(reporter, report, standing.sequence)

    async def _store(self, reporter: Reporter, report: ExecutionReported, expected: int) -> bool:
        try:
            await self._bus.publish(reporter.claim_message(report, expected))
        except WrongLastSequence:
            return False
        except Unpublished as error:
            # Stored or not: the subject's last message knows.
            logger.info("no answer to a report", action="claim", error=error.message)
            return False
        return True

    async def _settle(self, reporter: Reporter, standing: Standing, trigger_seq: int) -> Standing | None:
        """What to claim behind, or None when there is nothing to do."""
        report = standing.report
        if report is None:
            return standing
        if report.phase in TERMINAL_PHASES and report.redrive >= reporter.redrive:
            return None
        if report.phase is Phase.STARTED:
            if report.trigger_seq != trigger_seq and report.generation >= reporter.generation:
                return None
            recorded = await self._record_unknown(reporter, report, standing.sequence)
            if recorded is None:
                # Somebody wrote in between: look again at what stands there now.
                return await self._settle(reporter, await self.look(reporter.subject), trigger_seq)
            standing = recorded
        if standing.report is not None and standing.report.unknown_count >= MAX_UNKNOWN_ATTEMPTS:
            await self._give_up(reporter, standing.report)
            return None
        return standing

    async def _record_unknown(
        self, reporter: Reporter, started: ExecutionReported, expected: int
    ) -> Standing | None:
        unknown = reporter.report(
            Phase.UNKNOWN,
            started.attempt,
            self._clock(),
            started_at=started.started_at,
            unknown_count=started.unknown_count + 1,
            error="The executor stopped before it could say how this attempt ended",
        )
        try:
            ack = await self._bus.publish(reporter.claim_message(unknown, expected))
        except WrongLastSequence:
            return None
        return Standing(ack.seq, unknown)

    async def _give_up(self, reporter: Reporter, last: ExecutionReported) -> None:
        report = reporter.report(
            Phase.DEAD_LETTER,
            last.attempt,
            self._clock(),
            started_at=last.started_at,
            unknown_count=last.unknown_count,
            error=GIVEN_UP,
        )
        await self._bus.publish(reporter.result_message(report))


def _next_attempt(standing: Standing) -> tuple[int, int]:
    report = standing.report
    return (1, 0) if report is None else (report.attempt + 1, report.unknown_count)


def _read(message: RawStreamMsg) -> ExecutionReported:
    event = unpack(message.data or b"", message.headers).event
    if not isinstance(event, ExecutionReported):
        raise Unpublished(f"{message.subject} holds something else than a report")
    return event
