"""What an executor says about an execution, on the execution's own subject."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from shared.bus import subjects
from shared.bus.envelope import Outgoing, pack
from shared.domain.execution import Phase
from shared.domain.ids import report_message_id
from shared.events import ExecutionReported, RunFacts, RunTriggered


@dataclass(frozen=True, slots=True)
class Reporter:
    """Reports on one execution."""

    facts: RunFacts
    redrive: int
    generation: int
    executor: str

    @classmethod
    def of(cls, order: RunTriggered, executor: str) -> Self:
        """Of the execution that the order asks for."""
        return cls(order.facts, order.redrive, order.generation, executor)

    @property
    def subject(self) -> str:
        """Where the execution's reports stand."""
        return subjects.execution(self.facts.job_id, self.facts.execution_id)

    def report(self, phase: Phase, attempt: int, at: datetime, **details: Any) -> ExecutionReported:
        """One step of one attempt."""
        return ExecutionReported(
            phase=phase,
            facts=self.facts,
            redrive=self.redrive,
            attempt=attempt,
            at=at,
            executor=self.executor,
            generation=self.generation,
            **details,
        )

    def claim_message(self, report: ExecutionReported, expected_last: int) -> Outgoing:
        """A report that is stored only if the subject's last message is the expected one."""
        event_id = f"{report.facts.execution_id}:{report.redrive}:{report.attempt}:{report.phase}:{report.token or ''}"
        return pack(
            report,
            subject=self.subject,
            source="executor",
            event_id=event_id,
            time=report.at,
            expected_last=expected_last,
        )

    def result_message(self, report: ExecutionReported) -> Outgoing:
        """A report that is stored whatever else was said: what really happened."""
        message_id = report_message_id(
            report.facts.execution_id, report.redrive, report.attempt, report.phase
        )
        return pack(
            report,
            subject=self.subject,
            source="executor",
            event_id=message_id,
            time=report.at,
            message_id=message_id,
        )
