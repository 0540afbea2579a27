"""What administrators are told of the auditor's findings."""

from datetime import timedelta
from uuid import uuid4

import pytest

from services.notifier.alerts import of_alert
from services.notifier.directory import Directory
from services.notifier.occasion import Told
from services.notifier.rules import NEWS
from shared.events import Alert, InstantsUnaccounted, NotificationPosted, SchedulerHeard, SchedulerSilent
from tests.fixtures.builders import SOME_TIME
from tests.fixtures.notices import (
    directory_of,
    job_url,
    mails,
    make_alert,
    make_slack,
    make_team,
    person,
    records,
    slack_texts,
)

SILENT = SchedulerSilent(since=SOME_TIME, at=SOME_TIME)
HEARD = SchedulerHeard(since=SOME_TIME, at=SOME_TIME)
LATER = timedelta(minutes=5)


def told_of(alert: Alert, directory: Directory) -> list[Told]:
    return of_alert(alert, directory, job_url, SOME_TIME)


def shown(record: NotificationPosted) -> tuple[str, str, str]:
    return record.level, record.title, record.message


def test_instants_that_are_unaccounted_for_are_an_error_of_their_job() -> None:
    admin = person(role="admin")
    alert = make_alert(job_name="nightly", count=3, to=SOME_TIME + LATER)
    [record] = records(told_of(alert, directory_of(admin)))
    assert shown(record) == (
        "error",
        "Planned runs unaccounted for",
        "Job 'nightly': nothing was decided on 3 planned runs from 2026-11-21 12:00:00 UTC to "
        "2026-11-21 12:05:00 UTC. They are on record as missed.",
    )
    assert (record.user_id, record.related_job_id, record.created_at) == (admin.id, alert.job_id, alert.at)


def test_a_single_instant_is_named_as_one() -> None:
    [record] = records(told_of(make_alert(job_name="nightly"), directory_of(person(role="admin"))))
    assert record.message == (
        "Job 'nightly': nothing was decided on the planned run of 2026-11-21 12:00:00 UTC. "
        "It is on record as missed."
    )


def test_a_silent_scheduler_is_a_warning_and_one_that_is_heard_again_a_success() -> None:
    directory = directory_of(person(role="admin"))
    assert [shown(record) for alert in (SILENT, HEARD) for record in records(told_of(alert, directory))] == [
        (
            "warning",
            "Scheduler silent",
            "No decision on planned runs has been recorded since 2026-11-21 12:00:00 UTC: "
            "they do not begin, or nobody writes down that they do.",
        ),
        (
            "success",
            "Scheduler back",
            "Decisions on planned runs are recorded again; there were none since 2026-11-21 12:00:00 UTC.",
        ),
    ]


@pytest.mark.parametrize("alert", [make_alert(), SILENT, HEARD], ids=lambda alert: alert.type)
class TestAnyAlert:
    def test_all_active_administrators_are_told_and_nobody_else(self, alert: Alert) -> None:
        admins = [person(role="admin"), person(role="admin")]
        others = [person(), person(role="admin", is_active=False)]
        told = told_of(alert, directory_of(*admins, *others))
        assert {record.user_id for record in records(told)} == {admin.id for admin in admins}
        assert len(told) == 2

    def test_slack_hears_of_it_once_without_a_team_and_nobody_is_mailed(self, alert: Alert) -> None:
        admins = [person(role="admin", email_on_job_disabled=True) for _ in range(2)]
        told = told_of(alert, directory_of(make_slack(), make_team(), *admins))
        [text] = slack_texts(told)
        assert "@" not in text
        assert mails(told) == []

    def test_telling_it_twice_tells_it_once(self, alert: Alert) -> None:
        directory = directory_of(make_slack(), person(role="admin"))
        first, second = told_of(alert, directory), told_of(alert, directory)
        assert [one.notification_id for one in first] == [one.notification_id for one in second]
        assert len({one.notification_id for one in first}) == 2

    def test_old_news_is_told_to_nobody(self, alert: Alert) -> None:
        directory = directory_of(make_slack(), person(role="admin"))
        assert of_alert(alert, directory, job_url, alert.at + NEWS) != []
        assert of_alert(alert, directory, job_url, alert.at + NEWS + timedelta(seconds=1)) == []


def test_other_alerts_are_other_news() -> None:
    job_id = uuid4()
    alerts: list[Alert] = [
        make_alert(job_id=job_id),
        make_alert(job_id=job_id, **{"from": SOME_TIME + LATER}),
        make_alert(),
        SILENT,
        HEARD,
        SchedulerSilent(since=SOME_TIME + LATER, at=SOME_TIME + LATER),
        SchedulerHeard(since=SOME_TIME + LATER, at=SOME_TIME + LATER),
    ]
    directory = directory_of(make_slack(), person(role="admin"))
    told = [one.notification_id for alert in alerts for one in told_of(alert, directory)]
    assert len(set(told)) == len(told) == 2 * len(alerts)


def test_slack_links_to_the_job_and_its_name_mentions_nobody() -> None:
    alert = make_alert(job_name="<!channel> & <https://evil.example|click>")
    [text] = slack_texts(told_of(alert, directory_of(make_slack())))
    assert text == (
        ":red_circle: Planned runs unaccounted for: Job '&lt;!channel&gt; &amp; "
        "&lt;https://evil.example|click&gt;': nothing was decided on the planned run of "
        "2026-11-21 12:00:00 UTC. It is on record as missed.\n"
        f"<{job_url(alert.job_id)}|Open the job>"
    )


def test_slack_is_told_of_the_scheduler_in_a_line() -> None:
    [text] = slack_texts(told_of(HEARD, directory_of(make_slack())))
    assert text == (
        ":white_check_mark: Scheduler back: Decisions on planned runs are recorded again; "
        "there were none since 2026-11-21 12:00:00 UTC."
    )


def test_an_alert_of_a_range_survives_the_bus() -> None:
    alert = make_alert(count=2, to=SOME_TIME + LATER)
    assert InstantsUnaccounted.model_validate(alert.body()) == alert
