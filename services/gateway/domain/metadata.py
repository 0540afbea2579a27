"""What the metadata of a job or a run may hold: only what both databases keep and the bus carries."""

from typing import Any

import orjson

MAX_METADATA_BYTES = 64 * 1024
MAX_METADATA_DEPTH = 32
MAX_NUMBER = 2**63
EXPONENT_FROM = 1e16
"""Floats from here on are written as `1e+16`; PostgreSQL gives them back with all their digits."""


def metadata_problem(metadata: dict[str, Any]) -> str | None:
    """What is wrong with it, as the rest of a sentence; None if nothing is."""
    problem = _problem(metadata, depth=1)
    if problem is None and len(orjson.dumps(_at_its_longest(metadata))) > MAX_METADATA_BYTES:
        return f"must have at most {MAX_METADATA_BYTES} bytes of JSON"
    return problem


def is_same(one: object, other: object) -> bool:
    """Whether two JSON values are equal. Python alone takes true for 1, and false for 0."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(
                is_same(value, other[key]) for key, value in one.items()
            )
        case list(), list():
            return len(one) == len(other) and all(map(is_same, one, other))
        case _:
            return isinstance(one, bool) is isinstance(other, bool) and one == other


def _problem(value: object, depth: int) -> str | None:
    if depth > MAX_METADATA_DEPTH:
        return f"must not be nested deeper than {MAX_METADATA_DEPTH} levels"
    match value:
        case dict():
            parts = [*((key, depth) for key in value), *((item, depth + 1) for item in value.values())]
        case list():
            parts = [(item, depth + 1) for item in value]
        case str():
            return _text_problem(value)
        # A large float comes back as an integer; the bus carries those up to 64 bits.
        case int() | float() if not -MAX_NUMBER < value < MAX_NUMBER:
            return "must not contain numbers beyond 64 bits"
        case _:
            return None
    return next((found for part in parts if (found := _problem(*part)) is not None), None)


def _at_its_longest(value: Any) -> Any:
    """The value as the database writes it that needs more space for it."""
    match value:
        case dict():
            return {key: _at_its_longest(item) for key, item in value.items()}
        case list():
            return [_at_its_longest(item) for item in value]
        case float() if abs(value) >= EXPONENT_FROM:
            return int(value)
        case _:
            return value


def _text_problem(text: str) -> str | None:
    if "\0" in text:
        return "must not contain NUL"
    # Half a character, which JSON can spell: no database holds one.
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return "must not contain lone surrogates"
    return None
