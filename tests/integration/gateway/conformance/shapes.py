"""Says what is wrong with an answer's shape: keys that a contract documents are there, and of the documented type.

A shape is a check of one value, a mapping of keys to shapes (more keys may be there), `Each` or `Nullable`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias
from uuid import UUID

Check: TypeAlias = Callable[[Any], bool]

_WITH_OFFSET = re.compile(r"[+-]\d\d:\d\d$")


@dataclass(frozen=True, slots=True)
class Each:
    """A list of such things; `at_least` keeps an empty one from passing for a checked one."""

    shape: "Shape"
    at_least: int = 1


@dataclass(frozen=True, slots=True)
class Nullable:
    """Such a thing, or null."""

    shape: "Shape"


Shape: TypeAlias = Check | Mapping[str, "Shape"] | Each | Nullable


def faults(shape: Shape, value: Any, place: str = "the body") -> list[str]:
    """What is wrong with the value, one sentence each."""
    if isinstance(shape, Nullable):
        return [] if value is None else faults(shape.shape, value, place)
    if isinstance(shape, Each):
        if not isinstance(value, list) or len(value) < shape.at_least:
            return [f"{place} is no list of at least {shape.at_least}: {value!r}"]
        return [
            fault
            for number, item in enumerate(value)
            for fault in faults(shape.shape, item, f"{place}[{number}]")
        ]
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            return [f"{place} is no object: {value!r}"]
        missing = [f"{place} has no {key}" for key in shape if key not in value]
        present = [key for key in shape if key in value]
        return missing + [
            fault for key in present for fault in faults(shape[key], value[key], f"{place}.{key}")
        ]
    return [] if shape(value) else [f"{place} is no {shape.__name__}: {value!r}"]


def text(value: Any) -> bool:
    """A string."""
    return isinstance(value, str)


def flag(value: Any) -> bool:
    """True or false."""
    return isinstance(value, bool)


def whole(value: Any) -> bool:
    """A whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def number(value: Any) -> bool:
    """A number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def mapping(value: Any) -> bool:
    """An object with whatever keys."""
    return isinstance(value, dict)


def some_id(value: Any) -> bool:
    """A UUID of 36 characters."""
    return isinstance(value, str) and _parses(UUID, value) and str(UUID(value)) == value


def day(value: Any) -> bool:
    """A date without a time."""
    return isinstance(value, str) and len(value) == len("2026-11-21") and _parses(date.fromisoformat, value)


def utc(value: Any) -> bool:
    """An instant in UTC, written with Z."""
    return isinstance(value, str) and value.endswith("Z") and _parses(datetime.fromisoformat, value)


def local(value: Any) -> bool:
    """An instant with the offset of its zone."""
    return (
        isinstance(value, str)
        and _WITH_OFFSET.search(value) is not None
        and _parses(datetime.fromisoformat, value)
    )


def _parses(parse: Callable[[str], object], value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True
