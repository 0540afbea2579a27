"""What a call to a target came to, whatever kind of target it was."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """One attempt's end; `error` is a sentence for the execution's history and holds no secret."""

    ok: bool
    response_status: int | None
    error: str | None
    output: str | None
    """What the target answered, None if nothing of it could be kept."""
    duration_seconds: float
    timed_out: bool = False


def failure(error: str) -> CallResult:
    """The end of an attempt that could not even be made."""
    return CallResult(ok=False, response_status=None, error=error, output=None, duration_seconds=0.0)
