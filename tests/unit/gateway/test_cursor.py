"""A cursor names the place where a page ended, and nothing else is one."""

import contextlib
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.queries.execution_pages import InvalidCursor, Place, parse_cursor

INSTANTS = st.datetimes(timezones=st.just(UTC))
SOMEWHERE = Place(datetime(2026, 11, 21, 12, 0, 0, 1, tzinfo=UTC), UUID(int=7))


@given(queued_at=INSTANTS, execution_id=st.uuids())
def test_it_leads_back_to_its_place_to_the_microsecond(queued_at: datetime, execution_id: UUID) -> None:
    place = Place(queued_at, execution_id)
    assert parse_cursor(place.cursor()) == place


def test_it_needs_no_escaping_in_a_url() -> None:
    cursor = SOMEWHERE.cursor()
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert len(cursor) == 32


@given(st.text(max_size=40) | st.binary(min_size=24, max_size=24).map(lambda raw: raw.hex()))
def test_any_text_is_a_cursor_or_is_refused(text: str) -> None:
    with contextlib.suppress(InvalidCursor):
        assert isinstance(parse_cursor(text), Place)


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_a_part_of_one_is_refused(cut: int) -> None:
    with pytest.raises(InvalidCursor):
        parse_cursor(SOMEWHERE.cursor()[:-cut])
