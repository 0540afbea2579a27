"""The runs that an order replaces (`overlap_policy` cancel_running): each is ended before the order's own begins.

The end is stored first, by compare-and-set, so that neither a claim of later nor a crash in between can undo it; then
whoever makes the call is asked to stop it. A result that was stored before, or comes all the same, is the end.
"""

import asyncio
from collections.abc import Collection
from uuid import UUID

import structlog
from nats.js.api import RawStreamMsg

from services.executor.claim import Claims
from services.executor.control import Control
from services.executor.reports import Reporter
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import unpack
from shared.domain.execution import Phase
from shared.domain.ids import instant_text
from shared.events import ExecutionReported, RunTriggered, UnreadableEvent

FIRST_SPAN = 512
"""Places of the stream that are searched first; each further step is `WIDER` times as wide."""
WIDER = 8
MAX_READ = 1_000
"""Orders of a job that are read in search of one."""

logger = structlog.get_logger()


class Replacing:
    """Ends what orders replace, for one executor."""

    def __init__(self, bus: Bus, claims: Claims, control: Control, name: str) -> None:
        self._bus = bus
        self._claims = claims
        self._control = control
        self._name = name

    async def end(self, order: RunTriggered, trigger_seq: int, *, is_again: bool) -> None:
        """End all that the order replaces; returns when each has stopped, or `ANSWER_WITHIN` after it was asked to.

        `is_again`: the order was delivered before, so that its ends may be stored, and nobody asked to stop yet. Raises
        `Transient` when the bus fails.
        """
        instant = order.facts.planned_at or order.facts.queued_at
        reason = f"Cancelled in favour of the run planned at {instant_text(instant)}"
        reporters = await self._reporters(order, trigger_seq)
        outcomes = await asyncio.gather(
            *(self._end_one(one, reason, is_again=is_again) for one in reporters), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _end_one(self, reporter: Reporter, reason: str, *, is_again: bool) -> None:
        before = (await self._claims.call_off(reporter, reason)).report
        if before is None:
            return
        if before.phase is Phase.STARTED or (is_again and before.phase is Phase.CANCELLED):
            await self._control.ask_to_stop(reporter.facts.execution_id)

    async def _reporters(self, order: RunTriggered, trigger_seq: int) -> list[Reporter]:
        """Who reports on each of the replaced runs, in its own words: as it was reported before, or ordered."""
        found: list[Reporter] = []
        seen = wanted = set(order.cancels)
        while wanted:
            unreported = set()
            for execution_id in wanted:
                standing = await self._claims.look(subjects.execution(order.facts.job_id, execution_id))
                if standing.report is None:
                    unreported.add(execution_id)
                elif _is_as_planned(standing.report):
                    report = standing.report
                    found.append(Reporter(report.facts, report.redrive, order.generation, self._name))
            orders = await self._orders(order.facts.job_id, unreported, trigger_seq)
            found.extend(Reporter.of(one, self._name) for one in orders)
            # One that never began has not ended what it was to replace either.
            wanted = {execution_id for one in orders for execution_id in one.cancels} - seen
            seen = seen | wanted
        return found

    async def _orders(self, job_id: UUID, wanted: Collection[UUID], before: int) -> list[RunTriggered]:
        """The orders of runs that nobody has claimed, searched backwards from the one that replaces them."""
        missing, found, read = set(wanted), list[RunTriggered](), 0
        end, span = before, FIRST_SPAN
        while missing and end > 1:
            begin = max(1, end - span)
            place = begin
            while place < end and read < MAX_READ:
                message = await self._bus.next(subjects.TRIGGERS, subjects.trigger("*", job_id), place)
                if message is None or message.seq is None or message.seq >= end:
                    break
                read, place = read + 1, message.seq + 1
                order = _order(message)
                if order is not None and order.facts.execution_id in missing:
                    missing.discard(order.facts.execution_id)
                    found.append(order)
            if read >= MAX_READ:
                break
            end, span = begin, span * WIDER
        if missing:
            # Neither claimed nor to be claimed: its order is gone.
            logger.info("nothing to cancel", action="replace", executions=[str(one) for one in missing])
        return found


def _is_as_planned(report: ExecutionReported) -> bool:
    """Whether it is the run that was planned. A person who drives it again means to have it run."""
    return report.redrive == 0


def _order(message: RawStreamMsg) -> RunTriggered | None:
    try:
        event = unpack(message.data or b"", message.headers).event
    except UnreadableEvent:
        return None
    return event if isinstance(event, RunTriggered) else None
