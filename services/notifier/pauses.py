"""How long to wait before something is tried again."""

import asyncio
import time

FIRST_PAUSE = 1.0  # seconds, doubled up to LONGEST_PAUSE
LONGEST_PAUSE = 60.0
LONGEST_ASKED_FOR = 600.0
FIRST_DEFERRAL = 15.0  # seconds, doubled up to LONGEST_DEFERRAL
LONGEST_DEFERRAL = 900.0


def deferral(deliveries: int) -> float:
    """The seconds until a notice that was put off comes again, the first time counted as 1."""
    return min(FIRST_DEFERRAL * 2.0 ** min(deliveries - 1, 16), LONGEST_DEFERRAL)


class Pauses:
    """The rests of a channel out of reach: longer each time, until something gets out."""

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = 0.0

    def begin(self, at_least: float = 0.0) -> float:
        """Rest from now on; returns for how many seconds. What fails during a rest does not make it longer."""
        now = time.monotonic()
        if now >= self._until:
            self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            self._until = now + self._pause
        self._until = max(self._until, now + min(at_least, LONGEST_ASKED_FOR))
        return self._until - now

    def end(self) -> None:
        """Something got out."""
        self._pause = self._until = 0.0

    async def wait(self) -> None:
        """Return when the rest is over."""
        while (left := self._until - time.monotonic()) > 0:
            await asyncio.sleep(left)
