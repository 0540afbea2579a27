"""One trigger from its arrival to its acknowledgement: end what it replaces, claim, call, report, ack."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from nats.aio.msg import Msg

from services.executor.claim import Claim, Claims
from services.executor.control import Control, Held
from services.executor.overtaken import is_overtaken
from services.executor.replacing import Replacing
from services.executor.reports import Reporter
from services.executor.targets.call import TargetCaller
from services.executor.targets.result import CallResult
from services.executor.work import WorkOrNot, work_of
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import unpack
from shared.bus.fence import Fence
from shared.bus.streams import EXECUTOR_ACK_WAIT
from shared.clock import Clock
from shared.domain.execution import Kind, Phase
from shared.errors import Transient
from shared.events import JobDeleted, JobEvent, RunTriggered, UnreadableEvent
from shared.observability import BUS_FAILURES
from shared.secretbox import SecretBox

HEARTBEAT = EXECUTOR_ACK_WAIT / 4
PROPAGATION_BOUND = timedelta(seconds=2)
"""A younger trigger may run although its job was paused or deleted meanwhile; an older one looks first."""
REDELIVER_AFTER = 2.0  # seconds
RETRY = 0.2  # seconds, doubled up to MAX_RETRY
MAX_RETRY = 5.0  # seconds
STOPPED = "Stopped on request"

logger = structlog.get_logger()


class Worker:
    """Handles triggers, each in a task of its own."""

    def __init__(
        self,
        bus: Bus,
        fence: Fence,
        control: Control,
        caller: TargetCaller,
        box: SecretBox,
        *,
        name: str,
        per_host: int,
        clock: Clock,
    ) -> None:
        self._bus = bus
        self._fence = fence
        self._caller = caller
        self._box = box
        self._name = name
        self._clock = clock
        self._claims = Claims(bus, clock)
        self._control = control
        self._replacing = Replacing(bus, self._claims, control, name)
        self._running: set[UUID] = set()
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(per_host))

    async def handle(self, message: Msg) -> None:
        """Run what the trigger asks for. When the bus fails, the trigger comes again."""
        try:
            order = unpack(message.data, message.headers).event
        except UnreadableEvent as error:
            logger.error("unreadable trigger", action="handle", subject=message.subject, error=str(error))
            await message.term()
            return
        if not isinstance(order, RunTriggered):
            logger.error("not a trigger", action="handle", subject=message.subject, type=order.type)
            await message.term()
            return
        execution_id = order.facts.execution_id
        if execution_id in self._running:
            return
        self._running.add(execution_id)
        delivery = _Delivery(message, self._fence, await self._fence.wait())
        beating = asyncio.create_task(delivery.beat())
        try:
            await self._run(delivery, order)
        except (Transient, *BUS_FAILURES) as error:
            logger.warning("a trigger waits", action="handle", execution=str(execution_id), error=repr(error))
            with suppress(*BUS_FAILURES):
                await delivery.again()
        finally:
            beating.cancel()
            self._running.discard(execution_id)

    async def _run(self, delivery: "_Delivery", order: RunTriggered) -> None:
        reporter = Reporter.of(order, self._name)
        if order.generation < delivery.generation:
            # What that generation left unfinished has been published again in this one.
            await delivery.ack()
            return
        if order.generation > delivery.generation:
            raise Transient("the trigger's generation is not known here yet")
        if await is_overtaken(self._bus, order, stored_at=delivery.stored_at, sequence=delivery.sequence):
            logger.warning(
                "decided otherwise before", action="handle", execution=str(order.facts.execution_id)
            )
            await delivery.ack()
            return
        reason = await self._reason_to_cancel(delivery, order)
        if reason is not None:
            await self._claims.cancel(reporter, delivery.sequence, reason)
            await delivery.ack()
            return
        if order.cancels:
            self._must_hold(order)
            await self._replacing.end(order, delivery.sequence, is_again=delivery.is_again)
        work = work_of(order, self._box)
        async with self._hosts[self._caller.host_of(work)]:
            with self._control.holding(order.facts.execution_id) as held:
                await self._attempt(held, reporter, delivery, work)
                await delivery.ack()

    async def _attempt(self, held: Held, reporter: Reporter, delivery: "_Delivery", work: WorkOrNot) -> None:
        self._must_hold(reporter)
        disconnects = self._bus.disconnects
        claim = await self._claims.claim(reporter, delivery.sequence)
        if claim is None:
            return
        self._must_hold(reporter)
        if disconnects != self._bus.disconnects:
            raise Transient("the bus was lost between claim and call")
        result = await held.make(self._caller.call(work, claim.attempt))
        if result is not None:
            await self._report(reporter, claim, result)
        else:
            # Whoever asks has stored the end before. Should they not have, nobody else would.
            await self._claims.call_off(reporter, STOPPED)

    def _must_hold(self, work: RunTriggered | Reporter) -> None:
        if not self._fence.holds(work.generation):
            raise Transient("the fence does not hold the trigger's generation")

    async def _report(self, reporter: Reporter, claim: Claim, result: CallResult) -> None:
        """Say how the attempt ended, for as long as it takes: the call was made."""
        report = reporter.report(
            Phase.SUCCEEDED if result.ok else Phase.FAILED,
            claim.attempt,
            self._clock(),
            started_at=claim.started_at,
            **_details(result),
        )
        wait = RETRY
        while True:
            try:
                await self._fence.wait()
                await self._bus.publish(reporter.result_message(report))
                return
            except Transient as error:
                logger.warning("a result is not stored yet", action="report", error=error.message)
                await asyncio.sleep(wait)
                wait = min(wait * 2, MAX_RETRY)

    async def _reason_to_cancel(self, delivery: "_Delivery", order: RunTriggered) -> str | None:
        """Why an old trigger must not run any more, by the newest state of its job; None for one that may."""
        if self._clock() - delivery.stored_at <= PROPAGATION_BOUND:
            return None
        subject = subjects.event("job", order.facts.job_id)
        # What the compacted stream has not copied yet stands in its source.
        last = await self._bus.last(subjects.JOBS, subject) or await self._bus.last(subjects.EVENTS, subject)
        if last is None or not last.data:
            return "The job was deleted before it ran"
        event = unpack(last.data, last.headers).event
        if isinstance(event, JobDeleted):
            return "The job was deleted before it ran"
        paused = isinstance(event, JobEvent) and event.job is not None and not event.job.is_active
        if paused and order.facts.kind is Kind.SCHEDULED:
            return "The job was paused before it ran"
        return None


class _Delivery:
    """A trigger as it was delivered. It may be acknowledged only while its store is there.

    Acknowledgements name a place in a stream, and a new store has other messages at the same places.
    """

    def __init__(self, message: Msg, fence: Fence, generation: int) -> None:
        self._message = message
        self._fence = fence
        self.generation = generation
        """In force when it was delivered."""

    @property
    def sequence(self) -> int:
        """Its place in the stream."""
        return self._message.metadata.sequence.stream

    @property
    def is_again(self) -> bool:
        """Whether it was delivered before."""
        return self._message.metadata.num_delivered > 1

    @property
    def stored_at(self) -> datetime:
        """When the stream stored it."""
        return self._message.metadata.timestamp.astimezone(UTC)

    async def ack(self) -> None:
        """It is done."""
        if self._fence.holds(self.generation):
            await self._message.ack()

    async def again(self) -> None:
        """It must come again."""
        if self._fence.holds(self.generation):
            await self._message.nak(delay=REDELIVER_AFTER)

    async def beat(self) -> None:
        """Keep it from coming again meanwhile, for ever."""
        while True:
            await asyncio.sleep(HEARTBEAT)
            if self._fence.holds(self.generation):
                with suppress(*BUS_FAILURES):
                    await self._message.in_progress()


def _details(result: CallResult) -> dict[str, Any]:
    return {
        "duration_seconds": round(result.duration_seconds, 6),
        "response_status": result.response_status,
        "timed_out": result.timed_out,
        "error": result.error,
        "output": result.output,
    }
