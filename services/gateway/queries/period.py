"""`from` and `to` of a query, as all lists of what happened take them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Column, ColumnElement

from shared.errors import RuleViolation


class InvalidDate(RuleViolation):
    """Neither a date nor a date and time of ISO 8601."""

    title = "Invalid date"

    def __init__(self) -> None:
        super().__init__("Invalid date")


class InvalidDateRange(RuleViolation):
    """The period has no length."""

    title = "Invalid date range"

    def __init__(self) -> None:
        super().__init__('"from" must be earlier than "to".')


@dataclass(frozen=True, slots=True)
class Period:
    """From an instant (inclusive) to another (exclusive); None is open."""

    start: datetime | None = None
    end: datetime | None = None

    def conditions(self, column: Column[datetime]) -> list[ColumnElement[bool]]:
        """What a row must fulfil to be in the period."""
        conditions: list[ColumnElement[bool]] = []
        if self.start is not None:
            conditions.append(column >= self.start)
        if self.end is not None:
            conditions.append(column < self.end)
        return conditions


ALWAYS = Period()


def parse_period(start: str | None, end: str | None) -> Period:
    """Days and times without a zone are UTC's; a day as the end covers that whole day.

    Raises `InvalidDate` and `InvalidDateRange`.
    """
    period = Period(_instant(start, is_end=False), _instant(end, is_end=True))
    if period.start is not None and period.end is not None and period.start >= period.end:
        raise InvalidDateRange
    return period


def _instant(text: str | None, *, is_end: bool) -> datetime | None:
    if not text:
        return None
    try:
        # In a query, the `+` of an offset that nobody escaped has become a blank.
        parsed = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        whole_day = timedelta(days=1) if is_end and _is_day(text) else timedelta(0)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC) + whole_day
    except (ValueError, OverflowError) as error:
        raise InvalidDate from error


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
