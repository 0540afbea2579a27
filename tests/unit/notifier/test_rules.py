"""Who is told what."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.rules import MAX_ERROR_LENGTH, MAX_MAILED_ERROR_LENGTH, NEWS, Rules
from shared.domain.execution import Phase
from shared.domain.ids import failure_notification_id
from shared.domain.job import Job, Notifications
from shared.domain.schedule import CronSchedule
from shared.events import JobUpdated, NotificationPosted, UserDeleted
from tests.fixtures.builders import SOME_TIME, make_job
from tests.fixtures.notices import (
    RULES,
    directory_of,
    job_url,
    mailing_job,
    mails,
    make_slack,
    make_team,
    person,
    records,
    report_of,
    slack_texts,
)

MONDAY = date(2026, 11, 23)


def ended(job: Job | None = None, reason: str | None = "ended") -> JobUpdated:
    """A job that was paused because its last day is over, or because of something else."""
    schedule = CronSchedule(expression="0 9 * * *", timezone="Asia/Tokyo", end_date=date(2026, 11, 20))
    before = (job or make_job(name="nightly")).model_copy(update={"schedule": schedule})
    after = before.model_copy(update={"version": 2, "is_active": False})
    return JobUpdated.model_validate({"job": after, "before": before, "reason": reason})


class TestFailure:
    def test_the_owner_finds_it_in_the_inbox(self) -> None:
        job = make_job(name="nightly")
        report = report_of(job)
        assert RULES.of_report(report, directory_of()) == [
            NotificationPosted(
                notification_id=failure_notification_id(report.facts.execution_id, job.owner_id),
                user_id=job.owner_id,
                title="Job Failed",
                message="Job 'nightly' failed with error: HTTP 500",
                level="error",
                related_job_id=job.id,
                related_execution_id=report.facts.execution_id,
                created_at=report.at,
            )
        ]

    def test_an_owner_who_was_deleted_is_told_nothing_and_the_addresses_are(self) -> None:
        owner = person()
        directory = directory_of(owner)
        directory.take(UserDeleted(before=owner, version=2))
        told = RULES.of_report(report_of(mailing_job("ops@example.com", owner_id=owner.id)), directory)
        assert records(told) == []
        assert [mail.to for mail in mails(told)] == ["ops@example.com"]

    def test_each_address_gets_one_mail_whatever_its_capitals(self) -> None:
        job = mailing_job("Ops@example.com", "dev@example.com", "ops@EXAMPLE.com")
        report = report_of(job, error="Webhook returned status 500")
        told = mails(RULES.of_report(report, directory_of()))
        assert [mail.to for mail in told] == ["Ops@example.com", "dev@example.com"]
        assert len({mail.notification_id for mail in told}) == 2
        assert {mail.about for mail in told} == {"failure"}
        assert (told[0].job_name, told[0].job_id, told[0].job_url, told[0].error) == (
            "nightly",
            job.id,
            job_url(job.id),
            "Webhook returned status 500",
        )

    def test_without_the_switch_nobody_is_mailed(self) -> None:
        job = make_job(notifications=Notifications(email_enabled=False, emails=("ops@example.com",)))
        assert mails(RULES.of_report(report_of(job), directory_of())) == []

    def test_an_installation_without_mail_mails_nobody(self) -> None:
        rules = Rules(job_url=job_url, mails=False)
        told = rules.of_report(report_of(mailing_job("ops@example.com")), directory_of())
        assert (len(records(told)), mails(told)) == (1, [])

    def test_who_has_switched_such_mails_off_is_not_mailed_and_finds_it_in_the_inbox(self) -> None:
        owner = person(email="Grace@example.com", email_on_job_failure=False)
        job = mailing_job("grace@example.com", "ops@example.com", owner_id=owner.id)
        told = RULES.of_report(report_of(job), directory_of(owner))
        assert [mail.to for mail in mails(told)] == ["ops@example.com"]
        assert [record.user_id for record in records(told)] == [owner.id]

    def test_the_other_preferences_make_no_difference(self) -> None:
        grace = person(
            email="grace@example.com",
            email_on_job_success=False,
            email_on_job_disabled=False,
            browser_notifications=True,
        )
        told = RULES.of_report(report_of(mailing_job("grace@example.com")), directory_of(grace))
        assert [mail.to for mail in mails(told)] == ["grace@example.com"]

    def test_a_dead_letter_is_a_failure_and_the_same_one(self) -> None:
        job = mailing_job("ops@example.com")
        failed = RULES.of_report(report_of(job, Phase.FAILED), directory_of(make_slack()))
        dead = RULES.of_report(report_of(job, Phase.DEAD_LETTER), directory_of(make_slack()))
        assert [one.notification_id for one in dead] == [one.notification_id for one in failed]
        assert "no reason was given" in records(dead)[0].message

    def test_what_was_lost_is_a_failure_of_which_nothing_was_heard(self) -> None:
        report = report_of(mailing_job("ops@example.com", name="nightly"), Phase.LOST)
        told = RULES.of_report(report, directory_of(make_slack()))
        assert [(one.title, one.level, one.message) for one in records(told)] == [
            ("Job Failed", "error", "Job 'nightly' failed with error: nothing was heard of it")
        ]
        assert [(mail.about, mail.error) for mail in mails(told)] == [("failure", "nothing was heard of it")]
        assert "\nnothing was heard of it\n" in slack_texts(told)[0]

    @pytest.mark.parametrize("later", [Phase.FAILED, Phase.DEAD_LETTER])
    def test_what_was_lost_and_then_fails_is_the_same_failure(self, later: Phase) -> None:
        job, directory = mailing_job("ops@example.com"), directory_of(make_slack())
        lost = RULES.of_report(report_of(job, Phase.LOST), directory)
        failed = RULES.of_report(report_of(job, later), directory)
        assert [one.notification_id for one in failed] == [one.notification_id for one in lost]

    def test_what_was_lost_and_then_succeeds_is_told_only_where_successes_are(self) -> None:
        quiet, loud = mailing_job("ops@example.com"), mailing_job("ops@example.com", on_success=True)
        assert RULES.of_report(report_of(quiet, Phase.SUCCEEDED), directory_of(make_slack())) == []
        told = RULES.of_report(report_of(loud, Phase.SUCCEEDED), directory_of(make_slack()))
        assert [one.title for one in records(told)] == ["Job Completed"]

    def test_what_fails_again_after_a_redrive_is_told_again(self) -> None:
        job, directory = mailing_job("ops@example.com"), directory_of(make_slack())
        first = RULES.of_report(report_of(job), directory)
        second = RULES.of_report(report_of(job, redrive=1), directory)
        assert len({one.notification_id for one in first + second}) == 6

    def test_errors_are_cut(self) -> None:
        told = RULES.of_report(
            report_of(mailing_job("ops@example.com"), error="x" * 10_000), directory_of(make_slack())
        )
        assert records(told)[0].message.count("x") == MAX_ERROR_LENGTH
        assert len(mails(told)[0].error or "") == MAX_MAILED_ERROR_LENGTH
        assert slack_texts(told)[0].count("x") < MAX_ERROR_LENGTH

    @pytest.mark.parametrize(
        "phase",
        sorted(set(Phase) - {Phase.FAILED, Phase.DEAD_LETTER, Phase.LOST, Phase.SUCCEEDED}),
    )
    def test_other_steps_are_told_to_nobody(self, phase: Phase) -> None:
        job = mailing_job("ops@example.com", on_success=True)
        assert RULES.of_report(report_of(job, phase), directory_of(make_slack())) == []


class TestSlack:
    def test_it_names_team_job_error_and_link(self) -> None:
        job = make_job(name="nightly", pic_team="operations")
        report = report_of(job, error="\nHTTP 500\nTraceback: much more")
        told = RULES.of_report(report, directory_of(make_slack(), make_team()))
        assert slack_texts(told) == [
            f":red_circle: @operations Job failed: nightly\nHTTP 500\n<{job_url(job.id)}|Open the job>"
        ]

    def test_a_job_without_a_team_mentions_nobody(self) -> None:
        told = RULES.of_report(report_of(make_job(name="nightly")), directory_of(make_slack(), make_team()))
        assert slack_texts(told)[0].startswith(":red_circle: Job failed: nightly\n")

    def test_names_and_errors_mention_nobody_and_link_nowhere(self) -> None:
        job = make_job(name="<!channel> & <https://evil.example|click>\nsecond line")
        told = RULES.of_report(report_of(job, error="<!here>"), directory_of(make_slack()))
        assert slack_texts(told)[0].splitlines()[:2] == [
            ":red_circle: Job failed: &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; second line",
            "&lt;!here&gt;",
        ]

    @pytest.mark.parametrize(
        ("handle", "shown"),
        [
            ("@ops", "@ops"),
            ("<@U024BE7LH>", "<@U024BE7LH>"),
            ("<!subteam^S0614TZR7>", "<!subteam^S0614TZR7>"),
            ("<https://evil.example|ops>", "&lt;https://evil.example|ops&gt;"),
        ],
    )
    def test_a_handle_mentions_whom_an_administrator_wants(self, handle: str, shown: str) -> None:
        directory = directory_of(make_slack(), make_team(slack_handle=handle))
        told = RULES.of_report(report_of(make_job(pic_team="operations")), directory)
        assert slack_texts(told)[0].startswith(f":red_circle: {shown} Job failed: ")

    @given(name=st.text(), error=st.text())
    def test_whatever_is_written_there_are_no_brackets_but_ours(self, name: str, error: str) -> None:
        told = RULES.of_report(report_of(make_job(name=name), error=error), directory_of(make_slack()))
        [text] = slack_texts(told)
        body, _, link = text.rpartition("\n")
        assert "<" not in body
        assert ">" not in body
        assert link.startswith("<https://jobs.example.com/jobs/")
        assert len(text.split("\n")) == 3


class TestSuccess:
    def test_it_is_told_only_when_asked_for(self) -> None:
        report = report_of(mailing_job("ops@example.com"), Phase.SUCCEEDED)
        assert RULES.of_report(report, directory_of(make_slack())) == []

    def test_owner_and_addresses_are_told_and_slack_is_not(self) -> None:
        job = mailing_job("ops@example.com", on_success=True)
        report = report_of(job, Phase.SUCCEEDED, duration_seconds=45.234)
        told = RULES.of_report(report, directory_of(make_slack()))
        [record] = records(told)
        assert (record.user_id, record.title, record.level) == (job.owner_id, "Job Completed", "success")
        assert record.message == "Job 'nightly' completed successfully."
        [mail] = mails(told)
        assert (mail.to, mail.about, mail.duration_seconds, mail.error) == (
            "ops@example.com",
            "success",
            45.234,
            None,
        )
        assert slack_texts(told) == []

    def test_who_has_switched_such_mails_off_is_not_mailed(self) -> None:
        grace = person(email="grace@example.com", email_on_job_success=False)
        job = mailing_job("grace@example.com", "ops@example.com", on_success=True)
        told = RULES.of_report(report_of(job, Phase.SUCCEEDED), directory_of(grace))
        assert [mail.to for mail in mails(told)] == ["ops@example.com"]


class TestAutoPause:
    def test_owner_and_administrators_are_warned_once_each(self) -> None:
        owner, admin = person(role="admin"), person(role="admin")
        event = ended(make_job(name="nightly", owner_id=owner.id, pic_team="operations"))
        told = RULES.of_change(event, directory_of(owner, admin, person()), SOME_TIME)
        assert {record.user_id for record in records(told)} == {owner.id, admin.id}
        assert len(records(told)) == len(told) == 2
        assert {(record.title, record.level, record.message) for record in records(told)} == {
            (
                "Job auto-paused (end date passed)",
                "warning",
                "Job 'nightly' was paused: its last day was 2026-11-20 (Asia/Tokyo). PIC team: operations",
            )
        }

    def test_the_owner_is_mailed_if_they_want_that(self) -> None:
        owner = person(email="grace@example.com", email_on_job_disabled=True)
        told = mails(RULES.of_change(ended(make_job(owner_id=owner.id)), directory_of(owner), SOME_TIME))
        assert [(mail.to, mail.about, mail.last_day) for mail in told] == [
            ("grace@example.com", "ended", date(2026, 11, 20))
        ]

    @pytest.mark.parametrize(
        "owner", [person(), person(email_on_job_disabled=True, is_active=False)], ids=["default", "inactive"]
    )
    def test_otherwise_not(self, owner: object) -> None:
        assert isinstance(owner, type(person()))
        event = ended(make_job(owner_id=owner.id))
        assert mails(RULES.of_change(event, directory_of(owner), SOME_TIME)) == []

    def test_slack_is_told_with_handle_and_link(self) -> None:
        event = ended(make_job(name="a <b>", pic_team="operations"))
        told = RULES.of_change(event, directory_of(make_slack(), make_team()), SOME_TIME)
        assert slack_texts(told) == [
            ":warning: @operations Job auto-paused, its last day was 2026-11-20 (Asia/Tokyo): a &lt;b&gt;\n"
            f"<{job_url(event.job.id)}|Open the job>"
        ]

    def test_a_persons_own_pause_tells_nobody(self) -> None:
        directory = directory_of(make_slack(), person(role="admin"))
        assert RULES.of_change(ended(reason=None), directory, SOME_TIME) == []

    def test_old_news_is_told_to_nobody(self) -> None:
        directory = directory_of(make_slack(), person(role="admin"))
        assert RULES.of_change(ended(), directory, SOME_TIME + NEWS) != []
        assert RULES.of_change(ended(), directory, SOME_TIME + NEWS + timedelta(seconds=1)) == []

    def test_ending_twice_is_told_twice(self) -> None:
        directory = directory_of(make_slack())
        first = ended()
        again = first.model_copy(update={"job": first.job.model_copy(update={"version": 5})})
        told = RULES.of_change(first, directory, SOME_TIME) + RULES.of_change(again, directory, SOME_TIME)
        assert len({one.notification_id for one in told}) == 4


class TestPauseAfterFailures:
    def failing(self, failures: int | None = 5, **overrides: Any) -> JobUpdated:
        return ended(make_job(name="nightly", pause_after_failures=failures, **overrides), reason="failing")

    @pytest.mark.parametrize(
        ("failures", "words"),
        [(5, "failed 5 times in a row"), (1, "failed once"), (None, "failed too often")],
    )
    def test_owner_and_administrators_are_told_how_often_it_failed(
        self, failures: int | None, words: str
    ) -> None:
        owner, admin = person(), person(role="admin")
        event = self.failing(failures, owner_id=owner.id, pic_team="operations")
        told = RULES.of_change(event, directory_of(owner, admin, person()), SOME_TIME)
        assert {record.user_id for record in records(told)} == {owner.id, admin.id}
        assert len(records(told)) == len(told) == 2
        assert {(record.title, record.level, record.message) for record in records(told)} == {
            (
                "Job auto-paused (failures)",
                "warning",
                f"Job 'nightly' was paused: it {words}. PIC team: operations",
            )
        }

    def test_the_owner_is_mailed_if_they_want_that(self) -> None:
        owner = person(email="grace@example.com", email_on_job_disabled=True)
        told = mails(RULES.of_change(self.failing(owner_id=owner.id), directory_of(owner), SOME_TIME))
        assert [(mail.to, mail.about, mail.failures, mail.last_day) for mail in told] == [
            ("grace@example.com", "failing", 5, None)
        ]

    def test_an_owner_who_does_not_want_it_is_not(self) -> None:
        owner = person()
        assert mails(RULES.of_change(self.failing(owner_id=owner.id), directory_of(owner), SOME_TIME)) == []

    def test_slack_is_told_with_handle_and_link(self) -> None:
        event = self.failing(pic_team="operations")
        told = RULES.of_change(event, directory_of(make_slack(), make_team()), SOME_TIME)
        assert slack_texts(told) == [
            ":warning: @operations Job auto-paused, it failed 5 times in a row: nightly\n"
            f"<{job_url(event.job.id)}|Open the job>"
        ]

    def test_old_news_is_told_to_nobody(self) -> None:
        directory = directory_of(make_slack(), person(role="admin"))
        assert RULES.of_change(self.failing(), directory, SOME_TIME + NEWS) != []
        assert RULES.of_change(self.failing(), directory, SOME_TIME + NEWS + timedelta(seconds=1)) == []

    def test_a_job_that_a_calendar_changed_tells_nobody(self) -> None:
        directory = directory_of(make_slack(), person(role="admin"))
        assert RULES.of_change(ended(reason="calendar"), directory, SOME_TIME) == []


class TestReminder:
    NOW = datetime(2026, 11, 23, tzinfo=UTC)

    def job(self) -> Job:
        schedule = CronSchedule(expression="0 9 * * *", timezone="Asia/Tokyo", end_date=date(2026, 11, 30))
        return make_job(name="nightly", schedule=schedule, pic_team="operations")

    @pytest.mark.parametrize(("left", "words"), [(7, "7 days left"), (1, "1 day left"), (0, "0 days left")])
    def test_owner_administrators_and_slack_are_warned(self, left: int, words: str) -> None:
        job, admin = self.job(), person(role="admin")
        directory = directory_of(make_slack(), make_team(), admin)
        told = RULES.of_ending_job(job, left, directory, MONDAY, self.NOW)
        assert {record.user_id for record in records(told)} == {job.owner_id, admin.id}
        assert {(record.title, record.level) for record in records(told)} == {("Job ending soon", "warning")}
        ends = f"ends on 2026-11-30 (Asia/Tokyo) ({words})"
        assert records(told)[0].message == f"Job 'nightly' {ends}. PIC team: operations"
        assert slack_texts(told) == [
            f":warning: @operations Job ending soon: nightly {ends}\n<{job_url(job.id)}|Open the job>"
        ]
        assert mails(told) == []

    def test_ids_follow_from_job_monday_and_person(self) -> None:
        job, directory = self.job(), directory_of(make_slack(), person(role="admin"))
        first = RULES.of_ending_job(job, 7, directory, MONDAY, self.NOW)
        later = RULES.of_ending_job(job, 6, directory, MONDAY, self.NOW + timedelta(days=1))
        next_week = RULES.of_ending_job(job, 0, directory, MONDAY + timedelta(days=7), self.NOW)
        assert [one.notification_id for one in first] == [one.notification_id for one in later]
        assert len({one.notification_id for one in first + next_week}) == 6
