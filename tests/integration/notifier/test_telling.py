"""From a report on the bus to the inbox, the mail server and Slack."""

import asyncio
from datetime import timedelta

from shared.bus import subjects
from shared.clock import utc_now
from shared.domain.execution import Phase
from shared.domain.ids import failure_notification_id, mail_id
from shared.domain.job import Notifications
from shared.events import JobUpdated, SchedulerHeard, SchedulerSilent, UserUpdated
from tests.fixtures.builders import SOME_TIME, make_job, make_user
from tests.fixtures.bus import publish_events
from tests.fixtures.eventually import eventually
from tests.fixtures.notices import BASE_URL, mailing_job, make_alert, make_team, person, report_of
from tests.integration.notifier.world import SLACK_PATH, World

TWO = ("ops@example.com", "dev@example.com")


async def test_a_failure_reaches_inbox_mail_and_slack(world: World) -> None:
    job = mailing_job(*TWO, name="nightly sync", pic_team="operations")
    report = report_of(job, error="Webhook returned status 500\nTraceback")
    await world.know(make_team())
    await world.know_slack(channel="#cron-alerts")
    async with world.notifier():
        await world.report(report)
        mails = await world.mail_server.wait_for(2)
        [call] = await world.receiver.wait_for(1)
        await eventually(world.is_quiet)

    [record] = await world.inbox()
    assert record.notification_id == failure_notification_id(report.facts.execution_id, job.owner_id)
    assert (record.title, record.level, record.user_id) == ("Job Failed", "error", job.owner_id)

    assert {mail.recipients for mail in mails} == {(address,) for address in TWO}
    for mail in mails:
        assert mail.sender == "noreply@jetcron.example"
        assert mail.message["From"] == "jetcron <noreply@jetcron.example>"
        assert mail.message["Subject"] == "🔴 Job Failure Alert: nightly sync"
        for part in ("plain", "html"):
            for text in ("nightly sync", str(job.id), "Webhook returned status 500"):
                assert text in mail.text(part)

    assert (call.method, call.path) == ("POST", SLACK_PATH)
    assert call.headers["content-type"] == "application/json; charset=utf-8"
    assert call.json() == {
        "text": ":red_circle: @operations Job failed: nightly sync\nWebhook returned status 500\n"
        f"<{BASE_URL}/jobs/{job.id}/edit|Open the job>",
        "channel": "#cron-alerts",
    }
    assert await world.marks() == 3


async def test_a_success_is_mailed_only_when_asked_for(world: World) -> None:
    quiet, loud = mailing_job(*TWO, name="quiet"), mailing_job(*TWO, name="loud", on_success=True)
    async with world.notifier():
        await world.report(report_of(quiet, Phase.SUCCEEDED))
        await world.report(report_of(loud, Phase.SUCCEEDED, duration_seconds=45.2345))
        mails = await world.mail_server.wait_for(2)
        await eventually(world.is_quiet)
    assert {mail.message["Subject"] for mail in mails} == {"✅ Job Success: loud"}
    assert all("Duration: 45.23 seconds" in mail.text("plain") for mail in mails)
    assert [(one.title, one.user_id) for one in await world.inbox()] == [("Job Completed", loud.owner_id)]


async def test_who_wants_no_mail_gets_none_from_the_moment_they_say_so(world: World) -> None:
    before = make_user(email="dev@example.com")
    off = person(email_on_job_failure=False).notification_preferences
    after = before.model_copy(update={"version": 2, "notification_preferences": off})
    await world.know(before)
    async with world.notifier():
        await world.report(report_of(mailing_job(*TWO)))
        await world.mail_server.wait_for(2)
        await publish_events(
            world.bus, [(subjects.event("user", after.id), UserUpdated(user=after, before=before))]
        )
        await asyncio.sleep(0.5)  # there is nothing to see of what a notifier knows
        await world.report(report_of(mailing_job(*TWO)))
        mails = await world.mail_server.wait_for(3)
        await eventually(world.is_quiet)
    assert [mail.recipients for mail in mails].count(("ops@example.com",)) == 2
    assert len(world.mail_server.mails) == 3


async def test_without_mail_and_slack_the_inbox_is_told(world: World) -> None:
    async with world.notifier(mail_enabled=False):
        await world.report(report_of(mailing_job(*TWO)))
        await eventually(world.inbox)
        await eventually(world.is_quiet)
    assert world.mail_server.attempts == []
    assert world.receiver.calls == []


async def test_slack_that_is_switched_off_meanwhile_is_not_posted_to(world: World) -> None:
    world.receiver.status = 503
    on = await world.know_slack()
    async with world.notifier():
        await world.report(report_of(make_job()))
        await world.receiver.wait_for(1)
        await world.know(on.model_copy(update={"version": 2, "is_enabled": False}))
        await eventually(world.is_quiet)
    assert len(world.receiver.calls) == 1


async def test_hostile_names_reach_everybody_and_do_nothing(world: World) -> None:
    name = "日本 🚀\r\nBcc: victim@example.com\r\n<!channel> <b>bold</b>"
    job = mailing_job("ops@example.com", name=name)
    await world.know_slack()
    async with world.notifier():
        await world.report(report_of(job, error="<!everyone>\r\n.\r\nRCPT TO:<victim@example.com>"))
        [mail] = await world.mail_server.wait_for(1)
        [call] = await world.receiver.wait_for(1)
    assert world.mail_server.attempts == ["ops@example.com"]
    assert mail.message["Bcc"] is None
    assert mail.message["Subject"] == (
        "🔴 Job Failure Alert: 日本 🚀  Bcc: victim@example.com  <!channel> <b>bold</b>"
    )
    assert "<b>" not in mail.text("html")
    assert "RCPT TO:<victim@example.com>" in mail.text("plain")
    assert "<!" not in call.json()["text"]
    assert "&lt;!channel&gt;" in call.json()["text"]


async def test_an_auto_paused_job_is_told(world: World) -> None:
    now = utc_now()
    owner = person(email="grace@example.com", email_on_job_disabled=True)
    admin = person(role="admin")
    before = make_job(name="over", owner_id=owner.id, pic_team="operations", updated_at=now)
    after = before.model_copy(update={"version": 2, "is_active": False})
    await world.know(owner, admin, make_team())
    await world.know_slack()
    async with world.notifier():
        await world.change(JobUpdated(job=after, before=before, reason="ended"))
        [mail] = await world.mail_server.wait_for(1)
        [call] = await world.receiver.wait_for(1)
        await eventually(world.is_quiet)
    assert mail.recipients == ("grace@example.com",)
    assert "@operations Job auto-paused" in call.json()["text"]
    posted = await world.inbox()
    assert {one.user_id for one in posted} == {owner.id, admin.id}
    assert {(one.title, one.level) for one in posted} == {("Job auto-paused (end date passed)", "warning")}


async def test_a_job_paused_after_failures_is_told(world: World) -> None:
    now = utc_now()
    owner = person(email="grace@example.com", email_on_job_disabled=True)
    admin = person(role="admin")
    before = make_job(name="broken", owner_id=owner.id, pause_after_failures=3, updated_at=now)
    after = before.model_copy(update={"version": 2, "is_active": False})
    await world.know(owner, admin)
    await world.know_slack()
    async with world.notifier():
        await world.change(JobUpdated(job=after, before=before, reason="failing"))
        [mail] = await world.mail_server.wait_for(1)
        [call] = await world.receiver.wait_for(1)
        await eventually(world.is_quiet)
    assert mail.recipients == ("grace@example.com",)
    assert mail.message["Subject"] == "⏸️ Job Paused: broken"
    assert "Failures in a Row: 3" in mail.text("plain")
    assert "Job auto-paused, it failed 3 times in a row: broken" in call.json()["text"]
    posted = await world.inbox()
    assert {one.user_id for one in posted} == {owner.id, admin.id}
    assert {(one.title, one.level) for one in posted} == {("Job auto-paused (failures)", "warning")}


async def test_administrators_are_told_of_alerts(world: World) -> None:
    now = utc_now()
    admin = person(role="admin", email="admin@example.com")
    missing = make_alert(at=now)
    await world.know(admin, person())
    await world.know_slack()
    async with world.notifier():
        await world.alert(missing, SchedulerSilent(since=now, at=now), SchedulerHeard(since=now, at=now))
        calls = await world.receiver.wait_for(3)
        await eventually(world.is_quiet)
    assert world.mail_server.attempts == []
    assert [call.json()["text"].split(": ")[1] for call in calls] == [
        "Planned runs unaccounted for",
        "Scheduler silent",
        "Scheduler back",
    ]
    assert [(one.title, one.level, one.related_job_id) for one in await world.inbox()] == [
        ("Planned runs unaccounted for", "error", missing.job_id),
        ("Scheduler silent", "warning", None),
        ("Scheduler back", "success", None),
    ]


async def test_alerts_that_are_read_again_are_told_once_and_old_ones_not_at_all(world: World) -> None:
    now = utc_now()
    fresh, old = make_alert(at=now), make_alert(at=now - timedelta(days=30))
    await world.know(person(role="admin"))
    await world.know_slack()
    async with world.notifier():
        await world.alert(fresh, fresh, old)
        await world.receiver.wait_for(1)
        await eventually(world.is_quiet)
    assert [one.related_job_id for one in await world.inbox()] == [fresh.job_id]
    assert len(world.receiver.calls) == 1


async def test_what_was_lost_and_is_heard_of_after_all_is_told_once(world: World) -> None:
    job = mailing_job("ops@example.com")
    lost = report_of(job, Phase.LOST)
    failed = lost.model_copy(update={"phase": Phase.FAILED, "error": "HTTP 500"})
    async with world.notifier():
        await world.report(lost)
        [mail] = await world.mail_server.wait_for(1)
        await world.report(failed)
        await eventually(world.is_quiet)
    assert "nothing was heard of it" in mail.text("plain")
    assert len(world.mail_server.mails) == 1
    assert [one.message.partition(": ")[2] for one in await world.inbox()] == ["nothing was heard of it"]


async def test_a_persons_pause_and_old_news_are_told_to_nobody(world: World) -> None:
    await world.know(person(role="admin"))
    before = make_job(updated_at=utc_now())
    paused = before.model_copy(update={"version": 2, "is_active": False})
    old = make_job(updated_at=utc_now() - timedelta(days=30))
    async with world.notifier():
        await world.change(
            JobUpdated(job=paused, before=before),
            JobUpdated(job=old.model_copy(update={"version": 2}), before=old, reason="ended"),
        )
        await eventually(world.is_quiet)
    assert await world.inbox() == []


async def test_what_was_told_comes_again_and_is_told_once(world: World) -> None:
    job = mailing_job(*TWO)
    report = report_of(job)
    await world.know_slack()
    async with world.notifier():
        await world.report(report, report)
        await world.mail_server.wait_for(2)
        await eventually(world.is_quiet)
        for channel in subjects.CHANNELS:
            await world.come_again(channel)
        await asyncio.sleep(0.2)
        await eventually(world.is_quiet)
    assert len(world.mail_server.mails) == 2
    assert len(world.receiver.calls) == 1
    assert len(await world.inbox()) == 1
    ids = {mail.message["Message-ID"] for mail in world.mail_server.mails}
    assert ids == {
        f"<{mail_id(report.facts.execution_id, 'failed', address)}@jetcron.example>" for address in TWO
    }


async def test_two_notifiers_tell_everything_once(world: World) -> None:
    jobs = [mailing_job("ops@example.com", name=f"job {number}") for number in range(30)]
    async with world.notifier(), world.notifier():
        await world.report(*(report_of(job) for job in jobs))
        await world.mail_server.wait_for(30)
        await eventually(world.is_quiet)
    told = [mail.message["Subject"] for mail in world.mail_server.mails]
    assert sorted(told) == sorted(f"🔴 Job Failure Alert: {job.name}" for job in jobs)
    assert len(await world.inbox()) == 30


async def test_a_job_that_mails_nobody_still_tells_slack(world: World) -> None:
    await world.know_slack()
    job = make_job(notifications=Notifications(email_enabled=False), created_at=SOME_TIME)
    async with world.notifier():
        await world.report(report_of(job, Phase.DEAD_LETTER))
        await world.receiver.wait_for(1)
        await eventually(world.is_quiet)
    assert world.mail_server.attempts == []
