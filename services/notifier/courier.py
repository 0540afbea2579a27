"""Takes one channel's notices as there is room for them, and sends each by itself.

What cannot be sent comes again: a notice that was put off after pauses of its own, all of them when nothing gets out. A
sending whose end nobody saw (a crash, a lost connection) is made once more, with the same id.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Generic, TypeVar
from uuid import UUID

import structlog
from nats.aio.msg import Msg

from services.notifier.channels.channel import Channel, Deferred, Refused, Unreachable
from services.notifier.delivery import Delivery
from services.notifier.pauses import Pauses, deferral
from services.notifier.sent import SentMarks
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import unpack
from shared.bus.fence import Fence
from shared.bus.pull import ConsumerGone, Pull
from shared.bus.streams import wait_for_consumer
from shared.clock import Clock
from shared.errors import Transient
from shared.events import Notice, UnreadableEvent
from shared.observability import BUS_FAILURES

GIVE_UP = timedelta(hours=24)
POLL = 1.0  # seconds between looks at the health of an idle intake
RETRY = 1.0  # seconds
GRACE = 5.0  # seconds for what is being sent when the process is told to stop

N = TypeVar("N", bound=Notice)

logger = structlog.get_logger()


class Courier(Generic[N]):
    """One channel's, of one process."""

    def __init__(
        self,
        bus: Bus,
        fence: Fence,
        channel: Channel[N],
        kind: type[N],
        marks: SentMarks,
        clock: Clock,
        *,
        at_once: int,
    ) -> None:
        self._bus = bus
        self._fence = fence
        self._channel = channel
        self._kind = kind
        self._clock = clock
        self._at_once = at_once
        self._marks = marks
        self._pauses = Pauses()
        self._tasks: set[asyncio.Task[None]] = set()
        self._being_sent: set[UUID] = set()

    async def run(self, generation: int) -> None:
        """Send what waits and what comes, for ever; what is being sent at the end is given a little time."""
        durable = subjects.channel_durable(self._channel.name)
        try:
            while True:
                await wait_for_consumer(self._bus.js, subjects.NOTICES, durable)
                try:
                    async with Pull(self._bus, subjects.NOTICES, durable) as pull:
                        await self._take(pull, generation)
                except (ConsumerGone, *BUS_FAILURES) as error:
                    self._log("taking notices starts again", error=repr(error))
                    await asyncio.sleep(RETRY)
        finally:
            await self._finish()

    async def _take(self, pull: Pull, generation: int) -> None:
        while True:
            if len(self._tasks) >= self._at_once:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                continue
            message = await self._next(pull)
            task = asyncio.create_task(self._handle(Delivery(message, self._fence, generation)))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    async def _next(self, pull: Pull) -> Msg:
        while True:
            if pull.outstanding + pull.waiting == 0:
                await self._pauses.wait()
                await self._fence.wait()
                await pull.want(self._at_once - len(self._tasks))
            message = await pull.take(POLL)
            if message is not None:
                return message

    async def _handle(self, delivery: Delivery) -> None:
        notice = self._read(delivery.message)
        if notice is None:
            await delivery.end()
            return
        if notice.notification_id in self._being_sent:
            return
        self._being_sent.add(notice.notification_id)
        beating = asyncio.create_task(delivery.beat())
        try:
            await self._deliver(delivery, notice)
        except (Transient, *BUS_FAILURES) as error:
            self._log("a notice waits", id=str(notice.notification_id), error=repr(error))
            with suppress(*BUS_FAILURES):
                await delivery.again(RETRY)
        finally:
            beating.cancel()
            self._being_sent.discard(notice.notification_id)

    def _read(self, message: Msg) -> N | None:
        try:
            event = unpack(message.data, message.headers).event
        except UnreadableEvent:
            # Not why: that would quote addresses.
            logger.error("unreadable notice", action="send", subject=message.subject)
            return None
        if isinstance(event, self._kind):
            return event
        logger.error("not a notice", action="send", subject=message.subject, type=event.type)
        return None

    async def _deliver(self, delivery: Delivery, notice: N) -> None:
        await self._fence.wait()
        if not await self._marks.has(notice.notification_id):
            if self._clock() - delivery.stored_at > GIVE_UP:
                self._give_up(notice, f"not sent within {GIVE_UP}")
            elif not delivery.is_current or not await self._is_settled(delivery, notice):
                return
            await self._mark(notice)
        await delivery.ack()

    async def _mark(self, notice: N) -> None:
        """Say that it is settled, for as long as it takes: another notifier would send it again."""
        while True:
            try:
                await self._marks.write(notice.notification_id)
                return
            except Transient as error:
                self._log("a mark is not stored yet", id=str(notice.notification_id), error=error.message)
                await asyncio.sleep(RETRY)

    async def _is_settled(self, delivery: Delivery, notice: N) -> bool:
        """Send it; False when it comes again, True when it was sent or is given up."""
        try:
            await self._channel.send(notice)
        except Refused as error:
            self._give_up(notice, str(error))
            return True
        except Deferred as error:
            pause = deferral(delivery.count)
            self._log(
                "a notice was put off", id=str(notice.notification_id), reason=str(error), seconds=pause
            )
            await delivery.again(pause)
            return False
        except Unreachable as error:
            pause = self._pauses.begin(error.retry_after)
            self._log("nothing can be sent", reason=str(error), seconds=round(pause, 1))
            await delivery.again(pause)
            return False
        self._pauses.end()
        return True

    def _give_up(self, notice: N, reason: str) -> None:
        logger.error(
            "a notice is given up",
            action="send",
            channel=self._channel.name,
            id=str(notice.notification_id),
            reason=reason,
        )

    def _log(self, message: str, **details: object) -> None:
        logger.warning(message, action="send", channel=self._channel.name, **details)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # It comes again when its acknowledgement is overdue.
            logger.error("a notice was not handled", action="send", exc_info=task.exception())

    async def _finish(self) -> None:
        if not self._tasks:
            return
        _, left = await asyncio.wait(self._tasks, timeout=GRACE)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=1)
