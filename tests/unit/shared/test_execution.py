"""Which of two reports is the later one, and what people see of it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.execution import (
    CLOSING_PHASES,
    OPEN_STATUSES,
    RUN_OUTCOMES,
    STATUSES_OF,
    TERMINAL_PHASES,
    Outcome,
    Phase,
    Status,
    outcome_of,
    phase_order,
    rank,
    status_of,
    statuses_named,
)

UPWARDS = [
    Phase.QUEUED,
    Phase.STARTED,
    Phase.UNKNOWN,
    Phase.LOST,
    Phase.RETRYING,
    Phase.CANCELLED,
    Phase.FAILED,
    Phase.DEAD_LETTER,
    Phase.SUCCEEDED,
]
PLACES = st.tuples(st.integers(0, 1_000), st.integers(0, 999_999), st.sampled_from(Phase))


def test_phases_follow_one_another_in_one_order() -> None:
    assert sorted(Phase, key=phase_order) == UPWARDS
    assert len({phase_order(phase) for phase in Phase}) == len(Phase)


def test_names_on_the_bus_never_change() -> None:
    assert [phase.value for phase in UPWARDS] == [
        "queued",
        "started",
        "unknown",
        "lost",
        "retrying",
        "cancelled",
        "failed",
        "dead_letter",
        "succeeded",
    ]


def test_within_an_attempt_each_phase_ranks_above_the_one_before() -> None:
    ranks = [rank(0, 1, phase) for phase in UPWARDS]
    assert all(lower < higher for lower, higher in pairwise(ranks))


def test_a_real_result_ranks_above_a_guess_of_the_same_attempt() -> None:
    for guess in (Phase.UNKNOWN, Phase.LOST):
        for result in (Phase.FAILED, Phase.SUCCEEDED, Phase.RETRYING):
            assert rank(1, 3, guess) < rank(1, 3, result)


def test_numbers_in_sql_never_change() -> None:
    assert rank(0, 0, Phase.QUEUED) == 0
    assert rank(0, 1, Phase.STARTED) == 17
    assert rank(2, 3, Phase.SUCCEEDED) == 32_000_056


@given(one=PLACES, other=PLACES)
def test_rank_orders_by_redrive_then_attempt_then_phase(
    one: tuple[int, int, Phase], other: tuple[int, int, Phase]
) -> None:
    def key(place: tuple[int, int, Phase]) -> tuple[int, int, int]:
        return place[0], place[1], UPWARDS.index(place[2])

    assert (rank(*one) < rank(*other)) == (key(one) < key(other))
    assert (rank(*one) == rank(*other)) == (one == other)


@pytest.mark.parametrize(
    ("phase", "status"),
    [
        (Phase.QUEUED, Status.QUEUED),
        (Phase.STARTED, Status.RUNNING),
        (Phase.UNKNOWN, Status.UNKNOWN),
        (Phase.LOST, Status.LOST),
        (Phase.RETRYING, Status.RUNNING),
        (Phase.CANCELLED, Status.CANCELLED),
        (Phase.FAILED, Status.FAILED),
        (Phase.DEAD_LETTER, Status.DEAD_LETTER),
        (Phase.SUCCEEDED, Status.SUCCESS),
    ],
)
def test_each_phase_has_a_status(phase: Phase, status: Status) -> None:
    assert status_of(phase) is status


def test_an_execution_is_open_until_a_closing_phase() -> None:
    assert {phase for phase in Phase if status_of(phase) not in OPEN_STATUSES} == CLOSING_PHASES
    assert TERMINAL_PHASES | {Phase.LOST} == CLOSING_PHASES


def test_each_status_has_exactly_one_outcome() -> None:
    assert sorted(status for statuses in STATUSES_OF.values() for status in statuses) == sorted(Status)
    assert set(STATUSES_OF) == set(Outcome)
    assert all(status in STATUSES_OF[outcome_of(status)] for status in Status)


def test_what_is_open_is_running_and_what_was_given_up_failed() -> None:
    assert {status for status in Status if outcome_of(status) is Outcome.RUNNING} == OPEN_STATUSES
    assert outcome_of(Status.DEAD_LETTER) is outcome_of(Status.LOST) is Outcome.FAILED


def test_a_phase_of_an_attempt_never_leads_to_an_instant_that_did_not_run() -> None:
    reached = {outcome_of(status_of(phase)) for phase in Phase}
    assert reached == {*RUN_OUTCOMES, Outcome.CANCELLED}


@pytest.mark.parametrize("status", Status)
def test_a_filter_takes_each_precise_word_and_finds_that_status(status: Status) -> None:
    assert status in statuses_named(status.value)


def test_a_word_that_means_more_than_itself_means_all_of_it() -> None:
    assert statuses_named("running") == OPEN_STATUSES
    assert statuses_named("failed") == {Status.FAILED, Status.DEAD_LETTER, Status.LOST}
    assert statuses_named("unknown") == {Status.UNKNOWN}
    with pytest.raises(ValueError, match="succeeded"):
        statuses_named("succeeded")
