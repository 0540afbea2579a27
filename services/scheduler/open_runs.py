"""Planned runs that were decided and have not ended, by job. What a person asked for does not count."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from services.scheduler.decision_log import Entry
from shared.bus.reader import StreamMessage
from shared.domain.execution import CLOSING_PHASES, Kind

MAX_EARLY = 20_000
"""Ends that may be known before their trigger was read."""
_CLOSING = frozenset(phase.value for phase in CLOSING_PHASES)


class _Open(NamedTuple):
    """An open run: its instant, and where its trigger stands in the stream."""

    instant: datetime
    sequence: int


class OpenRuns:
    """As large as what is open."""

    def __init__(self) -> None:
        self._by_job: dict[UUID, dict[UUID, _Open]] = {}
        self._early: dict[UUID, None] = {}

    def __len__(self) -> int:
        return sum(len(of_job) for of_job in self._by_job.values())

    def begin(self, entry: Entry) -> None:
        """A planned run is decided. Those that it cancels are in nobody's way any more."""
        for called_off in entry.cancels:
            self.end(entry.job_id, called_off)
        if entry.execution_id in self._early:
            del self._early[entry.execution_id]
            return
        of_job = self._by_job.setdefault(entry.job_id, {})
        of_job[entry.execution_id] = _Open(entry.first, entry.sequence)

    def end(self, job_id: UUID, execution_id: UUID) -> bool:
        """It has ended; returns whether it was open."""
        of_job = self._by_job.get(job_id)
        if of_job is None or of_job.pop(execution_id, None) is None:
            return False
        if not of_job:
            del self._by_job[job_id]
        return True

    def end_early(self, execution_id: UUID) -> None:
        """It has ended, and its trigger was not read yet."""
        self._early[execution_id] = None
        if len(self._early) > MAX_EARLY:
            del self._early[next(iter(self._early))]

    def of(self, job_id: UUID) -> list[tuple[datetime, UUID]]:
        """A job's open runs: instant and execution, the oldest first."""
        of_job = self._by_job.get(job_id)
        return sorted((run.instant, execution_id) for execution_id, run in of_job.items()) if of_job else []

    def touch(self, job_id: UUID, execution_id: UUID) -> None:
        """It was asked about: others come first the next time."""
        of_job = self._by_job.get(job_id)
        if of_job is not None and execution_id in of_job:
            self._by_job[job_id] = self._by_job.pop(job_id)
            of_job[execution_id] = of_job.pop(execution_id)

    def planned_before(self, moment: datetime) -> list[tuple[UUID, UUID]]:
        """Job and execution of the open runs whose instant lies before the moment."""
        return [
            (job_id, execution_id)
            for job_id, of_job in self._by_job.items()
            for execution_id, run in of_job.items()
            if run.instant < moment
        ]

    def ordered_up_to(self, sequence: int) -> list[tuple[UUID, UUID]]:
        """Job and execution of the open runs whose triggers stand up to a place of the stream."""
        return [
            (job_id, execution_id)
            for job_id, of_job in self._by_job.items()
            for execution_id, run in of_job.items()
            if run.sequence <= sequence
        ]


def ended(message: StreamMessage) -> tuple[UUID, UUID] | None:
    """Job and execution of a report that says how a planned run ended; None for all other reports.

    Raises `ValueError` when it cannot be read.
    """
    try:
        report: dict[str, Any] = orjson.loads(message.body)
        if not is_end(report):
            return None
        _, _, job_id, execution_id = message.subject.split(".")
        return UUID(job_id), UUID(execution_id)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a report: {error!r}") from error


def is_end(report: dict[str, Any]) -> bool:
    """Whether a report's body says that a planned run has ended; a redrive is what a person asked for."""
    return (
        report["phase"] in _CLOSING
        and report["facts"]["kind"] == Kind.SCHEDULED.value
        and not report.get("redrive")
    )
