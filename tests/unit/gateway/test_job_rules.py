"""What commands make of a job, and what they refuse."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from services.gateway.domain.actor import SYSTEM, Actor
from services.gateway.domain.job import (
    CreateJob,
    DeleteJob,
    DuplicateJobName,
    InvalidJob,
    JobCommand,
    JobNotFound,
    JobState,
    NotDeleted,
    RestoreJob,
    UpdateJob,
    decide,
)
from shared.domain.job import Notifications
from shared.domain.schedule import CronSchedule, InvalidSchedule, NeverFires, OneShotSchedule, Schedule
from shared.errors import Conflict, Forbidden, RuleViolation
from shared.events import DomainEvent, JobCreated, JobDeleted, JobEvent, JobRestored, JobUpdated, parse_event
from tests.fixtures.builders import SOME_TIME
from tests.unit.gateway.job_commands import (
    AS_ADMIN,
    AS_OWNER,
    EARLIER,
    JOBS,
    JUST_AFTER,
    LATER,
    NOT_THEIRS,
    NOT_THEIRS_NAMES,
    create,
    delete,
    ending,
    given,
    job_of_owner,
    next_version,
    restore,
    update,
)


class TestCreate:
    def test_a_new_job_is_the_first_version_from_now_on(self) -> None:
        wanted = job_of_owner(version=7, created_at=EARLIER, updated_at=EARLIER, effective_at=EARLIER)
        times = {"version": 1, "created_at": SOME_TIME, "updated_at": SOME_TIME, "effective_at": SOME_TIME}
        given().when(create(wanted)).then(JobCreated(job=wanted.model_copy(update=times)))

    def test_a_taken_name_is_refused(self) -> None:
        job = job_of_owner(name="nightly")
        given().when(create(job, name_taken=True)).then_raises(
            DuplicateJobName, title="Duplicate job name", message='A job named "nightly" already exists.'
        )

    def test_an_id_is_used_once(self) -> None:
        job = job_of_owner()
        given(JobCreated(job=job)).when(create(job)).then_raises(InvalidJob)

    @pytest.mark.parametrize(
        ("fields", "title"),
        [
            ({"name": " \t "}, "Job name cannot be empty"),
            ({"name": "x" * 256}, "Invalid name"),
            ({"timeout_seconds": 0.5}, "Invalid timeout"),
            ({"timeout_seconds": 300.5}, "Invalid timeout"),
            ({"metadata": {"x": "y" * 65_536}}, "Invalid metadata"),
            ({"misfire_grace_seconds": -1}, "Invalid misfire_grace_seconds"),
            ({"misfire_grace_seconds": 7 * 86_400 + 1}, "Invalid misfire_grace_seconds"),
            ({"max_instances": 0}, "Invalid max_instances"),
            ({"max_instances": 101}, "Invalid max_instances"),
            ({"pause_after_failures": 0}, "Invalid pause_after_failures"),
            ({"pause_after_failures": 1001}, "Invalid pause_after_failures"),
        ],
    )
    def test_a_field_that_no_job_may_have_is_refused(self, fields: dict[str, Any], title: str) -> None:
        given().when(create(job_of_owner(**fields))).then_raises(InvalidJob, title=title)

    @pytest.mark.parametrize(
        ("schedule", "error", "title"),
        [
            (CronSchedule(expression="* * * *", timezone="UTC"), InvalidSchedule, "Invalid cron expression"),
            (CronSchedule(expression="0 0 31 2 *", timezone="UTC"), NeverFires, "Invalid cron expression"),
            (
                CronSchedule(expression="* * * * *", timezone="Mars/Base"),
                InvalidSchedule,
                "Invalid time zone",
            ),
            (OneShotSchedule(at=EARLIER, timezone="UTC"), NeverFires, "Invalid schedule"),
        ],
    )
    def test_a_schedule_that_cannot_be_kept_is_refused(
        self, schedule: Schedule, error: type[InvalidSchedule], title: str
    ) -> None:
        given().when(create(job_of_owner(schedule=schedule))).then_raises(error, title=title)


class TestUpdate:
    def test_it_carries_the_job_after_and_before(self) -> None:
        before = job_of_owner()
        after = next_version(before, name="new", timeout_seconds=5.0)
        given(JobCreated(job=before)).when(update(before, {"name": "new", "timeout_seconds": 5.0})).then(
            JobUpdated(job=after, before=before)
        )

    def test_one_that_changes_nothing_emits_nothing(self) -> None:
        job = job_of_owner(name="same")
        given(JobCreated(job=job)).when(update(job, {"name": "same", "is_active": True})).then()
        given(JobCreated(job=job)).when(update(job, {})).then()

    def test_a_job_that_never_was_is_not_found(self) -> None:
        job = job_of_owner()
        given().when(update(job, {"name": "new"})).then_raises(
            JobNotFound, title="Job not found", message=f"No job found with ID: {job.id}"
        )

    def test_a_deleted_job_is_not_found(self) -> None:
        job = job_of_owner()
        gone = JobDeleted(before=job, version=2, effective_at=LATER)
        given(JobCreated(job=job), gone).when(update(job, {"name": "new"})).then_raises(JobNotFound)

    def test_a_taken_name_is_refused(self) -> None:
        job = job_of_owner()
        given(JobCreated(job=job)).when(update(job, {"name": "nightly"}, name_taken=True)).then_raises(
            DuplicateJobName, message='A job named "nightly" already exists.'
        )

    def test_a_field_that_no_job_may_have_is_refused(self) -> None:
        job = job_of_owner()
        given(JobCreated(job=job)).when(update(job, {"name": ""})).then_raises(
            InvalidJob, title="Job name cannot be empty"
        )

    def test_the_system_says_why_it_pauses_a_job(self) -> None:
        job = job_of_owner(schedule=ending(date(2026, 1, 1)))
        given(JobCreated(job=job)).when(update(job, {"is_active": False}, actor=SYSTEM, reason="ended")).then(
            JobUpdated(job=next_version(job, is_active=False), before=job, reason="ended")
        )

    def test_it_pauses_a_job_that_could_not_be_made_any_more(self) -> None:
        job = job_of_owner(metadata={"x": "y" * 65_536})
        pause = update(job, {"is_active": False}, actor=SYSTEM, reason="ended")
        given(JobCreated(job=job)).when(pause).then(
            JobUpdated(job=next_version(job, is_active=False), before=job, reason="ended")
        )

    def test_metadata_with_true_in_place_of_1_is_another(self) -> None:
        job = job_of_owner(metadata={"a": [1, {"b": 0}]})
        for metadata in ({"a": [True, {"b": 0}]}, {"a": [1, {"b": False}]}):
            after = next_version(job, metadata=metadata)
            given(JobCreated(job=job)).when(update(job, {"metadata": metadata})).then(
                JobUpdated(job=after, before=job)
            )
        given(JobCreated(job=job)).when(update(job, {"metadata": {"a": [1.0, {"b": 0}]}})).then()


class TestNotifications:
    ON = Notifications(email_enabled=True, emails=("ops@example.com",), on_success=True)
    OFF = Notifications(email_enabled=False, emails=("ops@example.com",), on_success=True)
    FORGOTTEN = Notifications(email_enabled=False, on_success=True)

    def test_addresses_of_a_new_job_are_kept_only_if_mail_is_enabled(self) -> None:
        for wanted, kept in ((self.ON, self.ON), (self.OFF, self.FORGOTTEN)):
            job = job_of_owner(notifications=wanted)
            given().when(create(job)).then(JobCreated(job=job.model_copy(update={"notifications": kept})))

    def test_they_are_forgotten_when_it_is_disabled(self) -> None:
        job = job_of_owner(notifications=self.ON)
        after = next_version(job, notifications=self.FORGOTTEN)
        given(JobCreated(job=job)).when(update(job, {"notifications": self.OFF})).then(
            JobUpdated(job=after, before=job)
        )

    def test_while_it_is_disabled_new_ones_change_nothing(self) -> None:
        job = job_of_owner(notifications=self.FORGOTTEN)
        given(JobCreated(job=job)).when(update(job, {"notifications": self.OFF})).then()


class TestOwnership:
    @pytest.mark.parametrize("actor", NOT_THEIRS, ids=NOT_THEIRS_NAMES)
    def test_others_may_neither_change_nor_delete_it(self, actor: Actor) -> None:
        job = job_of_owner()
        before = given(JobCreated(job=job))
        before.when(update(job, {"name": "new"}, actor=actor)).then_raises(Forbidden)
        before.when(update(job, {}, actor=actor)).then_raises(Forbidden)
        before.when(delete(job.id, actor=actor)).then_raises(Forbidden)

    @pytest.mark.parametrize("actor", [AS_OWNER, AS_ADMIN, SYSTEM], ids=["owner", "admin", "system"])
    def test_its_owner_administrators_and_the_system_may(self, actor: Actor) -> None:
        job = job_of_owner()
        before = given(JobCreated(job=job))
        after = next_version(job, is_active=False)
        before.when(update(job, {"is_active": False}, actor=actor)).then(JobUpdated(job=after, before=job))
        before.when(delete(job.id, actor=actor)).then(JobDeleted(before=job, version=2, effective_at=LATER))


class TestDelete:
    def test_it_says_what_is_gone_and_which_change_that_is(self) -> None:
        first = job_of_owner()
        second = next_version(first, SOME_TIME, JUST_AFTER, name="second")
        given(JobCreated(job=first), JobUpdated(job=second, before=first)).when(delete(first.id)).then(
            JobDeleted(before=second, version=3, effective_at=LATER)
        )

    def test_what_is_gone_cannot_be_deleted_again(self) -> None:
        job = job_of_owner()
        gone = JobDeleted(before=job, version=2, effective_at=LATER)
        given(JobCreated(job=job), gone).when(delete(job.id)).then_raises(JobNotFound)
        given().when(delete(job.id)).then_raises(JobNotFound)


class TestRestore:
    def test_the_job_is_back_as_it_was_with_the_next_version(self) -> None:
        job = job_of_owner()
        gone = JobDeleted(before=job, version=2, effective_at=SOME_TIME)
        after = next_version(job, effective_at=LATER).model_copy(update={"version": 3})
        given(JobCreated(job=job), gone).when(restore(job.id)).then(JobRestored(job=after))
        given(gone).when(restore(job.id)).then(JobRestored(job=after))

    def test_it_is_in_force_after_its_deletion_whatever_the_clock_says(self) -> None:
        job = job_of_owner()
        gone = JobDeleted(before=job, version=2, effective_at=LATER)
        times = {"version": 3, "updated_at": EARLIER, "effective_at": LATER + timedelta(microseconds=1)}
        given(gone).when(restore(job.id, now=EARLIER)).then(JobRestored(job=job.model_copy(update=times)))

    def test_one_whose_last_day_is_over_comes_back_paused(self) -> None:
        job = job_of_owner(schedule=ending(date(2026, 11, 20)))
        gone = JobDeleted(before=job, version=2, effective_at=SOME_TIME)
        after = next_version(job, is_active=False).model_copy(update={"version": 3})
        given(gone).when(restore(job.id)).then(JobRestored(job=after))

    def test_what_is_there_cannot_be_restored(self) -> None:
        job = job_of_owner()
        gone = JobDeleted(before=job, version=2, effective_at=LATER)
        back = JobRestored(job=next_version(job).model_copy(update={"version": 3}))
        given(JobCreated(job=job)).when(restore(job.id)).then_raises(NotDeleted)
        given(JobCreated(job=job), gone, back).when(restore(job.id)).then_raises(NotDeleted)

    def test_what_never_was_is_not_found(self) -> None:
        given().when(restore(uuid4())).then_raises(JobNotFound)

    def test_a_taken_name_is_refused(self) -> None:
        job = job_of_owner()
        gone = JobDeleted(before=job, version=2, effective_at=LATER)
        given(gone).when(restore(job.id, name_taken=True)).then_raises(DuplicateJobName)

    @pytest.mark.parametrize("actor", NOT_THEIRS, ids=NOT_THEIRS_NAMES)
    def test_others_may_not(self, actor: Actor) -> None:
        job = job_of_owner()
        gone = JobDeleted(before=job, version=2, effective_at=LATER)
        given(gone).when(restore(job.id, actor=actor)).then_raises(Forbidden)
        given(JobCreated(job=job)).when(restore(job.id, actor=actor)).then_raises(Forbidden)


class TestVersions:
    def test_they_follow_one_another_when_the_clock_goes_back(self) -> None:
        first = job_of_owner()
        second = next_version(first, EARLIER, JUST_AFTER, name="second")
        given(JobCreated(job=first)).when(update(first, {"name": "second"}, now=EARLIER)).then(
            JobUpdated(job=second, before=first)
        )
        given(JobCreated(job=first), JobUpdated(job=second, before=first)).when(
            delete(first.id, now=EARLIER)
        ).then(JobDeleted(before=second, version=3, effective_at=JUST_AFTER + timedelta(microseconds=1)))

    def test_they_go_on_behind_a_deletion(self) -> None:
        job = job_of_owner()
        gone = JobDeleted(before=job, version=2, effective_at=SOME_TIME)
        times = {"version": 3, "effective_at": JUST_AFTER}
        given(JobCreated(job=job), gone).when(create(job)).then(
            JobCreated(job=job.model_copy(update=times)),
        )


A_JOB = job_of_owner()
DAYS = [None, *(date(year, 6, 1) for year in (2021, 2027, 2030, 2031, 2032))]
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["one", "two", "three", "x" * 256]),
        "is_active": st.booleans(),
        "schedule": st.sampled_from([ending(day) for day in DAYS]),
        "metadata": st.dictionaries(st.text(), st.integers(-(2**63), 2**63 - 1) | st.none()),
        "notifications": st.builds(
            Notifications,
            on_success=st.booleans(),
            email_enabled=st.booleans(),
            emails=st.just(("a@example.com",)),
        ),
        "timeout_seconds": st.floats(1, 310),
    },
)
FACTS: dict[str, Any] = {
    "actor": st.sampled_from([AS_OWNER, AS_ADMIN, SYSTEM, NOT_THEIRS[0]]),
    "now": st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 # UTC
}
NAME_TAKEN: dict[str, Any] = {"name_taken": st.sampled_from([False, False, False, True])}
UPDATES = st.builds(UpdateJob, job_id=st.just(A_JOB.id), changes=CHANGES, **FACTS, **NAME_TAKEN)
COMMANDS = st.one_of(
    st.builds(CreateJob, job=st.just(A_JOB), **FACTS, **NAME_TAKEN),
    UPDATES,
    UPDATES,
    st.builds(DeleteJob, job_id=st.just(A_JOB.id), **FACTS),
    st.builds(RestoreJob, job_id=st.just(A_JOB.id), slugs=st.just({}), **FACTS, **NAME_TAKEN),
)


@for_all(st.lists(COMMANDS, min_size=5, max_size=25))
def test_every_sequence_that_is_decided_folds_and_counts_up(commands: list[JobCommand]) -> None:
    state, events = JobState(), list[DomainEvent]()
    for command in commands:
        try:
            decided = decide(command, state)
        except (RuleViolation, JobNotFound, Forbidden, Conflict):
            continue
        events += decided
        state = JOBS.fold(*events)
    reached = [JOBS.fold(*events[:count]) for count in range(1, len(events) + 1)]
    assert [one.version for one in reached] == list(range(1, len(events) + 1))
    moments = [one.effective_at for one in reached if one.effective_at is not None]
    assert moments == sorted(set(moments))
    assert len(moments) == len(events)
    for event in events:
        assert isinstance(event, JobEvent)
        assert parse_event(event.type, event.schema_version, event.body()) == event
