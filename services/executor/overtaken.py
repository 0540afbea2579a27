"""Orders that were stored long after they were made: whoever made them stood still, and another one decided in their place.

As long as the stream knows the id of a decision it takes no second one. Later it does; then the one that was stored first counts.
"""

from datetime import datetime, timedelta

from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import unpack
from shared.bus.pull import ConsumerGone
from shared.bus.reader import StreamMessage, StreamReader
from shared.bus.streams import DUPLICATE_WINDOW
from shared.domain.execution import Kind
from shared.errors import Transient
from shared.events import InstantsNotRun, RunTriggered, UnreadableEvent
from shared.observability import BUS_FAILURES

STOOD_STILL = timedelta(seconds=DUPLICATE_WINDOW / 2)
"""No order is on its way for so long, nor do two clocks differ as much, unless its sender stood still."""
CLOCKS_APART = timedelta(minutes=1)


async def is_overtaken(bus: Bus, order: RunTriggered, *, stored_at: datetime, sequence: int) -> bool:
    """Whether an earlier decision says that the planned instant does not run; `sequence` is the order's place.

    What is released after a long wait is not meant: its order is made when it is released. Raises `Transient`.
    """
    facts = order.facts
    planned = facts.kind is Kind.SCHEDULED and facts.planned_at is not None and not order.redrive
    if not planned or stored_at - facts.queued_at <= STOOD_STILL:
        return False
    reader = StreamReader(
        bus,
        subjects.TRIGGERS,
        since=facts.queued_at - CLOCKS_APART,
        subjects=[subjects.decision(facts.job_id)],
    )
    try:
        async for batch in reader.read_to_end():
            if any(one.sequence < sequence and _rules_out(one, order) for one in batch):
                return True
    except (ConsumerGone, *BUS_FAILURES) as error:
        raise Transient(f"earlier decisions cannot be read: {error!r}") from error
    return False


def _rules_out(message: StreamMessage, order: RunTriggered) -> bool:
    try:
        decision = unpack(message.body, message.headers).event
    except UnreadableEvent:
        return False
    if not isinstance(decision, InstantsNotRun) or decision.generation != order.generation:
        return False
    facts = order.facts
    if decision.execution_id == facts.execution_id:
        return True
    # A range stands for what its own version of the job planned.
    in_range = facts.planned_at is not None and decision.from_ <= facts.planned_at <= decision.to
    return in_range and decision.job_version == facts.job_version
