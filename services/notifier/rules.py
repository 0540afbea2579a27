"""Who is told what, and how. Pure: an event and a directory go in, notices come out.

The owner's inbox has a record of each failure, whatever the preferences say; of a success if the job asks for that. Mails go
to the addresses that the job names, once each, except those of users who have switched such mails off. Slack, where it is on,
hears of failures and of jobs that have ended or will end soon. `browser_notifications` is the browser's affair.
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

FAILURES = frozenset({Phase.FAILED, Phase.DEAD_LETTER})
MAX_ERROR_LENGTH = 500
MAX_MAILED_ERROR_LENGTH = 4_000
NO_REASON = "no reason was given"
NEWS = timedelta(days=2)
"""An older end of a job is told to nobody. It is read again after the store was lost, with all marks of what was told."""


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
        """What is told when the system has paused a job whose last day is over; nothing for any other change."""
        job = event.job
        if event.reason != "ended" or now - job.updated_at > NEWS:
            return []
        occasion = self._of_job(job, f"ended:{job.version}", job.updated_at)
        told = _warnings(
            occasion,
            job,
            directory,
            "Job auto-paused (end date passed)",
            f"Job '{job.name}' was paused: its last day was {_last_day(job)}.",
        )
        owner = directory.person(job.owner_id)
        if self.mails and owner and owner.is_active and owner.preferences.email_on_job_disabled:
            told.append(occasion.mail(owner.address, "ended", last_day=job.schedule.end_date))
        text = f"Job auto-paused, its last day was {_last_day(job)}: {for_slack(job.name)}"
        return told + occasion.slack(directory, ":warning:", text)

    def of_ending_job(
        self, job: Job, days_left: int, directory: Directory, monday: date, now: datetime
    ) -> list[Told]:
        """One week's reminder that a job's last day is near."""
        occasion = self._of_job(job, f"ending:{monday}", now)
        ends = f"ends on {_last_day(job)} ({days_left} day{'' if days_left == 1 else 's'} left)"
        told = _warnings(occasion, job, directory, "Job ending soon", f"Job '{job.name}' {ends}.")
        return told + occasion.slack(directory, ":warning:", f"Job ending soon: {for_slack(job.name)} {ends}")

    def _of_failure(self, report: ExecutionReported, directory: Directory) -> list[Told]:
        # What was given up and is run again may fail again: that is told too.
        occasion = self._of_run(report, "failed" if report.redrive == 0 else f"failed:{report.redrive}")
        error = report.error or NO_REASON
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


def _warnings(occasion: Occasion, job: Job, directory: Directory, title: str, message: str) -> list[Told]:
    """For the owner and for whoever can act in their place."""
    told_to = {person.id for person in directory.administrators()}
    if not directory.is_deleted(job.owner_id):
        told_to.add(job.owner_id)
    text = f"{message} PIC team: {job.pic_team or '-'}"
    return [occasion.record(user_id, title, text, "warning") for user_id in sorted(told_to)]


def _last_day(job: Job) -> str:
    return f"{job.schedule.end_date} ({job.schedule.timezone})"
