"""What happens to executions: the messages of EXECUTIONS."""

from typing import Literal

from pydantic import AwareDatetime

from shared.domain.execution import Phase
from shared.events.base import Event
from shared.events.decisions import RunFacts


class ExecutionReported(Event):
    """One step of one attempt. `started` is the claim: nobody calls a target before it is stored."""

    type: Literal["execution.reported"] = "execution.reported"
    phase: Phase
    facts: RunFacts
    redrive: int = 0
    attempt: int
    at: AwareDatetime
    started_at: AwareDatetime | None = None
    token: str | None = None
    """Of a claim: proves to its author that it is theirs when the answer was lost."""
    trigger_seq: int | None = None
    """Of a claim: the place of its trigger in the stream, told apart from another trigger of the execution."""
    unknown_count: int = 0
    """Attempts in a row until now whose end nobody saw."""
    executor: str | None = None
    duration_seconds: float | None = None
    response_status: int | None = None
    timed_out: bool = False
    error: str | None = None
    output: str | None = None
    generation: int
