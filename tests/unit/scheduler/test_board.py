"""What is decided, what waits and what is open, as the streams say it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from services.scheduler.board import Board
from services.scheduler.decided import DecidedOfJob, open_stretches
from services.scheduler.known_jobs import KnownJob
from services.scheduler.messages import Message, message
from services.scheduler.open_runs import MAX_EARLY, OpenRuns
from services.scheduler.outcomes import Cancel, NotRun, NotRunAs, Release, Run, Wait
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import pack
from shared.bus.reader import StreamMessage
from shared.domain.execution import CLOSING_PHASES, Phase
from shared.domain.ids import planned_execution_id
from shared.domain.job import Job
from shared.events import InstantSettled, RunFacts
from tests.fixtures.builders import make_facts, make_job, make_report

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
GENERATION = 1


def board() -> Board:
    """One that nobody feeds but the test."""
    return Board(Bus(), GENERATION, asyncio.Event())


def made(decision: Any) -> Message:
    """The message of a decision."""
    return message(decision, NOON, GENERATION)


def as_read(sequence: int, decision: Any) -> StreamMessage:
    """A decision as it is read from TRIGGERS."""
    outgoing = made(decision).outgoing
    return StreamMessage(sequence, outgoing.subject, outgoing.body, outgoing.headers, 0)


def report(sequence: int, phase: Phase, facts: RunFacts, **overrides: Any) -> StreamMessage:
    """A report as it is read from EXECUTIONS."""
    subject = subjects.execution(facts.job_id, facts.execution_id)
    packed = pack(
        make_report(phase, facts, **overrides), subject=subject, source="e", event_id="e", time=NOON
    )
    return StreamMessage(sequence, subject, packed.body, packed.headers, 0)


def run_of(job: Job, instant: datetime = NOON) -> Run:
    """That the instant runs."""
    return Run(KnownJob.of(job), instant)


def opened(board: Board, job: Job) -> Sequence[datetime]:
    """The instants of the job's open runs."""
    return [instant for instant, _ in board.open_runs.of(job.id)]


def test_a_run_is_open_until_a_report_closes_it() -> None:
    for sequence, phase in enumerate(Phase, start=1):
        one, job = board(), make_job()
        one.take_decisions([as_read(1, run_of(job))])
        one.take_reports([report(sequence, phase, make_facts(job, planned_at=NOON))])
        assert opened(one, job) == ([] if phase in CLOSING_PHASES else [NOON])


def test_an_end_that_is_read_before_the_run_counts() -> None:
    one, job = board(), make_job()
    one.take_reports([report(1, Phase.SUCCEEDED, make_facts(job, planned_at=NOON))])
    one.take_decisions([as_read(1, run_of(job)), as_read(2, run_of(job, NOON + MINUTE))])
    assert opened(one, job) == [NOON + MINUTE]


def test_what_was_read_before_changes_nothing() -> None:
    one, job = board(), make_job()
    run, end = as_read(1, run_of(job)), report(1, Phase.FAILED, make_facts(job, planned_at=NOON))
    for _ in range(2):
        one.take_decisions([run])
        one.take_reports([end])
        assert opened(one, job) == []


def test_runs_that_people_asked_for_do_not_count() -> None:
    one, job = board(), make_job()
    manual = make_facts(job, planned_at=None)
    one.take_reports([report(1, Phase.SUCCEEDED, manual)])
    one.take_reports([report(2, Phase.SUCCEEDED, make_facts(job, planned_at=NOON), redrive=1)])
    one.take_decisions([as_read(1, run_of(job))])
    assert opened(one, job) == [NOON]


def test_a_run_that_another_one_cancels_is_in_nobodys_way() -> None:
    one, job = board(), make_job()
    cancels = (planned_execution_id(job.id, NOON),)
    one.take_decisions(
        [as_read(1, run_of(job)), as_read(2, Run(KnownJob.of(job), NOON + MINUTE, None, cancels))]
    )
    assert opened(one, job) == [NOON + MINUTE]


def test_what_waits_waits_until_it_is_released_or_cancelled() -> None:
    one, job = board(), make_job()
    instants = [NOON, NOON + MINUTE, NOON + 2 * MINUTE]
    one.take_decisions(
        [
            as_read(number, Wait(KnownJob.of(job), instant, None, "overlap"))
            for number, instant in enumerate(instants, start=4)
        ]
    )
    first, second, third = one.waiting.ready(job.id, NOON)
    assert [first.instant, second.instant, third.instant] == instants
    assert one.waiting.oldest_sequence() == 4
    one.take_decisions([as_read(7, Release(first)), as_read(8, Cancel(second, "paused"))])
    assert one.waiting.ready(job.id, NOON) == [third]
    assert opened(one, job) == [NOON]
    assert one.waiting.oldest_sequence() == 6


def test_only_the_first_decision_on_an_instant_counts() -> None:
    """A leader that stood still may store another one late, beyond the time in which its id is known."""
    one, job = board(), make_job()
    known = KnownJob.of(job)
    waits_first, runs_first = NOON, NOON + MINUTE
    one.take_decisions(
        [
            as_read(4, Wait(known, waits_first, None, "overlap")),
            as_read(5, NotRun(known, NotRunAs.MISSED, waits_first, waits_first, 1, "late")),
            as_read(6, NotRun(known, NotRunAs.MISSED, runs_first, runs_first, 1, "late")),
            as_read(7, Wait(known, runs_first, None, "overlap")),
        ]
    )
    assert [waiting.instant for waiting in one.waiting.ready(job.id, NOON)] == [waits_first]
    assert one.waiting.oldest_sequence() == 4


def test_an_end_wakes_the_job_only_when_something_waits_for_it() -> None:
    one, job, other = board(), make_job(), make_job()
    one.take_decisions(
        [
            as_read(1, run_of(job)),
            as_read(2, run_of(other)),
            as_read(3, Wait(KnownJob.of(job), NOON + MINUTE, None, "overlap")),
        ]
    )
    one.take_reports(
        [
            report(number, Phase.FAILED, make_facts(each, planned_at=NOON))
            for number, each in enumerate((job, other), 1)
        ]
    )
    assert one.take_woken() == {job.id}
    assert one.take_woken() == set()


def test_a_run_that_is_stored_as_waiting_is_looked_at_once_more() -> None:
    """What it waits for may have ended before the answer came."""
    one, job = board(), make_job()
    one.note(made(Wait(KnownJob.of(job), NOON, None, "overlap")).entry(1))
    assert one.take_woken() == {job.id}


def test_slots_come_in_their_order_and_once() -> None:
    one, jobs = board(), [make_job() for _ in range(600)]
    for number, job in enumerate(jobs):
        slot = NOON + timedelta(seconds=(number * 7) % 600 + 1)
        one.note(made(Wait(KnownJob.of(job), NOON, slot, "spread")).entry(number + 1))
    assert one.waiting.next_slot() == NOON + timedelta(seconds=1)
    early = one.waiting.pop_slots(NOON + timedelta(seconds=10), 100)
    assert len(early) == 10
    for job in jobs[:500]:
        one.waiting.remove(planned_execution_id(job.id, NOON))
    rest = one.waiting.pop_slots(NOON + timedelta(hours=1), 1_000)
    assert rest == {job.id for job in jobs[500:]} - early
    assert one.waiting.next_slot() is None


def test_ranges_cover_each_instant_within_them() -> None:
    one, job = board(), make_job()
    missed = NotRun(KnownJob.of(job), NotRunAs.MISSED, NOON, NOON + 5 * MINUTE, 6, "because")
    settled = InstantSettled(
        job_id=job.id, execution_id=uuid4(), planned_at=NOON + 9 * MINUTE, generation=GENERATION
    )
    packed = pack(settled, subject="s", source="gateway", event_id="e", time=NOON)
    one.take_decisions([as_read(1, missed), StreamMessage(2, "s", packed.body, packed.headers, 0)])
    decided = one.decided.of(job.id)
    assert decided is not None
    minutes = [minute for minute in range(12) if decided.covers(NOON + minute * MINUTE, job.version)]
    assert minutes == [0, 1, 2, 3, 4, 5, 9]


def test_what_a_checkpoint_covers_is_forgotten() -> None:
    one, job = board(), make_job()
    one.take_decisions([as_read(1, run_of(job)), as_read(2, run_of(job, NOON + MINUTE))])
    one.reach(NOON)
    decided = one.decided.of(job.id)
    assert decided is not None
    assert [decided.covers(one, 1) for one in (NOON, NOON + MINUTE)] == [False, True]
    one.reach(NOON + MINUTE)
    assert len(one.decided) == 0
    one.take_decisions([as_read(3, run_of(job, NOON - MINUTE))])
    assert len(one.decided) == 0


def test_the_open_stretches_are_what_is_left() -> None:
    decided = DecidedOfJob()
    decided.add(NOON + MINUTE, NOON + 3 * MINUTE)
    decided.add(NOON + 2 * MINUTE, NOON + 4 * MINUTE)
    decided.add(NOON + 6 * MINUTE, NOON + 6 * MINUTE)
    stretches = list(open_stretches(decided, 1, NOON, NOON + 6 * MINUTE))
    assert [(begin, (end - begin) > timedelta(0)) for begin, end in stretches] == [
        (NOON, True),
        (NOON + 4 * MINUTE + timedelta(seconds=1), True),
    ]
    assert list(open_stretches(None, 1, NOON, NOON)) == [(NOON, NOON)]
    assert list(open_stretches(decided, 1, NOON + MINUTE, NOON + 2 * MINUTE)) == []


def test_ends_without_runs_are_remembered_only_so_many() -> None:
    runs, first = OpenRuns(), made(run_of(make_job())).entry(1)
    runs.end_early(first.execution_id)
    for _ in range(MAX_EARLY):
        runs.end_early(uuid4())
    runs.begin(first)
    assert len(runs) == 1


def test_unreadable_messages_are_passed_over() -> None:
    one, job = board(), make_job()
    bad = StreamMessage(1, "jetcron.triggers.x.y", b"{}", {"ce-type": "trigger.run"}, 0)
    one.take_decisions([bad, as_read(2, run_of(job))])
    one.take_reports([StreamMessage(1, "jetcron.executions.x", b"[]", None, 0)])
    assert opened(one, job) == [NOON]
