"""No call without a prior, exclusive claim.

A claim is a `started` report whose publish names the expected last message of the execution's subject. Two executors that hold
the same trigger cannot both store it. On a conflict the subject's last message says what to do:

| last message | then |
|---|---|
| a claim with our token | our own, whose answer was lost: go on |
| `started` by the same trigger | its executor died or stands still: record `unknown`, claim the next attempt |
| `started` by another trigger | somebody else is at it: nothing to do (in an older generation: as by the same) |
| `unknown` or `lost` | claim the next attempt |
| an end | nothing to do |
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
class _Standing:
    """What the subject's last message says."""

    sequence: int = 0
    report: ExecutionReported | None = None


class Claims:
    """Claims attempts for one executor."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock

    async def claim(self, reporter: Reporter, trigger_seq: int) -> Claim | None:
        """Claim the next attempt; None when there is nothing to do any more. Raises `Transient` when the bus fails."""
        token = uuid4().hex
        standing = _Standing()
        for _ in range(MAX_TRIES):
            attempt, unknown_count = _next_attempt(standing)
            claimed = reporter.report(
                Phase.STARTED,
                attempt,
                self._clock(),
                token=token,
                trigger_seq=trigger_seq,
                unknown_count=unknown_count,
            )
            claimed = claimed.model_copy(update={"started_at": claimed.at})
            if await self._store(reporter, claimed, standing.sequence):
                return Claim(attempt, claimed.at, unknown_count)
            standing = await self._look(reporter)
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
            standing = await self._settle(reporter, await self._look(reporter), trigger_seq)
            if standing is None:
                return
            last = standing.report
            report = reporter.report(
                Phase.CANCELLED,
                last.attempt if last is not None else 0,
                self._clock(),
                started_at=last.started_at if last is not None else None,
                error=reason,
            )
            if await self._store(reporter, report, standing.sequence):
                return
        raise Unpublished(f"too many conflicts on {reporter.subject}")

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

    async def _look(self, reporter: Reporter) -> _Standing:
        last = await self._bus.last(subjects.EXECUTIONS, reporter.subject)
        return _Standing() if last is None else _Standing(last.seq or 0, _read(last))

    async def _settle(self, reporter: Reporter, standing: _Standing, trigger_seq: int) -> _Standing | None:
        """What to claim behind, or None when there is nothing to do."""
        report = standing.report
        if report is None:
            return standing
        if report.phase in TERMINAL_PHASES and report.redrive >= reporter.order.redrive:
            return None
        if report.phase is Phase.STARTED:
            if report.trigger_seq != trigger_seq and report.generation >= reporter.order.generation:
                return None
            recorded = await self._record_unknown(reporter, report, standing.sequence)
            if recorded is None:
                # Somebody wrote in between: look again at what stands there now.
                return await self._settle(reporter, await self._look(reporter), trigger_seq)
            standing = recorded
        if standing.report is not None and standing.report.unknown_count >= MAX_UNKNOWN_ATTEMPTS:
            await self._give_up(reporter, standing.report)
            return None
        return standing

    async def _record_unknown(
        self, reporter: Reporter, started: ExecutionReported, expected: int
    ) -> _Standing | None:
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
        return _Standing(ack.seq, unknown)

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


def _next_attempt(standing: _Standing) -> tuple[int, int]:
    report = standing.report
    return (1, 0) if report is None else (report.attempt + 1, report.unknown_count)


def _read(message: RawStreamMsg) -> ExecutionReported:
    event = unpack(message.data or b"", message.headers).event
    if not isinstance(event, ExecutionReported):
        raise Unpublished(f"{message.subject} holds something else than a report")
    return event
