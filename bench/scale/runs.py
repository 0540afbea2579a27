"""What became of the runs: decided and stored when, called when, how often."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from bench.scale.call_sink import Call
from bench.scale.seeded_bus import SeededBus
from shared.bus import subjects

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as the stream holds it."""

    execution_id: str
    planned_at: float
    stored_at: float
    runs: bool

    @property
    def lateness(self) -> float:
        """Seconds from the planned instant until it was stored."""
        return self.stored_at - self.planned_at


async def read_decisions(bus: SeededBus) -> list[Decided]:
    """All of them, with the times at which the server stored them."""
    found = []
    for subject in (subjects.ALL_TRIGGERS, subjects.ALL_DECISIONS):
        info = await bus.bus.js.stream_info(subjects.TRIGGERS, subjects_filter=subject)
        count = sum((info.state.subjects or {}).values())
        reading = await bus.bus.js.subscribe(subject, stream=subjects.TRIGGERS, ordered_consumer=True)
        for _ in range(count):
            message = await reading.next_msg(timeout=PATIENCE_SECONDS)
            stored_at = message.metadata.timestamp.astimezone(UTC).timestamp()
            found.append(_decided(orjson.loads(message.data), stored_at))
        await reading.unsubscribe()
    return found


def calls_late(decided: Iterable[Decided], calls: Iterable[Call]) -> Iterator[float]:
    """Seconds from each planned instant until its call arrived. The calls themselves name full seconds only."""
    planned = {one.execution_id: one.planned_at for one in decided}
    return (call.arrived_at - planned[call.execution_id] for call in calls)


def late(seconds: Iterable[float]) -> str:
    """How late, in words."""
    ordered = sorted(seconds)
    if len(ordered) < 2:
        return "(nothing to measure)"
    quantiles = statistics.quantiles(ordered, n=100)
    shown = {"first": ordered[0], "p50": quantiles[49], "p99": quantiles[98], "max": ordered[-1]}
    return ", ".join(f"{name} {value * 1000:,.0f} ms" for name, value in shown.items())


def account(planned: int, decided: Sequence[Decided], calls: Sequence[Call]) -> str:
    """How many of the planned instants were decided, ran, were called, and what went wrong."""
    runs = [one for one in decided if one.runs]
    called = Counter(call.execution_id for call in calls)
    lost = {one.execution_id for one in runs} - set(called)
    doubled = [execution for execution, count in called.items() if count > 1]
    return (
        f"{planned:,} planned: {len({(one.execution_id) for one in decided}):,} decided, {len(runs):,} to run; "
        f"{len(called):,} called, {len(lost):,} lost, {len(doubled):,} called twice"
    )


def _decided(body: dict[str, Any], stored_at: float) -> Decided:
    order = body.get("order", body)
    facts = order.get("facts", order)
    planned_at = datetime.fromisoformat(facts.get("planned_at") or facts["from"])
    return Decided(facts["execution_id"], planned_at.timestamp(), stored_at, runs="facts" in body)
