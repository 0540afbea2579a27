"""Where in its window a job stands: always at the same place, so that jobs due together do not run together."""

from datetime import timedelta
from hashlib import sha256
from uuid import UUID

_STEPS = 2**32


def slot(job_id: UUID, jitter_seconds: int) -> timedelta:
    """How much later than planned the job runs: from nothing up to, but not including, `jitter_seconds`; whole milliseconds.

    It never changes for a job that keeps its window, and grows in proportion when the window does.
    """
    place = int.from_bytes(sha256(job_id.bytes).digest()[:4])
    return timedelta(milliseconds=jitter_seconds * 1000 * place // _STEPS)
