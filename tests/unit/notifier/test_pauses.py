"""Pauses grow, and end when something gets out."""

import time

import pytest

from services.notifier.pauses import LONGEST_ASKED_FOR, LONGEST_DEFERRAL, LONGEST_PAUSE, Pauses, deferral


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, to be set."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_they_double_up_to_a_minute(clock: list[float]) -> None:
    pauses, found = Pauses(), []
    for _ in range(9):
        found.append(pauses.begin())
        clock[0] += found[-1]
    assert found == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_what_fails_together_counts_once(clock: list[float]) -> None:
    pauses = Pauses()
    assert [pauses.begin() for _ in range(3)] == [1, 1, 1]
    clock[0] += 0.25
    assert pauses.begin() == 0.75


def test_after_a_success_they_begin_anew(clock: list[float]) -> None:
    pauses = Pauses()
    for _ in range(4):
        clock[0] += pauses.begin()
    pauses.end()
    assert pauses.begin() == 1


async def test_who_waits_goes_on_at_once_when_there_is_none() -> None:
    await Pauses().wait()


def test_what_the_other_side_asks_for_is_granted_within_bounds(clock: list[float]) -> None:
    assert Pauses().begin(30) == 30
    assert Pauses().begin(1e9) == LONGEST_ASKED_FOR


def test_a_notice_that_was_put_off_comes_later_each_time() -> None:
    found = [deferral(count) for count in range(1, 10)]
    assert found == [15, 30, 60, 120, 240, 480, LONGEST_DEFERRAL, LONGEST_DEFERRAL, LONGEST_DEFERRAL]
    assert deferral(100_000) == LONGEST_DEFERRAL
