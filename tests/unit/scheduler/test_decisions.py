"""What becomes of a job's instants while other runs of it are open or wait."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.decided import DecidedOfJob
from services.scheduler.decision_log import WaitReason
from services.scheduler.decisions import decide
from services.scheduler.known_jobs import KnownJob
from services.scheduler.misfires import TOO_LATE
from services.scheduler.outcomes import Cancel, Decision, Join, NotRun, Release, Run, Wait
from services.scheduler.timetable import Due
from services.scheduler.turns import (
    CATCH_UP_FULL,
    DELETED,
    MAX_CATCHING_UP,
    MAX_QUEUED,
    OVERLAP,
    PAUSED,
    QUEUE_FULL,
    REPLACED,
    Standing,
)
from services.scheduler.waiting import Waiting
from shared.domain.ids import planned_execution_id
from shared.domain.job import Job, OverlapPolicy
from shared.domain.schedule import CronSchedule, IntervalSchedule
from tests.fixtures.builders import make_job

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def ago(**how_long: float) -> datetime:
    """A moment before noon, which is the horizon."""
    return NOON - timedelta(**how_long)


def job_with(**rules: Any) -> Job:
    """A minutely job with these rules."""
    return make_job(**{"misfire_grace_seconds": 86_400, **rules})


def waits(job: Job, instant: datetime, reason: WaitReason = "overlap", **overrides: Any) -> Waiting:
    """One that waits its turn; with `not_before`, for its slot."""
    execution_id = planned_execution_id(job.id, instant)
    not_before = overrides.get("not_before")
    return Waiting(job.id, execution_id, instant, not_before, reason, b"{}", 1, reason != "spread")


def run_of(job: Job, instant: datetime) -> tuple[datetime, UUID]:
    """An open run."""
    return instant, planned_execution_id(job.id, instant)


def decided(
    job: Job,
    *instants: datetime,
    running: tuple[tuple[datetime, UUID], ...] = (),
    waiting: tuple[Waiting, ...] = (),
    until: datetime | None = None,
    newest: Job | None = None,
    deleted: bool = False,
) -> list[Decision]:
    """What becomes of the job's instants (or of all from the first one until `until`)."""
    known = KnownJob.of(job)
    dues = [Due(known, instant, until or instant) for instant in instants]
    standing = Standing(
        None if deleted else KnownJob.of(newest or job), running, waiting, covered_until=ago(minutes=1)
    )
    return decide(dues, standing, NOON)


def outline(decisions: list[Decision]) -> list[tuple[str, datetime]]:
    """Kind and instant of each."""
    return [(type(one).__name__, _instant(one)) for one in decisions]


def _instant(one: Decision) -> datetime:
    if isinstance(one, Run | Wait):
        return one.instant
    return one.first if isinstance(one, NotRun) else one.waiting.instant


def test_an_instant_with_room_runs() -> None:
    job = job_with(max_instances=2)
    assert outline(decided(job, NOON, running=(run_of(job, ago(minutes=1)),))) == [("Run", NOON)]


def test_with_skip_it_does_not_run_and_names_the_oldest_open_run() -> None:
    job = job_with(max_instances=2)
    running = (run_of(job, ago(minutes=1)), run_of(job, ago(minutes=2)))
    [skipped] = decided(job, NOON, running=running)
    assert isinstance(skipped, NotRun)
    assert (skipped.kind, skipped.reason, skipped.into) == ("skipped", OVERLAP, running[1][1])


def test_with_queue_it_waits_its_turn() -> None:
    job = job_with(overlap_policy="queue")
    [wait] = decided(job, NOON, running=(run_of(job, ago(minutes=1)),))
    assert isinstance(wait, Wait)
    assert (wait.instant, wait.reason, wait.not_before) == (NOON, "overlap", None)


def test_no_more_than_ten_wait_their_turn() -> None:
    job = job_with(overlap_policy="queue")
    waiting = tuple(waits(job, ago(minutes=10 - number)) for number in range(MAX_QUEUED - 1))
    instants = [ago(seconds=5), NOON]
    decisions = decided(job, *instants, running=(run_of(job, ago(minutes=30)),), waiting=waiting)
    assert outline(decisions) == [("Wait", instants[0]), ("NotRun", NOON)]
    assert [one.reason for one in decisions if isinstance(one, NotRun)] == [QUEUE_FULL]


def test_with_cancel_running_a_later_instant_replaces_those_that_wait_too() -> None:
    job = job_with(overlap_policy="cancel_running")
    running, waiting = run_of(job, ago(minutes=3)), waits(job, ago(minutes=2), "catch_up")
    cancelled, run = decided(job, NOON, running=(running,), waiting=(waiting,))
    instead = planned_execution_id(job.id, NOON)
    assert cancelled == Cancel(waiting, REPLACED, instead)
    assert isinstance(run, Run)
    assert (run.instant, run.cancels) == (NOON, (running[1],))


def test_with_cancel_running_the_oldest_ones_make_room() -> None:
    job = job_with(overlap_policy="cancel_running", max_instances=2)
    running = tuple(run_of(job, ago(minutes=minutes)) for minutes in (3, 2, 1))
    [run] = decided(job, NOON, running=running)
    assert isinstance(run, Run)
    assert run.cancels == (running[0][1], running[1][1])


def test_what_was_called_off_is_not_called_off_again() -> None:
    job = job_with(overlap_policy="cancel_running")
    first, second = decided(job, ago(seconds=5), NOON, running=(run_of(job, ago(minutes=1)),))
    assert isinstance(first, Run)
    assert isinstance(second, Run)
    assert first.cancels == (planned_execution_id(job.id, ago(minutes=1)),)
    assert second.cancels == (planned_execution_id(job.id, ago(seconds=5)),)


def test_when_a_run_has_ended_the_first_that_waits_goes_on() -> None:
    job = job_with(overlap_policy="queue")
    waiting = (waits(job, ago(minutes=1)), waits(job, ago(minutes=3)), waits(job, ago(minutes=2)))
    assert outline(decided(job, waiting=waiting)) == [("Release", ago(minutes=3))]


def test_a_new_instant_does_not_pass_one_that_waits() -> None:
    job = job_with(overlap_policy="queue")
    decisions = decided(job, NOON, waiting=(waits(job, ago(minutes=1)),))
    assert outline(decisions) == [("Release", ago(minutes=1)), ("Wait", NOON)]


def test_runs_that_wait_follow_the_newest_rules() -> None:
    job = job_with(overlap_policy="queue")
    waiting = tuple(waits(job, ago(minutes=minutes)) for minutes in (3, 2, 1))
    newest = job.model_copy(update={"max_instances": 2})
    assert outline(decided(job, waiting=waiting, newest=newest)) == [
        ("Release", ago(minutes=3)),
        ("Release", ago(minutes=2)),
    ]


def test_what_waits_is_cancelled_when_its_job_is_paused_or_deleted() -> None:
    job = job_with(overlap_policy="queue")
    waiting = (waits(job, ago(minutes=1)), waits(job, ago(minutes=2), "spread", not_before=NOON))
    running = (run_of(job, ago(minutes=3)),)
    paused = decided(
        job, running=running, waiting=waiting, newest=job.model_copy(update={"is_active": False})
    )
    gone = decided(job, running=running, waiting=waiting, deleted=True)
    assert [one.reason for one in paused if isinstance(one, Cancel)] == [PAUSED, PAUSED]
    assert [one.reason for one in gone if isinstance(one, Cancel)] == [DELETED, DELETED]


@pytest.mark.parametrize("instant", [NOON, ago(minutes=1)], ids=["on time", "late"])
def test_what_a_job_planned_before_it_was_paused_or_deleted_does_not_run_afterwards(
    instant: datetime,
) -> None:
    job = job_with()
    paused = job.model_copy(update={"version": 2, "is_active": False})
    for decisions, reason in (
        (decided(job, instant, newest=paused), PAUSED),
        (decided(job, instant, deleted=True), DELETED),
        (decided(job, ago(minutes=3), until=instant, deleted=True), DELETED),
    ):
        assert {type(one) for one in decisions} == {NotRun}
        assert {(one.reason, one.into) for one in decisions if isinstance(one, NotRun)} == {(reason, None)}


def test_the_last_day_of_a_job_runs_although_its_end_has_paused_it() -> None:
    """At midnight the gateway pauses it: what is late by then, or waits for its slot, was planned before."""
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    schedule = CronSchedule(expression="* * * * *", timezone="UTC", end_date=date(2026, 11, 20))
    job = job_with(schedule=schedule)
    over = job.model_copy(update={"version": 2, "is_active": False, "effective_at": midnight})
    last = midnight - timedelta(minutes=1)
    assert outline(decided(job, last, newest=over)) == [("Run", last)]
    slot = waits(job, last, "spread", not_before=midnight)
    assert outline(decided(job, waiting=(slot,), newest=over)) == [("Release", last)]
    paused = over.model_copy(update={"effective_at": last})
    assert outline(decided(job, waiting=(slot,), newest=paused)) == [("Cancel", last)]


def test_a_job_that_spreads_its_runs_waits_for_its_slot() -> None:
    job = job_with()
    job = job.model_copy(update={"schedule": job.schedule.model_copy(update={"jitter_seconds": 600})})
    [wait] = decided(job, NOON, running=(run_of(job, ago(minutes=1)),))
    assert isinstance(wait, Wait)
    assert (wait.reason, wait.not_before) == ("spread", NOON + job.slot)


def test_a_slot_that_has_passed_is_not_waited_for() -> None:
    job = job_with()
    job = job.model_copy(update={"schedule": job.schedule.model_copy(update={"jitter_seconds": 60})})
    [run] = decided(job, ago(minutes=2))
    assert isinstance(run, Run)
    assert run.not_before == ago(minutes=2) + job.slot


def test_at_its_slot_the_rules_for_overlaps_apply() -> None:
    outcome = {}
    for policy in OverlapPolicy:
        job = job_with(overlap_policy=policy)
        one = waits(job, ago(minutes=1), "spread", not_before=NOON)
        [outcome[policy]] = decided(job, running=(run_of(job, ago(minutes=2)),), waiting=(one,))
    skipped, queued = outcome[OverlapPolicy.SKIP], outcome[OverlapPolicy.QUEUE]
    released = outcome[OverlapPolicy.CANCEL_RUNNING]
    assert isinstance(skipped, Cancel)
    assert skipped.reason == OVERLAP
    assert isinstance(queued, Join)
    assert isinstance(released, Release)
    assert len(released.cancels) == 1


def test_with_room_at_its_slot_it_runs() -> None:
    job = job_with()
    one = waits(job, ago(minutes=1), "spread", not_before=NOON)
    assert outline(decided(job, waiting=(one,))) == [("Release", ago(minutes=1))]


def test_what_is_caught_up_runs_one_after_another_whatever_the_overlap_policy() -> None:
    for policy in OverlapPolicy:
        job = job_with(misfire_policy="run_all", overlap_policy=policy)
        decisions = decided(job, ago(minutes=4), until=ago(minutes=1))
        assert outline(decisions) == [
            ("Run", ago(minutes=4)),
            ("Wait", ago(minutes=3)),
            ("Wait", ago(minutes=2)),
            ("Wait", ago(minutes=1)),
        ]
        assert {one.reason for one in decisions if isinstance(one, Wait)} == {"catch_up"}


def test_what_waits_to_be_caught_up_does_not_fill_the_queue() -> None:
    job = job_with(misfire_policy="run_all", overlap_policy="queue")
    waiting = tuple(waits(job, ago(minutes=90 - number), "catch_up") for number in range(60))
    decisions = decided(job, NOON, running=(run_of(job, ago(minutes=99)),), waiting=waiting)
    assert outline(decisions) == [("Wait", NOON)]


def test_no_more_than_a_hundred_wait_to_be_caught_up() -> None:
    job = job_with(misfire_policy="run_all")
    waiting = tuple(waits(job, ago(minutes=300 - number), "catch_up") for number in range(MAX_CATCHING_UP))
    [missed] = decided(job, ago(minutes=1), running=(run_of(job, ago(minutes=400)),), waiting=waiting)
    assert isinstance(missed, NotRun)
    assert (missed.kind, missed.reason) == ("missed", CATCH_UP_FULL)


def test_an_instant_on_time_is_skipped_while_others_are_caught_up() -> None:
    job = job_with(misfire_policy="run_all")
    assert outline(decided(job, ago(minutes=2), until=NOON)) == [
        ("Run", ago(minutes=2)),
        ("Wait", ago(minutes=1)),
        ("NotRun", NOON),
    ]


def test_beyond_the_grace_nothing_runs() -> None:
    job = job_with(misfire_grace_seconds=60)
    [missed] = decided(job, ago(minutes=2))
    assert isinstance(missed, NotRun)
    assert (missed.reason, missed.into) == (TOO_LATE, None)


@given(
    policy=st.sampled_from(OverlapPolicy),
    misfire=st.sampled_from(["run_latest", "run_all", "skip"]),
    most=st.integers(1, 3),
    running=st.integers(0, 4),
    seconds=st.lists(st.integers(0, 300), min_size=1, max_size=15, unique=True),
    waited=st.booleans(),
    stored=st.sets(st.integers(0, 14)),
    order=st.randoms(),
)
def test_a_successor_decides_what_is_left_as_its_predecessor_would_have(
    policy: OverlapPolicy,
    misfire: str,
    most: int,
    running: int,
    seconds: list[int],
    waited: bool,
    stored: set[int],
    order: Any,
) -> None:
    """The predecessor stored the first of its decisions; the successor finds them, and the same runs open."""
    secondly = IntervalSchedule(timezone="UTC", every_seconds=1, anchor=NOON)
    job = job_with(overlap_policy=policy, misfire_policy=misfire, max_instances=most, schedule=secondly)
    known = KnownJob.of(job)
    open_runs = [(ago(hours=1, minutes=number), uuid4()) for number in range(running)]
    dues = [Due(known, ago(seconds=one), ago(seconds=one)) for one in sorted(seconds, reverse=True)]
    covered = ago(seconds=301)
    before = [waits(job, ago(seconds=400), "catch_up")] if waited and running >= most else []
    whole = decide(dues, Standing(known, open_runs, before, covered_until=covered), NOON)
    count = min(len(stored), len(whole))
    found, still_open, waiting = DecidedOfJob(), list(open_runs), list(before)
    for one in whole[:count]:
        found.add(_instant(one), _instant(one))
        if isinstance(one, Run):
            still_open = [other for other in still_open if other[1] not in one.cancels]
            still_open.append(run_of(job, one.instant))
        elif isinstance(one, Wait):
            waiting.append(waits(job, one.instant, one.reason))
        elif isinstance(one, Cancel):
            waiting.remove(one.waiting)
    order.shuffle(dues)
    rest = decide(dues, Standing(known, still_open, waiting, found, covered), NOON)
    released = [one for one in rest if isinstance(one, Release)]
    assert not released
    assert rest == whole[count:]
    planned = [one for one in whole if not isinstance(one, Cancel)]
    assert sorted(_instant(one) for one in planned) == sorted(due.first for due in dues)
