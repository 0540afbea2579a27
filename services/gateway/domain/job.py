"""The rules of jobs: which commands change one, and into what. Pure: the time and all facts come with the command."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias, assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

from services.gateway.domain.actor import Actor
from services.gateway.domain.metadata import is_same, metadata_problem
from shared.domain.job import MAX_TIMEOUT_SECONDS, Job
from shared.domain.schedule import CalendarUse, InvalidSchedule, OneShotSchedule, check
from shared.errors import Conflict, NotFound, RuleViolation
from shared.events import ChangeReason, DomainEvent, JobCreated, JobDeleted, JobEvent, JobRestored, JobUpdated

MAX_NAME_LENGTH = 255
MAX_MISFIRE_GRACE_SECONDS = 7 * 24 * 3600
MAX_INSTANCES = 100
MAX_FAILURES = 1000
"""In a row, before a job is paused."""
EMPTY_NAME = "Job name cannot be empty"


@dataclass(frozen=True, slots=True)
class JobState:
    """`job` is None before the first event and after a deletion; `version` counts on."""

    job: Job | None = None
    version: int = 0
    effective_at: datetime | None = None
    deleted: Job | None = None
    """What the job was when it was deleted, as long as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateJob:
    """Create the job; `name_taken` is a fact read in the same transaction."""

    job: Job
    actor: Actor
    now: datetime
    name_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateJob:
    """Change some fields. `changes` are fields of `Job` with their new values."""

    job_id: UUID
    changes: dict[str, Any]
    actor: Actor
    now: datetime
    name_taken: bool
    reason: ChangeReason | None = None
    """Why the system changes it by itself."""
    must_end: bool = False
    """Whether it may not become one that runs for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteJob:
    """Remove the job; its history and its executions stay."""

    job_id: UUID
    actor: Actor
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreJob:
    """Bring a deleted job back as it was; the last three are facts read in the same transaction."""

    job_id: UUID
    actor: Actor
    now: datetime
    name_taken: bool
    slugs: Mapping[str, str]
    """Those that its category and its team have by now."""
    calendars: tuple[CalendarUse, ...] = ()
    """What is left by now of the calendars that it followed."""


JobCommand: TypeAlias = CreateJob | UpdateJob | DeleteJob | RestoreJob


class JobNotFound(NotFound):
    """No job has this id, or it was deleted."""

    title = "Job not found"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"No job found with ID: {job_id}")


class DuplicateJobName(RuleViolation):
    """Another job of the account has the name."""

    title = "Duplicate job name"

    def __init__(self, name: str) -> None:
        super().__init__(f'A job named "{name}" already exists.')


class InvalidJob(RuleViolation):
    """A field has a value that no job may have."""


class JobExpired(RuleViolation):
    """The job's last day is over."""

    title = "Job expired"


class NotDeleted(Conflict):
    """What is to be restored is there."""

    title = "Job is not deleted"


def decide(command: JobCommand, state: JobState) -> list[DomainEvent]:
    """What follows from a command; no events when it changes nothing. Raises the domain's errors."""
    match command:
        case CreateJob():
            return _create(command, state)
        case UpdateJob():
            return _update(command, state)
        case DeleteJob():
            return _delete(command, state)
        case RestoreJob():
            return _restore(command, state)
        case _:
            assert_never(command)


def evolve(state: JobState, event: DomainEvent) -> JobState:
    """The state after an event; job events carry it whole."""
    if isinstance(event, JobDeleted):
        return JobState(None, event.version, event.effective_at, deleted=event.before)
    if isinstance(event, JobEvent) and event.job is not None:
        return JobState(event.job, event.job.version, event.job.effective_at)
    return state


def has_ended(job: Job, now: datetime) -> bool:
    """Whether the job's last day, in its own zone, is over."""
    ends_at = job.schedule.ends_at
    return ends_at is not None and ends_at <= now


def _create(command: CreateJob, state: JobState) -> list[DomainEvent]:
    if state.job is not None:
        raise InvalidJob(f"Job {state.job.id} exists already")
    job = _next_version(_without_idle_addresses(command.job), state, command.now)
    job = job.model_copy(update={"created_at": command.now})
    if command.name_taken:
        raise DuplicateJobName(job.name)
    _check(job)
    check(job.schedule, command.now)
    _check_end_date(job.schedule.end_date, job.schedule.timezone, command.now)
    return [JobCreated(job=job)]


def _update(command: UpdateJob, state: JobState) -> list[DomainEvent]:
    before = state.job
    if before is None:
        raise JobNotFound(command.job_id)
    command.actor.must_be_allowed_to_change(before.owner_id)
    changed = _without_idle_addresses(before.model_copy(update=command.changes))
    if changed == _without_idle_addresses(before) and is_same(changed.metadata, before.metadata):
        return []
    if command.name_taken:
        raise DuplicateJobName(changed.name)
    # What ends need not be what may be written today: one such job would keep all others from being paused.
    if command.reason is None:
        _check(changed)
        # A schedule whose time is over may stay, but nobody can choose it any more.
        if changed.schedule != before.schedule or (changed.is_active and not before.is_active):
            check(changed.schedule, command.now)
    if command.must_end and _runs_for_ever(changed) and not _runs_for_ever(before):
        raise InvalidJob("end_date may be null only where a job runs once", title="Invalid end_date")
    if changed.schedule.end_date != before.schedule.end_date:
        _check_end_date(changed.schedule.end_date, changed.schedule.timezone, command.now)
    if changed.is_active and not before.is_active and has_ended(changed, command.now):
        raise JobExpired("The job's end_date has passed; give it a later one to enable it.")
    return [JobUpdated(job=_next_version(changed, state, command.now), before=before, reason=command.reason)]


def _delete(command: DeleteJob, state: JobState) -> list[DomainEvent]:
    if state.job is None:
        raise JobNotFound(command.job_id)
    command.actor.must_be_allowed_to_change(state.job.owner_id)
    effective_at = _after(command.now, state.effective_at)
    return [JobDeleted(before=state.job, version=state.version + 1, effective_at=effective_at)]


def _restore(command: RestoreJob, state: JobState) -> list[DomainEvent]:
    owner = state.job or state.deleted
    if owner is None:
        raise JobNotFound(command.job_id)
    command.actor.must_be_allowed_to_change(owner.owner_id)
    if state.deleted is None:
        raise NotDeleted("The job is there; only a deleted one can be restored.")
    if command.name_taken:
        raise DuplicateJobName(state.deleted.name)
    schedule = state.deleted.schedule.model_copy(update={"calendars": command.calendars})
    back = state.deleted.model_copy(update={**command.slugs, "schedule": schedule})
    is_active = back.is_active and _may_run(back, command.now)
    job = _next_version(back.model_copy(update={"is_active": is_active}), state, command.now)
    _check(job)
    return [JobRestored(job=job)]


def _next_version(job: Job, state: JobState, now: datetime) -> Job:
    return job.model_copy(
        update={
            "version": state.version + 1,
            "updated_at": now,
            "effective_at": _after(now, state.effective_at),
        }
    )


def _without_idle_addresses(job: Job) -> Job:
    """Addresses are kept only while mail to them is enabled."""
    if job.notifications.email_enabled or not job.notifications.emails:
        return job
    return job.model_copy(update={"notifications": job.notifications.model_copy(update={"emails": ()})})


def _may_run(job: Job, now: datetime) -> bool:
    """Whether there is anything left that it could be enabled for."""
    try:
        check(job.schedule, now)
    except InvalidSchedule:
        return False
    return not has_ended(job, now)


def _runs_for_ever(job: Job) -> bool:
    return job.schedule.end_date is None and not isinstance(job.schedule, OneShotSchedule)


def _check(job: Job) -> None:
    if not job.name.strip():
        raise InvalidJob("name must not be empty", title=EMPTY_NAME)
    if len(job.name) > MAX_NAME_LENGTH:
        raise InvalidJob(f"name must have at most {MAX_NAME_LENGTH} characters", title="Invalid name")
    if not 1 <= job.timeout_seconds <= MAX_TIMEOUT_SECONDS:
        raise InvalidJob(
            f"timeout_seconds must be from 1 to {MAX_TIMEOUT_SECONDS:.0f}", title="Invalid timeout"
        )
    _check_range("misfire_grace_seconds", job.misfire_grace_seconds, 0, MAX_MISFIRE_GRACE_SECONDS)
    _check_range("max_instances", job.max_instances, 1, MAX_INSTANCES)
    if job.pause_after_failures is not None:
        _check_range("pause_after_failures", job.pause_after_failures, 1, MAX_FAILURES)
    if (problem := metadata_problem(job.metadata)) is not None:
        raise InvalidJob(f"metadata {problem}", title="Invalid metadata")


def _check_range(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidJob(f"{field} must be from {low} to {high}", title=f"Invalid {field}")


def _check_end_date(end_date: date | None, zone: str, now: datetime) -> None:
    if end_date is not None and end_date < now.astimezone(ZoneInfo(zone)).date():
        raise InvalidJob("end_date must be today or in the future", title="Invalid end_date")


def _after(now: datetime, previous: datetime | None) -> datetime:
    """Versions follow one another even where two clocks disagree."""
    return now if previous is None or now > previous else previous + timedelta(microseconds=1)
