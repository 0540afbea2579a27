"""What becomes of due instants."""

from datetime import UTC, datetime, timedelta

from services.scheduler.decisions import COALESCED, TOO_LATE, message, planned_instant
from services.scheduler.decisions import decide as decide_by_job
from services.scheduler.timetable import Due
from shared.domain.ids import planned_execution_id
from shared.domain.job import Job
from shared.events import InstantsMissed, RunTriggered
from tests.fixtures.builders import make_job

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def ago(**how_long: float) -> datetime:
    """A moment before noon, which is the horizon."""
    return NOON - timedelta(**how_long)


def due(job: Job, instant: datetime) -> Due:
    """One instant that is due."""
    return Due(job, instant, instant)


def decide(
    dues: list[Due], horizon: datetime, now: datetime, generation: int
) -> list[RunTriggered | InstantsMissed]:
    """All decisions, by instant."""
    decisions = [one for of_job in decide_by_job(dues, horizon, now, generation) for one in of_job]
    return sorted(decisions, key=planned_instant)


def outcome(decisions: list[RunTriggered | InstantsMissed]) -> list[tuple[str, datetime]]:
    """Kind and instant of each decision."""
    return [
        ("run" if isinstance(decision, RunTriggered) else "missed", planned_instant(decision))
        for decision in decisions
    ]


def test_an_instant_on_time_runs() -> None:
    job = make_job()
    [run] = decide([due(job, NOON)], NOON, NOON, 3)
    assert isinstance(run, RunTriggered)
    assert (run.generation, run.target, run.facts.job_version) == (3, job.target, job.version)
    assert run.facts.execution_id == planned_execution_id(job.id, NOON)


def test_of_late_instants_the_latest_runs_and_the_earlier_ones_are_missed_with_a_link_to_it() -> None:
    job = make_job()
    instants = [ago(minutes=5), ago(minutes=4), ago(minutes=3)]
    decisions = decide([due(job, instant) for instant in instants], NOON, NOON, 1)
    assert outcome(decisions) == [("missed", instants[0]), ("missed", instants[1]), ("run", instants[2])]
    missed = [decision for decision in decisions if isinstance(decision, InstantsMissed)]
    assert {one.into for one in missed} == {planned_execution_id(job.id, instants[2])}
    assert {one.reason for one in missed} == {COALESCED}


def test_beyond_the_grace_everything_is_missed() -> None:
    job = make_job(misfire_grace_seconds=3600)
    decisions = decide([due(job, ago(hours=3)), due(job, ago(hours=2))], NOON, NOON, 1)
    assert outcome(decisions) == [("missed", ago(hours=3)), ("missed", ago(hours=2))]
    assert [(one.reason, one.into) for one in decisions if isinstance(one, InstantsMissed)] == [
        (TOO_LATE, None)
    ] * 2


def test_exactly_at_the_grace_it_still_runs() -> None:
    job = make_job(misfire_grace_seconds=3600)
    assert outcome(decide([due(job, ago(hours=1))], NOON, NOON, 1)) == [("run", ago(hours=1))]


def test_an_instant_on_time_stands_for_the_late_ones() -> None:
    job = make_job()
    decisions = decide([due(job, ago(minutes=1)), due(job, NOON)], NOON, NOON, 1)
    assert outcome(decisions) == [("missed", ago(minutes=1)), ("run", NOON)]


def test_jobs_are_decided_apart() -> None:
    one, other = make_job(), make_job()
    decisions = decide([due(one, ago(minutes=1)), due(other, ago(minutes=2))], NOON, NOON, 1)
    assert outcome(decisions) == [("run", ago(minutes=2)), ("run", ago(minutes=1))]


def test_a_run_and_a_miss_of_one_instant_carry_the_same_message_id() -> None:
    job = make_job()
    [run] = decide([due(job, ago(minutes=1))], NOON, NOON, 1)
    missed, _ = decide([due(job, ago(minutes=1)), due(job, NOON)], NOON, NOON, 1)
    assert message(run).message_id == message(missed).message_id
    assert message(run).subject != message(missed).subject
