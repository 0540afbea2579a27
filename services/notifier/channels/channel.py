"""What a channel is, and the three ways in which it can fail."""

from typing import ClassVar, Protocol, TypeVar

from shared.events import Notice

N_contra = TypeVar("N_contra", bound=Notice, contravariant=True)


class Channel(Protocol[N_contra]):
    """A way out to people."""

    name: ClassVar[str]

    async def send(self, notice: N_contra) -> None:
        """Send it; returns when somebody else has taken it over. Raises `Refused`, `Deferred` or `Unreachable`."""


class Refused(Exception):
    """This notice will never be taken. The message names no address and no URL."""


class Deferred(Exception):
    """This notice may be taken later; others may be taken now."""


class Unreachable(Exception):
    """Nothing can be sent at the moment; `retry_after` is how many seconds the other side asks for."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
