"""Five-field cron expressions on a clock without zones: what they may say, and which minute matches next.

The grammar is crontab(5)'s. croniter expands the fields; what it reads otherwise than Debian cron (ranges of one
number, backward ranges, its own extensions) is rewritten or refused before it gets there.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from croniter import croniter  # type: ignore[import-untyped]  # it publishes no types

from shared.errors import RuleViolation

MAX_LENGTH = 256  # characters
LAST_YEAR = 9997  # datetime ends with 9999, and a local time must stay convertible to UTC
_HORIZON = 50  # years; the rarest day, 29 February on a given weekday, is at most 40 years away
_MINUTE = timedelta(minutes=1)
_SIX_WEEKS = sum(1 << 7 * week for week in range(6))  # times a set of weekdays: the same set in every week
_ITEM = re.compile(r"(?:\*|(?P<low>[0-9A-Za-z]+)(?:-(?P<high>[0-9A-Za-z]+))?)(?:/(?P<step>[0-9]+))?")


class InvalidSchedule(RuleViolation):
    """A schedule that cannot be kept; the message names the field and what is wrong with it."""

    title = "Invalid cron expression"


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    """The highest number that may be written; in a week 7 is Sunday's second number."""
    last: int
    """The highest number that is meant."""
    names: tuple[str, ...] = ()
    """What the numbers from `low` on may be called."""


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("minute", 0, 59, 59),
    _Field("hour", 0, 23, 23),
    _Field("day-of-month", 1, 31, 31),
    _Field("month", 1, 12, 12, _MONTHS),
    _Field("day-of-week", 0, 7, 6, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A parsed expression. Each field is a set of numbers: bit n is set when n matches; bit 0 of a week is Sunday."""

    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    both_days: bool
    """Whether a day must match both day fields (one of them begins with `*`, as in `*/2`) or either one."""
    wildcard: bool
    """Whether the minute or the hour begins with `*`: cron(8) lets such jobs follow every change of the clock."""

    def following(self, local: datetime) -> datetime | None:
        """The first matching minute strictly after `local`, both naive local time; None if there is none."""
        start = (local + _MINUTE).replace(second=0, microsecond=0)
        year, month = start.year, start.month
        days = self.days_of(year, month)
        if days >> start.day & 1:
            if self.hours >> start.hour & 1 and (minute := _next(self.minutes, start.minute)) is not None:
                return start.replace(minute=minute)
            if (hour := _next(self.hours, start.hour + 1)) is not None:
                return start.replace(hour=hour, minute=_lowest(self.minutes))
        day = _next(days, start.day + 1)
        last_year = min(year + _HORIZON, LAST_YEAR)
        while day is None:
            if (later := _next(self.months, month + 1)) is not None:
                month = later
            else:
                year, month = year + 1, _lowest(self.months)
            if year > last_year:
                return None
            day = _next(self.days_of(year, month), 1)
        return start.replace(
            year=year, month=month, day=day, hour=_lowest(self.hours), minute=_lowest(self.minutes)
        )

    def days_of(self, year: int, month: int) -> int:
        """The matching days of a month, as a set: bit 1 is the first."""
        if not self.months >> month & 1:
            return 0
        first_weekday, every_day = _month(year, month)
        weekly = (self.weekdays * _SIX_WEEKS >> first_weekday) << 1
        return (self.days & weekly if self.both_days else self.days | weekly) & every_day


@lru_cache(maxsize=16_384)
def parse(expression: str) -> Cron:
    """Reads an expression; raises InvalidSchedule if it is not five fields as crontab(5) has them."""
    if len(expression) > MAX_LENGTH:
        raise InvalidSchedule(f"Cron expression must have at most {MAX_LENGTH} characters")
    texts = re.split(r"[ \t]+", expression.strip(" \t"))
    if len(texts) != len(_FIELDS):
        raise InvalidSchedule(f"Cron expression must have exactly {len(_FIELDS)} fields")
    minutes, hours, days, months, weekdays = (_expand(index, text) for index, text in enumerate(texts))
    return Cron(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=weekdays,
        both_days=texts[2].startswith("*") or texts[4].startswith("*"),
        wildcard=texts[0].startswith("*") or texts[1].startswith("*"),
    )


def numbers(bits: int) -> list[int]:
    """The numbers in a set, ascending."""
    return [number for number in range(bits.bit_length()) if bits >> number & 1]


@lru_cache(maxsize=4096)
def _expand(index: int, text: str) -> int:
    """The set of numbers that the text means as field `index`."""
    field = _FIELDS[index]
    texts = ["*"] * len(_FIELDS)
    texts[index] = ",".join(_plain(field, item) for item in text.split(","))
    values = croniter.expand(" ".join(texts))[0][index]
    if values == ["*"]:
        values = range(field.low, field.last + 1)
    return sum(1 << value for value in values)


def _plain(field: _Field, item: str) -> str:
    """One item of a list in a form that croniter and crontab(5) read alike: `n` or `low-high/step`."""
    match = _ITEM.fullmatch(item)
    if match is None:
        raise _bad(field, f"{item!r} is not *, a number, a range or a step")
    low, high, step = field.low, field.high, int(match["step"] or 1)
    if match["low"]:
        low = high = _number(field, match["low"])
        if match["high"]:
            high = _number(field, match["high"])
        elif match["step"]:
            raise _bad(
                field, f"the step of {item} needs * or a range before it, as in {low}-{field.last}/{step}"
            )
    if low > high:
        raise _bad(field, f"the range {item} runs backwards")
    if step < 1:
        raise _bad(field, f"the step of {item} must be at least 1")
    if low == high:
        return str(low)
    return f"{low}-{high}/{step}"


def _number(field: _Field, text: str) -> int:
    if text.lower() in field.names:
        return field.low + field.names.index(text.lower())
    if not text.isdigit():
        raise _bad(field, f"{text!r} is not a number" + (" or a name" if field.names else ""))
    if not field.low <= int(text) <= field.high:
        raise _bad(field, f"{text} is not in {field.low}-{field.high}")
    return int(text)


def _bad(field: _Field, reason: str) -> InvalidSchedule:
    return InvalidSchedule(f"Bad {field.name}: {reason}")


@lru_cache(maxsize=2048)
def _month(year: int, month: int) -> tuple[int, int]:
    """The weekday of the first (0 is Sunday) and the set of all days."""
    first = date(year, month, 1)
    length = (date(year + month // 12, month % 12 + 1, 1) - first).days
    return first.isoweekday() % 7, (1 << length) - 1 << 1


def _next(bits: int, number: int) -> int | None:
    """The lowest number of the set that is at least `number`."""
    rest = bits >> number
    return number + _lowest(rest) if rest else None


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1
