"""What happens to an execution, and which of two reports of it is the later one."""

from enum import IntEnum, StrEnum

MAX_UNKNOWN_ATTEMPTS = 5
"""Attempts in a row whose end nobody saw; then the execution is given up as `dead_letter`."""


class Phase(StrEnum):
    """The phases of an attempt, as named on the bus."""

    QUEUED = "queued"
    STARTED = "started"
    UNKNOWN = "unknown"
    LOST = "lost"
    RETRYING = "retrying"
    CANCELLED = "cancelled"
    FAILED = "failed"
    DEAD_LETTER = "dead_letter"
    SUCCEEDED = "succeeded"


class Kind(StrEnum):
    """Who asked for the execution."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    BACKFILL = "backfill"
    """It makes up for a planned instant that did not run."""


class Status(StrEnum):
    """An execution's row as people see it."""

    WAITING = "waiting"
    """A planned instant that was decided, whose run waits for its slot or for another run to end."""
    QUEUED = "queued"
    RUNNING = "running"
    UNKNOWN = "unknown"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEAD_LETTER = "dead_letter"
    LOST = "lost"
    """It began, and nothing was heard of it for longer than it may take."""
    MISSED = "missed"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """An execution's status in one of the words that those use who know success, failure and "not yet" only.

    What did not run, and what was called off, has no word of theirs and keeps ours.
    """

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"
    SKIPPED = "skipped"


TERMINAL_PHASES = frozenset({Phase.CANCELLED, Phase.FAILED, Phase.DEAD_LETTER, Phase.SUCCEEDED})
CLOSING_PHASES = TERMINAL_PHASES | {Phase.LOST}
"""After these nobody waits for the execution any more; what was lost may still be claimed again, or be heard of."""
OPEN_STATUSES = frozenset({Status.WAITING, Status.QUEUED, Status.RUNNING, Status.UNKNOWN})
STATUSES_OF = {
    Outcome.RUNNING: OPEN_STATUSES,
    Outcome.SUCCESS: frozenset({Status.SUCCESS}),
    Outcome.FAILED: frozenset({Status.FAILED, Status.DEAD_LETTER, Status.LOST}),
    Outcome.CANCELLED: frozenset({Status.CANCELLED}),
    Outcome.MISSED: frozenset({Status.MISSED}),
    Outcome.SKIPPED: frozenset({Status.SKIPPED}),
}
"""Each status has exactly one outcome."""
RUN_OUTCOMES = frozenset({Outcome.RUNNING, Outcome.SUCCESS, Outcome.FAILED})
"""Of what runs, or ran to its end: what statistics count."""

_STATUS = {
    Phase.QUEUED: Status.QUEUED,
    Phase.STARTED: Status.RUNNING,
    Phase.UNKNOWN: Status.UNKNOWN,
    Phase.LOST: Status.LOST,
    Phase.RETRYING: Status.RUNNING,
    Phase.CANCELLED: Status.CANCELLED,
    Phase.FAILED: Status.FAILED,
    Phase.DEAD_LETTER: Status.DEAD_LETTER,
    Phase.SUCCEEDED: Status.SUCCESS,
}


_OUTCOME = {status: outcome for outcome, statuses in STATUSES_OF.items() for status in statuses}


class _Order(IntEnum):
    QUEUED = 0
    STARTED = 1
    UNKNOWN = 2
    LOST = 3
    RETRYING = 4
    CANCELLED = 5
    FAILED = 6
    DEAD_LETTER = 7
    SUCCEEDED = 8


def phase_order(phase: Phase) -> int:
    """The place of a phase within its attempt; a later one replaces an earlier one."""
    return _Order[phase.name].value


def rank(redrive: int, attempt: int, phase: Phase) -> int:
    """One number that orders all reports of an execution: by redrive, then attempt, then phase."""
    return (redrive * 1_000_000 + attempt) * 16 + phase_order(phase)


WAITING_RANK = rank(0, 0, Phase.QUEUED) - 1
"""Of a planned instant whose run is not published yet: whatever else is said of it comes later."""


def status_of(phase: Phase) -> Status:
    """The status that people see while an execution's newest report has this phase."""
    return _STATUS[phase]


def outcome_of(status: Status) -> Outcome:
    """The word for a status that everybody knows."""
    return _OUTCOME[status]


def statuses_named(word: str) -> frozenset[Status]:
    """The statuses that a filter's word means: an outcome's, or the one of that name. Raises `ValueError`.

    `running` and `failed` are both; they mean the outcome.
    """
    try:
        return STATUSES_OF[Outcome(word)]
    except ValueError:
        return frozenset({Status(word)})
