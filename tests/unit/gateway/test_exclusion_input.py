"""Stretches of time as people write them, and as they are shown."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.api.v2.models.schedules import (
    MAX_NOTE_LENGTH,
    ExclusionInput,
    exclusion_of,
    exclusion_view,
)
from shared.domain.schedule import Exclusion
from tests.fixtures.builders import make_exclusion

FIRST, LAST = (datetime.fromisoformat(day) for day in ("1970-01-01", "9997-12-30"))
TIMES = st.datetimes(FIRST, LAST).map(lambda time: time.replace(microsecond=0))
DAYS = TIMES.map(lambda time: time.replace(hour=0, minute=0, second=0))
NOTES = st.none() | st.text("ab 祝日", min_size=1, max_size=MAX_NOTE_LENGTH).filter(
    lambda note: note == note.strip()
)


def stretch(begin: datetime, end: datetime, note: str | None) -> Exclusion:
    return Exclusion(begin=begin, end=end, note=note)


@st.composite
def stretches(draw: st.DrawFn) -> Exclusion:
    kind = draw(st.sampled_from([TIMES, DAYS]))
    begin, end = sorted((draw(kind), draw(kind)))
    return stretch(begin, end if end > begin else begin + timedelta(days=1), draw(NOTES))


@given(exclusion=stretches())
def test_what_is_shown_can_be_sent_back(exclusion: Exclusion) -> None:
    shown = exclusion_view(exclusion).model_dump()
    assert exclusion_of(ExclusionInput.model_validate(shown)) == exclusion


def test_a_day_is_excluded_as_a_whole() -> None:
    christmas = make_exclusion("2026-12-25", "2026-12-26", "Christmas")
    for given_ in (
        {"date": "2026-12-25"},
        {"from": "2026-12-25", "to": "2026-12-25"},
        {"from": "2026-12-25T00:00", "to": "2026-12-26T00:00:00"},
    ):
        assert exclusion_of(ExclusionInput.model_validate({**given_, "note": " Christmas "})) == christmas


def test_an_empty_note_is_none() -> None:
    assert exclusion_of(ExclusionInput.model_validate({"date": "2026-12-25", "note": " "})).note is None
