"""Who is told what, and how. Pure: an event and a directory go in, notices come out.

The owner's inbox has a record of each failure, whatever the preferences say; of a success if the job asks for that. Mails go
to the addresses that the job names, once each, except those of users who have switched such mails off. Slack, where it is on,
hears of failures and of jobs that the system has paused or that will end soon. `browser_notifications` is the browser's
affair.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from services.notifier.directory import Directory
from services.notifier.occasion import Occasion, Told
from services.notifier.wording import first_line, for_slack
from shared.domain.directory import NotificationPreferences
from shared.domain.execution import Phase
from shared.domain.job import Job
from shared.events import ExecutionReported, JobUpdated

FAILURES = frozenset({Phase.FAILED, Phase.DEAD_LETTER, Phase.LOST})
MAX_ERROR_LENGTH = 500
MAX_MAILED_ERROR_LENGTH = 4_000
NO_REASON = "no reason was given"
NO_SIGN_OF_LIFE = "nothing was heard of it"
NEWS = timedelta(days=2)
"""What is older is told to nobody. It is read again after the store was lost, with all marks of what was told."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What one installation decides by."""

    job_url: Callable[[UUID], str]
    mails: bool
    """Whether any mail is sent at all."""

    def of_report(self, report: ExecutionReported, directory: Directory) -> list[Told]:
        """What an execution's end is worth telling; nothing for any other step of it."""
        if report.phase in FAILURES:
            return self._of_failure(report, directory)
        if report.phase is Phase.SUCCEEDED and report.facts.notifications.on_success:
            return self._of_success(report, directory)
        return []

    def of_change(self, event: JobUpdated, directory: Directory, now: datetime) -> list[Told]:
        """What is told when the system has paused a job by itself; nothing for any other change."""
        if now - event.job.updated_at > NEWS:
            return []
        if event.reason == "ended":
            return self._of_ended_job(event.job, directory)
        if event.reason == "failing":
            return self._of_failing_job(event.job, directory)
        return []

    def of_ending_job(
        self, job: Job, days_left: int, directory: Directory, monday: date, now: datetime
    ) -> list[Told]:
        """One week's reminder that a job's last day is near."""
        occasion = self._of_job(job, f"ending:{monday}", now)
        ends = f"ends on {_last_day(job)} ({days_left} day{'' if days_left == 1 else 's'} left)"
        told = _warnings(occasion, job, directory, "Job ending soon", f"Job '{job.name}' {ends}.")
        return told + occasion.slack(directory, ":warning:", f"Job ending soon: {for_slack(job.name)} {ends}")

    def _of_ended_job(self, job: Job, directory: Directory) -> list[Told]:
        occasion = self._of_job(job, f"ended:{job.version}", job.updated_at)
        reason = f"its last day was {_last_day(job)}"
        told = _of_paused_job(occasion, job, directory, "end date passed", reason)
        if (address := self._address_on_pause(job, directory)) is not None:
            told.append(occasion.mail(address, "ended", last_day=job.schedule.end_date))
        return told

    def _of_failing_job(self, job: Job, directory: Directory) -> list[Told]:
        occasion = self._of_job(job, f"failing:{job.version}", job.updated_at)
        failures = job.pause_after_failures
        reason = "it failed " + {None: "too often", 1: "once"}.get(failures, f"{failures} times in a row")
        told = _of_paused_job(occasion, job, directory, "failures", reason)
        if (address := self._address_on_pause(job, directory)) is not None:
            told.append(occasion.mail(address, "failing", failures=failures))
        return told

    def _address_on_pause(self, job: Job, directory: Directory) -> str | None:
        """The owner's, if they want to be mailed when a job of theirs is paused."""
        owner = directory.person(job.owner_id)
        if self.mails and owner and owner.is_active and owner.preferences.email_on_job_disabled:
            return owner.address
        return None

    def _of_failure(self, report: ExecutionReported, directory: Directory) -> list[Told]:
        # What was given up and is run again may fail again: that is told too. What was lost and then fails is told already.
        occasion = self._of_run(report, "failed" if report.redrive == 0 else f"failed:{report.redrive}")
        error = report.error or (NO_SIGN_OF_LIFE if report.phase is Phase.LOST else NO_REASON)
        message = f"Job '{report.facts.job_name}' failed with error: {error[:MAX_ERROR_LENGTH]}"
        told: list[Told] = []
        if not directory.is_deleted(report.facts.owner_id):
            told.append(occasion.record(report.facts.owner_id, "Job Failed", message, "error"))
        mailed = error[:MAX_MAILED_ERROR_LENGTH]
        told += [
            occasion.mail(address, "failure", error=mailed)
            for address in self._addresses(report, directory, lambda wants: wants.email_on_job_failure)
        ]
        text = f"Job failed: {for_slack(report.facts.job_name)}"
        return told + occasion.slack(directory, ":red_circle:", text, for_slack(first_line(error)))

    def _of_success(self, report: ExecutionReported, directory: Directory) -> list[Told]:
        occasion = self._of_run(report, "succeeded")
        message = f"Job '{report.facts.job_name}' completed successfully."
        told: list[Told] = []
        if not directory.is_deleted(report.facts.owner_id):
            told.append(occasion.record(report.facts.owner_id, "Job Completed", message, "success"))
        return told + [
            occasion.mail(address, "success", duration_seconds=report.duration_seconds)
            for address in self._addresses(report, directory, lambda wants: wants.email_on_job_success)
        ]

    def _addresses(
        self,
        report: ExecutionReported,
        directory: Directory,
        wanted: Callable[[NotificationPreferences], bool],
    ) -> list[str]:
        notifications = report.facts.notifications
        if not (self.mails and notifications.email_enabled):
            return []
        once: dict[str, str] = {}
        for address in notifications.emails:
            once.setdefault(address.lower(), address)
        people = ((address, directory.at(address)) for address in once.values())
        return [address for address, person in people if person is None or wanted(person.preferences)]

    def _of_run(self, report: ExecutionReported, name: str) -> Occasion:
        facts = report.facts
        return Occasion(
            about=facts.execution_id,
            name=name,
            job_id=facts.job_id,
            job_name=facts.job_name,
            job_url=self.job_url(facts.job_id),
            pic_team=facts.pic_team,
            at=report.at,
            execution_id=facts.execution_id,
        )

    def _of_job(self, job: Job, name: str, at: datetime) -> Occasion:
        return Occasion(
            about=job.id,
            name=name,
            job_id=job.id,
            job_name=job.name,
            job_url=self.job_url(job.id),
            pic_team=job.pic_team,
            at=at,
        )


def _of_paused_job(occasion: Occasion, job: Job, directory: Directory, word: str, reason: str) -> list[Told]:
    """For inboxes and Slack."""
    message = f"Job '{job.name}' was paused: {reason}."
    told = _warnings(occasion, job, directory, f"Job auto-paused ({word})", message)
    text = f"Job auto-paused, {reason}: {for_slack(job.name)}"
    return told + occasion.slack(directory, ":warning:", text)


def _warnings(occasion: Occasion, job: Job, directory: Directory, title: str, message: str) -> list[Told]:
    """For the owner and for whoever can act in their place."""
    told_to = {person.id for person in directory.administrators()}
    if not directory.is_deleted(job.owner_id):
        told_to.add(job.owner_id)
    text = f"{message} PIC team: {job.pic_team or '-'}"
    return [occasion.record(user_id, title, text, "warning") for user_id in sorted(told_to)]


def _last_day(job: Job) -> str:
    return f"{job.schedule.end_date} ({job.schedule.timezone})"
