"""The families of errors that cross a module's border; each contract renders them in its own shape."""


class JetcronError(Exception):
    """The root. `title` is the short name that a contract shows as `error`."""

    title = "Internal error"

    def __init__(
        self, message: str, *, title: str | None = None, details: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.title = title or self.title
        self.details = details


class RuleViolation(JetcronError):
    """The request contradicts a rule of the domain; nothing was changed."""

    title = "Invalid request"


class NotFound(JetcronError):
    """The thing does not exist, or the caller may not know that it does."""

    title = "Not found"


class Conflict(JetcronError):
    """The request was right, but somebody else's change came first or holds the name."""

    title = "Conflict"


class PreconditionFailed(JetcronError):
    """The caller's picture of the thing is not the present one; nothing was changed (RFC 9110, section 13.1.1)."""

    title = "Precondition failed"


class TooManyRequests(JetcronError):
    """Too often; it may be tried again after `retry_after` seconds (RFC 6585, section 4)."""

    title = "Too many requests"

    def __init__(self, message: str, *, retry_after: int, title: str | None = None) -> None:
        super().__init__(message, title=title)
        self.retry_after = retry_after


class Unauthenticated(JetcronError):
    """The caller did not prove who they are."""

    title = "Unauthorized"


class Forbidden(JetcronError):
    """The caller is known and may not do this."""

    title = "Forbidden"


class Transient(JetcronError):
    """It may work in a moment: the database or the bus does not answer, or another process is in the way."""

    title = "Temporarily unavailable"
