"""What commands make of a job whose last day, or whose only instant, is over or to come."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.gateway.domain.job import (
    InvalidJob,
    JobExpired,
)
from shared.domain.schedule import NeverFires, OneShotSchedule, Schedule
from shared.events import JobCreated, JobDeleted, JobRestored, JobUpdated
from tests.fixtures.builders import SOME_TIME
from tests.unit.gateway.job_commands import (
    EARLIER,
    LATER,
    create,
    ending,
    given,
    job_of_owner,
    next_version,
    restore,
    update,
)


class TestEndDate:
    # 23:30 on the 21st in Tokyo, 14:30 in London, 09:30 in New York.
    NOW = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
    AFTER_MIDNIGHT = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
    THE_21ST = date(2026, 11, 21)

    def test_today_in_the_jobs_zone_is_taken(self) -> None:
        assert given().when(create(job_of_owner(schedule=ending(self.THE_21ST)), now=self.NOW)).events()

    def test_yesterday_in_the_jobs_zone_is_refused(self) -> None:
        tokyo = job_of_owner(schedule=ending(self.THE_21ST))
        given().when(create(tokyo, now=self.AFTER_MIDNIGHT)).then_raises(
            InvalidJob, title="Invalid end_date", message="end_date must be today or in the future"
        )

    def test_the_same_moment_is_another_day_elsewhere(self) -> None:
        new_york = job_of_owner(schedule=ending(self.THE_21ST, "America/New_York"))
        assert given().when(create(new_york, now=self.AFTER_MIDNIGHT)).events()

    def test_an_update_to_a_day_that_is_over_is_refused(self) -> None:
        job = job_of_owner(schedule=ending(None))
        given(JobCreated(job=job)).when(update(job, {"schedule": ending(date(2026, 11, 20))})).then_raises(
            InvalidJob, title="Invalid end_date"
        )

    def test_a_job_that_has_ended_may_still_be_renamed(self) -> None:
        job = job_of_owner(schedule=ending(date(2026, 1, 1)))
        after = next_version(job, name="kept for the record")
        given(JobCreated(job=job)).when(update(job, {"name": "kept for the record"})).then(
            JobUpdated(job=after, before=job)
        )

    def test_a_job_that_has_ended_cannot_be_enabled(self) -> None:
        job = job_of_owner(schedule=ending(date(2026, 11, 20)), is_active=False)
        given(JobCreated(job=job)).when(update(job, {"is_active": True})).then_raises(
            JobExpired, title="Job expired"
        )

    def test_it_is_enabled_together_with_a_later_end(self) -> None:
        job = job_of_owner(schedule=ending(date(2026, 11, 20)), is_active=False)
        changes: dict[str, Any] = {"is_active": True, "schedule": ending(date(2026, 11, 30))}
        given(JobCreated(job=job)).when(update(job, changes)).then(
            JobUpdated(job=next_version(job, **changes), before=job)
        )


class TestOneShot:
    OVER = OneShotSchedule(at=SOME_TIME, timezone="Asia/Tokyo")
    TO_COME = OneShotSchedule(at=LATER + timedelta(hours=1), timezone="Asia/Tokyo")

    def test_a_job_whose_time_is_over_may_still_be_renamed_and_paused(self) -> None:
        job = job_of_owner(schedule=self.OVER)
        for changes in ({"name": "kept for the record"}, {"is_active": False}):
            given(JobCreated(job=job)).when(update(job, changes)).then(
                JobUpdated(job=next_version(job, **changes), before=job)
            )

    def test_it_can_neither_be_enabled_nor_moved_to_another_time_that_is_over(self) -> None:
        job = job_of_owner(schedule=self.OVER, is_active=False)
        for changes in ({"is_active": True}, {"schedule": self.OVER.model_copy(update={"at": EARLIER})}):
            given(JobCreated(job=job)).when(update(job, changes)).then_raises(NeverFires)

    def test_it_is_enabled_together_with_a_time_to_come(self) -> None:
        job = job_of_owner(schedule=self.OVER, is_active=False)
        changes: dict[str, Any] = {"is_active": True, "schedule": self.TO_COME}
        given(JobCreated(job=job)).when(update(job, changes)).then(
            JobUpdated(job=next_version(job, **changes), before=job)
        )

    @pytest.mark.parametrize(("schedule", "is_active"), [(OVER, False), (TO_COME, True)])
    def test_it_comes_back_paused_if_its_time_is_over(self, schedule: Schedule, is_active: bool) -> None:
        job = job_of_owner(schedule=schedule)
        gone = JobDeleted(before=job, version=2, effective_at=SOME_TIME)
        after = next_version(job, is_active=is_active).model_copy(update={"version": 3})
        given(gone).when(restore(job.id)).then(JobRestored(job=after))
