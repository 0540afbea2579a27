"""Cron expressions: what they may say, and what that means.

The grammar is crontab(5)'s. croniter expands the fields; what it reads otherwise than Debian cron (ranges of one
number, backward ranges, its own extensions) is rewritten or refused before it gets there. Beyond crontab(5) there are
seconds on request, `L` for the last day of a month, `5L` for its last Friday and `5#3` for its third.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from croniter import croniter  # type: ignore[import-untyped]  # it publishes no types

from shared.domain.schedule.matching import ON_THE_MINUTE, Cron
from shared.errors import RuleViolation

MAX_LENGTH = 256  # characters
_ITEM = re.compile(r"(?:\*|(?P<low>[0-9A-Za-z]+)(?:-(?P<high>[0-9A-Za-z]+))?)(?:/(?P<step>[0-9]+))?")
_WEEKDAY = r"(?P<weekday>[0-9]+|[A-Za-z]{3})"
_LAST = re.compile(rf"{_WEEKDAY}[Ll]|[Ll](?P<digit>[0-9]+)")
_NTH = re.compile(rf"{_WEEKDAY}#(?P<week>[0-9]+)")
_FORMS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class InvalidSchedule(RuleViolation):
    """A schedule that cannot be kept; the message names the field and what is wrong with it."""

    title = "Invalid cron expression"


class _Field(NamedTuple):
    name: str
    place: int
    """Which of croniter's five fields has the same numbers."""
    low: int
    high: int
    """The highest number that may be written; in a week 7 is Sunday's second number."""
    last: int
    """The highest number that is meant."""
    names: tuple[str, ...] = ()
    """What the numbers from `low` on may be called."""


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SECOND = _Field("second", 0, 0, 59, 59)
_MINUTE = _Field("minute", 0, 0, 59, 59)
_HOUR = _Field("hour", 1, 0, 23, 23)
_DAY = _Field("day-of-month", 2, 1, 31, 31)
_MONTH = _Field("month", 3, 1, 12, 12, _MONTHS)
_DAY_OF_WEEK = _Field("day-of-week", 4, 0, 7, 6, _WEEKDAYS)
_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _DAY_OF_WEEK)


class _Weekdays(NamedTuple):
    """What a day-of-week field means; the sets are those of `Cron`."""

    every: int
    nth: int
    last: int


@lru_cache(maxsize=16_384)
def parse(expression: str, seconds: bool = False) -> Cron:
    """Reads an expression: five fields or an `@` form; with `seconds` six fields, seconds first.

    Raises InvalidSchedule for anything else.
    """
    texts = _split(expression)
    second = ON_THE_MINUTE
    if seconds:
        if len(texts) != len(_FIELDS) + 1:
            raise InvalidSchedule("Cron expression with seconds must have exactly 6 fields, seconds first")
        second = _expand(_SECOND, texts.pop(0))
    elif len(texts) == 1 and texts[0].startswith("@"):
        texts = _form(texts[0]).split(" ")
    elif len(texts) == len(_FIELDS) + 1:
        raise InvalidSchedule(
            "Cron expression must have exactly 5 fields; 6 fields, seconds first, need seconds to be true"
        )
    _check_count(texts)
    minute, hour, day, month, day_of_week = texts
    dates, weekdays = day.split(","), _weekdays(day_of_week)
    plain_dates = [item for item in dates if item not in ("L", "l")]
    return Cron(
        seconds=second,
        minutes=_expand(_MINUTE, minute),
        hours=_expand(_HOUR, hour),
        days=_expand(_DAY, ",".join(plain_dates)) if plain_dates else 0,
        last_day=len(plain_dates) < len(dates),
        months=_expand(_MONTH, month),
        weekdays=weekdays.every,
        nth_weekdays=weekdays.nth,
        last_weekdays=weekdays.last,
        both_days=day.startswith("*") or day_of_week.startswith("*"),
        wildcard=minute.startswith("*") or hour.startswith("*"),
    )


def check_classic(expression: str) -> None:
    """Raises InvalidSchedule unless the expression is five fields as crontab(5) has them: no `@`, `L`, `#` or seconds."""
    texts = _split(expression)
    _check_count(texts)
    for field, text in zip(_FIELDS, texts, strict=True):
        for item in text.split(","):
            _plain(field, item)


def _split(expression: str) -> list[str]:
    if len(expression) > MAX_LENGTH:
        raise InvalidSchedule(f"Cron expression must have at most {MAX_LENGTH} characters")
    return re.split(r"[ \t]+", expression.strip(" \t"))


def _check_count(texts: list[str]) -> None:
    if len(texts) != len(_FIELDS):
        raise InvalidSchedule(f"Cron expression must have exactly {len(_FIELDS)} fields")


def _form(text: str) -> str:
    form = _FORMS.get(text.lower())
    if form is None:
        raise InvalidSchedule(f"Unknown form {text!r}: there are {', '.join(_FORMS)}")
    return form


@lru_cache(maxsize=4096)
def _expand(field: _Field, text: str) -> int:
    """The set of numbers that the text means in the field."""
    texts = ["*"] * len(_FIELDS)
    texts[field.place] = ",".join(_plain(field, item) for item in text.split(","))
    values = croniter.expand(" ".join(texts))[0][field.place]
    if values == ["*"]:
        values = range(field.low, field.last + 1)
    return sum(1 << value for value in values)


def _weekdays(text: str) -> _Weekdays:
    every, nth, last = [], 0, 0
    for item in text.split(","):
        if (match := _LAST.fullmatch(item)) is not None:
            last |= 1 << _weekday(match["weekday"] or match["digit"])
        elif (match := _NTH.fullmatch(item)) is not None:
            week = int(match["week"])
            if not 1 <= week <= 5:
                raise _bad(_DAY_OF_WEEK, f"{item} must name the first to the fifth, as in 5#3")
            nth |= 1 << 7 * (week - 1) + _weekday(match["weekday"])
        elif item.upper() == "L":
            raise _bad(_DAY_OF_WEEK, "L needs a weekday before it, as in 5L")
        else:
            every.append(item)
    return _Weekdays(_expand(_DAY_OF_WEEK, ",".join(every)) if every else 0, nth, last)


def _weekday(text: str) -> int:
    return _number(_DAY_OF_WEEK, text) % 7


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
