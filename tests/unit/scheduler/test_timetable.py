"""Which instants the timetable hands out, and for which version of a job."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduler.known_jobs import Change
from services.scheduler.timetable import Timetable
from shared.domain.job import Job
from shared.domain.schedule import CronSchedule, Exclusion, IntervalSchedule, OneShotSchedule
from shared.events import JobCreated, JobDeleted, JobEvent, JobRestored, JobUpdated
from tests.fixtures.builders import make_job

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """A moment, in minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def version(job: Job, number: int, starts: datetime, **changes: object) -> Job:
    """A later version of a job."""
    return job.model_copy(update={"version": number, "effective_at": starts, **changes})


def minutely(**overrides: object) -> Job:
    """A job that is due at each full minute, in force since noon."""
    return make_job(version=1, effective_at=at(0.25), **overrides)


def pop(timetable: Timetable, until: datetime) -> list[tuple[int, datetime]]:
    """Versions and instants that are due."""
    return sorted(
        (due.job.version, instant)
        for dues in timetable.pop_due(until).values()
        for due in dues
        for instant in due.instants()
    )


def test_it_hands_out_each_instant_once() -> None:
    timetable = Timetable()
    timetable.follow(Change.of(JobCreated(job=minutely())), 1, covered_seq=0, until=at(0))
    assert pop(timetable, at(2)) == [(1, at(1)), (1, at(2))]
    assert pop(timetable, at(2)) == []
    assert timetable.next_instant() == at(3)


def test_a_job_has_no_instants_before_it_existed() -> None:
    timetable = Timetable()
    timetable.follow(Change.of(JobCreated(job=minutely())), 1, covered_seq=0, until=at(-10))
    assert pop(timetable, at(1)) == [(1, at(1))]


def test_a_covered_job_begins_behind_the_checkpoint() -> None:
    timetable = Timetable()
    timetable.load(Change.of(JobCreated(job=minutely())), 1, covered_seq=5, until=at(10))
    assert pop(timetable, at(11)) == [(1, at(11))]


def test_a_late_change_plans_what_lies_behind_the_checkpoint() -> None:
    timetable = Timetable()
    timetable.follow(Change.of(JobCreated(job=minutely())), 7, covered_seq=5, until=at(3))
    assert pop(timetable, at(3)) == [(1, at(1)), (1, at(2)), (1, at(3))]


def test_a_change_counts_although_what_it_replaced_cannot_be_read() -> None:
    first = minutely()
    change = Change.of(JobUpdated(job=version(first, 2, at(0.5)), before=first))
    change = replace(change, replaced={"id": str(first.id)})
    followed, loaded = Timetable(), Timetable()
    followed.follow(change, 7, covered_seq=5, until=at(0))
    loaded.load(change, 7, covered_seq=5, until=at(0))
    assert pop(followed, at(1)) == pop(loaded, at(1)) == [(2, at(1))]


def test_a_version_ends_where_the_next_one_begins() -> None:
    timetable = Timetable()
    first = minutely()
    second = version(first, 2, at(2.5))
    timetable.follow(Change.of(JobCreated(job=first)), 1, covered_seq=0, until=at(0))
    timetable.follow(Change.of(JobUpdated(job=second, before=first)), 2, covered_seq=0, until=at(0))
    assert pop(timetable, at(4)) == [(1, at(1)), (1, at(2)), (2, at(3)), (2, at(4))]


def test_a_version_in_between_that_planned_nothing_still_ends_the_one_before() -> None:
    timetable = Timetable()
    first = minutely()
    paused = version(first, 2, at(2.5), is_active=False)
    resumed = version(first, 3, at(4.5))
    timetable.follow(Change.of(JobCreated(job=first)), 1, covered_seq=0, until=at(0))
    timetable.follow(Change.of(JobUpdated(job=paused, before=first)), 2, covered_seq=0, until=at(0))
    timetable.follow(Change.of(JobUpdated(job=resumed, before=paused)), 3, covered_seq=0, until=at(0))
    assert pop(timetable, at(6)) == [(1, at(1)), (1, at(2)), (3, at(5)), (3, at(6))]


def test_an_instant_belongs_to_the_version_that_begins_at_it() -> None:
    timetable = Timetable()
    first = minutely()
    timetable.follow(Change.of(JobCreated(job=first)), 1, covered_seq=0, until=at(0))
    timetable.follow(
        Change.of(JobUpdated(job=version(first, 2, at(2)), before=first)), 2, covered_seq=0, until=at(0)
    )
    assert pop(timetable, at(3)) == [(1, at(1)), (2, at(2)), (2, at(3))]


def test_a_deleted_job_has_no_further_instants() -> None:
    timetable = Timetable()
    job = minutely()
    timetable.follow(Change.of(JobCreated(job=job)), 1, covered_seq=0, until=at(0))
    timetable.follow(
        Change.of(JobDeleted(before=job, version=2, effective_at=at(1.5))), 2, covered_seq=0, until=at(0)
    )
    assert pop(timetable, at(5)) == [(1, at(1))]
    assert timetable.next_instant() is None


def test_a_change_that_was_taken_in_before_changes_nothing() -> None:
    timetable = Timetable()
    event = JobCreated(job=minutely())
    timetable.follow(Change.of(event), 1, covered_seq=0, until=at(0))
    pop(timetable, at(3))
    timetable.follow(Change.of(event), 1, covered_seq=0, until=at(0))
    assert pop(timetable, at(3)) == []


def test_versions_between_the_newest_and_the_checkpoint_are_filled_in() -> None:
    timetable = Timetable()
    first = minutely()
    second = version(first, 2, at(1.5), is_active=False)
    third = version(first, 3, at(3.5))
    timetable.load(Change.of(JobUpdated(job=third, before=second)), 12, covered_seq=10, until=at(0.5))
    timetable.follow(Change.of(JobUpdated(job=second, before=first)), 11, covered_seq=10, until=at(0.5))
    timetable.follow(Change.of(JobUpdated(job=third, before=second)), 12, covered_seq=10, until=at(0.5))
    assert pop(timetable, at(5)) == [(1, at(1)), (3, at(4)), (3, at(5))]


def test_a_follower_passes_over_what_the_leader_decided() -> None:
    timetable = Timetable()
    timetable.follow(Change.of(JobCreated(job=minutely())), 1, covered_seq=0, until=at(0))
    list(timetable.skipping(at(5), covered_seq=1))
    assert pop(timetable, at(6)) == [(1, at(6))]


def test_a_follower_keeps_what_the_checkpoint_does_not_cover() -> None:
    timetable = Timetable()
    timetable.follow(Change.of(JobCreated(job=minutely())), 8, covered_seq=5, until=at(0))
    list(timetable.skipping(at(2), covered_seq=7))
    assert pop(timetable, at(3)) == [(1, at(1)), (1, at(2)), (1, at(3))]


def test_a_follower_may_pass_over_a_little_at_a_time() -> None:
    timetable = Timetable()
    jobs = [minutely() for _ in range(5)]
    for number, job in enumerate(jobs, start=1):
        timetable.follow(Change.of(JobCreated(job=job)), number, covered_seq=0, until=at(0))
    skipping = timetable.skipping(at(5), covered_seq=4)
    next(skipping)
    paused = version(jobs[0], 2, at(5.5), is_active=False)
    timetable.follow(Change.of(JobUpdated(job=paused, before=jobs[0])), 6, covered_seq=4, until=at(5))
    for _ in skipping:
        continue
    popped = timetable.pop_due(at(6))
    assert {job_id: [due.first for due in dues] for job_id, dues in popped.items()} == {
        **{job.id: [at(6)] for job in jobs[1:4]},
        jobs[4].id: [at(1)],
    }


def test_due_jobs_come_some_at_a_time_and_the_versions_of_one_together() -> None:
    timetable = Timetable()
    jobs = [minutely() for _ in range(5)]
    for number, job in enumerate(jobs, start=1):
        timetable.follow(Change.of(JobCreated(job=job)), number, covered_seq=0, until=at(0))
    second = version(jobs[0], 2, at(1.5))
    timetable.follow(Change.of(JobUpdated(job=second, before=jobs[0])), 6, covered_seq=0, until=at(0))
    parts = [timetable.pop_due(at(3), 2) for _ in range(4)]
    assert [len(part) for part in parts] == [2, 2, 1, 0]
    dues = {job_id: of_job for part in parts for job_id, of_job in part.items()}
    assert [(due.job.version, due.first) for due in dues[jobs[0].id]] == [(1, at(1)), (2, at(2))]
    assert all([list(due.instants()) for due in dues[job.id]] == [[at(1), at(2), at(3)]] for job in jobs[1:])


def test_an_interval_that_is_counted_from_another_anchor_begins_there() -> None:
    timetable = Timetable()
    every = IntervalSchedule(timezone="UTC", every_seconds=60, anchor=at(0))
    first = minutely(schedule=every)
    moved = version(first, 2, at(2.25), schedule=every.model_copy(update={"anchor": at(0.5)}))
    timetable.follow(Change.of(JobCreated(job=first)), 1, covered_seq=0, until=at(0))
    timetable.follow(Change.of(JobUpdated(job=moved, before=first)), 2, covered_seq=0, until=at(0))
    assert pop(timetable, at(4)) == [(1, at(1)), (1, at(2)), (2, at(2.5)), (2, at(3.5))]


def test_a_job_that_is_due_once_is_due_once() -> None:
    timetable = Timetable()
    once = OneShotSchedule(timezone="UTC", at=at(2))
    timetable.follow(Change.of(JobCreated(job=minutely(schedule=once))), 1, covered_seq=0, until=at(0))
    assert pop(timetable, at(1)) == []
    assert pop(timetable, at(9)) == [(1, at(2))]
    assert timetable.next_instant() is None


def test_times_that_are_excluded_and_those_before_the_start_plan_nothing() -> None:
    timetable = Timetable()
    break_ = Exclusion(begin=at(4).replace(tzinfo=None), end=at(6).replace(tzinfo=None))
    schedule = CronSchedule(timezone="UTC", expression="* * * * *", start_at=at(2.5), exclusions=(break_,))
    timetable.follow(Change.of(JobCreated(job=minutely(schedule=schedule))), 1, covered_seq=0, until=at(0))
    assert pop(timetable, at(7)) == [(1, at(3)), (1, at(6)), (1, at(7))]


def test_a_deleted_job_does_not_count_and_a_restored_one_does() -> None:
    timetable = Timetable()
    job, other = minutely(), minutely()
    timetable.follow(Change.of(JobCreated(job=job)), 1, covered_seq=0, until=at(0))
    timetable.follow(Change.of(JobCreated(job=other)), 2, covered_seq=0, until=at(0))
    gone = JobDeleted(before=job, version=2, effective_at=at(1.5))
    timetable.follow(Change.of(gone), 3, covered_seq=0, until=at(0))
    assert (len(timetable), timetable.newest(job.id)) == (1, None)
    restored = version(job, 3, at(3.5))
    timetable.follow(Change.of(JobRestored(job=restored)), 4, covered_seq=0, until=at(0))
    assert len(timetable) == 2
    pop(timetable, at(2))
    assert timetable.next_planned() is not None


def test_changes_leave_no_more_behind_than_there_are_jobs() -> None:
    timetable = Timetable()
    job = minutely()
    timetable.follow(Change.of(JobCreated(job=job)), 1, covered_seq=0, until=at(0))
    for number in range(2, 3_000):
        newer = version(job, number, at(0.25) + timedelta(milliseconds=number))
        timetable.follow(Change.of(JobUpdated(job=newer, before=job)), number, covered_seq=0, until=at(0))
        job = newer
    assert len(timetable._heap) < 1_100  # what it costs is the point
    assert pop(timetable, at(2)) == [(2_999, at(1)), (2_999, at(2))]


changes = st.lists(
    st.tuples(st.floats(0.05, 9.0), st.floats(0.0, 4.0), st.sampled_from(["run", "pause", "other"])),
    min_size=1,
    max_size=6,
)


@given(changes=changes, ticks=st.lists(st.floats(0.1, 2.0), min_size=1, max_size=8))
@settings(max_examples=300, deadline=None)
def test_every_planned_instant_is_handed_out_however_late_changes_arrive(
    changes: list[tuple[float, float, str]], ticks: list[float]
) -> None:
    """Changes take effect at one time and arrive at a later one; the model knows only when they take effect."""
    versions = _versions(changes)
    arrivals = sorted(
        (max(starts + delay for (starts, delay, _), _ in versions[: number + 1]), number)
        for number in range(len(versions))
    )
    timetable, now, until = Timetable(), 0.0, at(0)
    handed_out: list[tuple[int, datetime]] = []
    for step in [*ticks, 30.0]:
        now += step
        while arrivals and arrivals[0][0] <= now:
            number = arrivals.pop(0)[1]
            timetable.follow(Change.of(versions[number][1]), number + 1, covered_seq=0, until=until)
        handed_out += pop(timetable, at(now))
        until = at(now)
    planned = set(_model([event for _, event in versions], until))
    assert planned <= set(handed_out)
    assert len(set(handed_out)) == len(handed_out)


def _versions(changes: list[tuple[float, float, str]]) -> list[tuple[tuple[float, float, str], JobEvent]]:
    job_id: UUID = uuid4()
    events: list[tuple[tuple[float, float, str], JobEvent]] = []
    before: Job | None = None
    for number, change in enumerate(sorted(changes, key=lambda one: one[0]), start=1):
        starts, _, what = change
        expression = "*/2 * * * *" if what == "other" else "* * * * *"
        job = make_job(id=job_id, version=number, effective_at=at(starts), is_active=what != "pause")
        job = job.model_copy(update={"schedule": job.schedule.model_copy(update={"expression": expression})})
        event: JobEvent = JobCreated(job=job) if before is None else JobUpdated(job=job, before=before)
        events.append((change, event))
        before = job
    return events


def _model(events: list[JobEvent], until: datetime) -> list[tuple[int, datetime]]:
    """For each minute the version in force, if it plans that minute."""
    planned = []
    minute = at(0)
    while minute <= until:
        in_force = [event.current for event in events if event.current.effective_at <= minute]
        if in_force:
            newest = max(in_force, key=lambda job: job.version)
            if newest.next_instant(minute - timedelta(seconds=1)) == minute:
                planned.append((newest.version, minute))
        minute += timedelta(minutes=1)
    return planned
