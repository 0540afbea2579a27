"""What metadata may hold: what comes back from SQL and from the bus as it was sent."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.metadata import MAX_METADATA_BYTES, MAX_METADATA_DEPTH, metadata_problem

NUMBERS = "must not contain numbers beyond 64 bits"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
)


def nested(depth: int) -> Any:
    """Objects in one another, this many."""
    return {"in": nested(depth - 1)} if depth > 1 else {}


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"a": "\0"}, "must not contain NUL"),
        ({"a\0": 1}, "must not contain NUL"),
        ({"a": ["b", {"c": "\0"}]}, "must not contain NUL"),
        ({"a": "\ud800"}, "must not contain lone surrogates"),
        ({"a": 2**63}, NUMBERS),
        ({"a": -(2**63) - 1}, NUMBERS),
        ({"a": 1e19}, NUMBERS),
        ({"a": float("nan")}, NUMBERS),
        ({"a": float("inf")}, NUMBERS),
        (nested(MAX_METADATA_DEPTH + 1), f"must not be nested deeper than {MAX_METADATA_DEPTH} levels"),
        ({"a": "x" * MAX_METADATA_BYTES}, f"must have at most {MAX_METADATA_BYTES} bytes of JSON"),
        ({"a": [1e18] * (MAX_METADATA_BYTES // 19)}, f"must have at most {MAX_METADATA_BYTES} bytes of JSON"),
        ({"a": "ü" * (MAX_METADATA_BYTES // 2)}, f"must have at most {MAX_METADATA_BYTES} bytes of JSON"),
    ],
)
def test_it_says_what_is_wrong(metadata: dict[str, Any], problem: str) -> None:
    assert metadata_problem(metadata) == problem


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"a": [1, 2.5, None, True, {"ü": "\n"}], "": {}},
        {"a": 2**63 - 1, "b": -(2**63) + 1, "c": 1e18},
        nested(MAX_METADATA_DEPTH),
        {"a": "x" * (MAX_METADATA_BYTES - 8)},
    ],
)
def test_it_takes_what_can_be_kept(metadata: dict[str, Any]) -> None:
    assert metadata_problem(metadata) is None


@given(st.dictionaries(st.text(), JSON))
def test_what_it_takes_is_the_same_after_a_journey(metadata: dict[str, Any]) -> None:
    if metadata_problem(metadata) is None:
        assert orjson.loads(orjson.dumps(metadata)) == metadata == json.loads(json.dumps(metadata))
