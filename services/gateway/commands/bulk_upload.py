"""Creating and changing many jobs at once: the good rows in one transaction, and what is wrong with the others."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, func, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.commands.idempotency import AlreadyDone, Keyed, Outcome, claim, keep_answer
from services.gateway.commands.jobs import new_job
from services.gateway.domain.actor import Actor
from services.gateway.domain.csv_jobs import RowError
from services.gateway.domain.job import CreateJob, JobCommand, JobState, UpdateJob, decide
from services.gateway.domain.schedule_input import changed_schedule
from services.gateway.domain.target import make_target, target_fields
from services.gateway.gateway import Gateway
from services.gateway.queries.taxonomy import Taxonomy, load_taxonomy
from services.gateway.store.aggregates import JOBS
from services.gateway.store.event_store import MAX_TRIES, Change, Context, TooManyConflicts
from services.gateway.store.tables import jobs
from shared.domain.job import DEFAULT_ACCOUNT_ID, Job
from shared.errors import Forbidden, RuleViolation
from shared.events import DomainEvent

_UPLOADS_TURN = int.from_bytes(b"uploads.", "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRow:
    """What a row wants: `fields` are those of a new `Job`, `changes` those that it names, for a job that exists."""

    number: int
    name: str
    fields: Mapping[str, Any]
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions:
    """How the rows are meant."""

    dry_run: bool = False
    """Say what would happen, and write nothing."""
    update_existing: bool = False
    """A row whose name is taken changes the job of that name; otherwise it is an error."""


class UploadedJob(BaseModel):
    """What a good row made of its job."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    is_active: bool
    cron_expression: str | None
    end_date: date | None
    pic_team: str | None
    category: str
    is_new: bool


class Upload(BaseModel):
    """What became of the rows, in their order."""

    model_config = ConfigDict(frozen=True)

    jobs: list[UploadedJob]
    errors: list[RowError]


@dataclass(frozen=True, slots=True)
class _Decided:
    upload: Upload
    changes: list[Change]


async def upload_jobs(
    gateway: Gateway,
    rows: Sequence[UploadRow],
    actor: Actor,
    owner_id: UUID,
    options: UploadOptions,
    keyed: Keyed | None = None,
) -> Outcome[Upload]:
    """Create jobs, or change those that exist; a row that breaks a rule is an error and leaves the others alone.

    A request that comes again with its key is answered as before; a dry run takes no key. Raises what `claim` raises,
    and `TooManyConflicts`.
    """
    work = _Work(gateway, rows, actor, owner_id, options)
    if options.dry_run:
        async with gateway.database.read() as connection:
            return Outcome((await work.decide_all(connection)).upload)
    for attempt in range(MAX_TRIES):
        try:
            upload = await work.commit(keyed)
        except AlreadyDone as done:
            return Outcome(Upload.model_validate(done.answer), is_replayed=True)
        except IntegrityError:
            # Somebody took a name, or changed a job, since it was looked up.
            await asyncio.sleep(0.002 * attempt)
            continue
        gateway.event_store.wake()
        return Outcome(upload)
    raise TooManyConflicts("somebody else keeps changing the same jobs; try again")


class _Work:
    """One upload, as often as it has to be tried."""

    def __init__(
        self,
        gateway: Gateway,
        rows: Sequence[UploadRow],
        actor: Actor,
        owner_id: UUID,
        options: UploadOptions,
    ) -> None:
        self._gateway = gateway
        self._rows = rows
        self._actor = actor
        self._owner_id = owner_id
        self._update_existing = options.update_existing
        self._now = gateway.clock()
        self._id = uuid4()

    async def commit(self, keyed: Keyed | None) -> Upload:
        """Write what follows from the rows. Raises SQLAlchemy's IntegrityError when somebody else was faster."""
        context = Context(actor=self._actor.name, at=self._now, correlation_id=str(self._id))
        async with self._gateway.database.write() as connection:
            if keyed is not None:
                await claim(self._gateway, connection, keyed, self._id, self._now)
            if not self._gateway.database.is_sqlite:
                await _take_turn(connection)
            decided = await self.decide_all(connection)
            await self._gateway.event_store.append(connection, decided.changes, context)
            if keyed is not None:
                await keep_answer(connection, keyed, decided.upload.model_dump(mode="json"))
        return decided.upload

    async def decide_all(self, connection: AsyncConnection) -> _Decided:
        """What follows from all rows, by the rules of single jobs and on facts that are read at once."""
        taxonomy = await load_taxonomy(connection)
        standing = await _jobs_by_name(connection, [row.name for row in self._rows])
        uploaded: list[UploadedJob] = []
        errors: list[RowError] = []
        changes: list[Change] = []
        for row in self._rows:
            before = standing.get(row.name)
            try:
                job, events = self._decide(row, before, taxonomy)
            except (RuleViolation, Forbidden) as error:
                errors.append(
                    RowError(row=row.number, name=row.name, title=error.title, message=error.message)
                )
                continue
            uploaded.append(_uploaded(job, is_new=before is None))
            changes += _as_changes(job.id, before, events)
        return _Decided(Upload(jobs=uploaded, errors=errors), changes)

    def _decide(
        self, row: UploadRow, before: Job | None, taxonomy: Taxonomy
    ) -> tuple[Job, list[DomainEvent]]:
        """The row's job afterwards, and the events that lead there; raises the rules' violations."""
        if before is not None and self._update_existing:
            command: JobCommand = UpdateJob(
                job_id=before.id,
                changes=self._changes(before, row.changes, taxonomy),
                actor=self._actor,
                now=self._now,
                name_taken=False,
            )
            state = JobState(before, before.version, before.effective_at)
        else:
            job = new_job(self._gateway, row.fields, self._owner_id, self._now)
            slugs = _slugs({"category": job.category, "pic_team": job.pic_team}, None, taxonomy)
            command = CreateJob(
                job=job.model_copy(update=slugs),
                actor=self._actor,
                now=self._now,
                name_taken=before is not None,
            )
            state = JobState()
        events = decide(command, state)
        for event in events:
            state = JOBS.evolve(state, event)
        if state.job is None:
            raise TypeError("neither command deletes a job")
        return state.job, events

    def _changes(self, before: Job, given: Mapping[str, Any], taxonomy: Taxonomy) -> dict[str, Any]:
        # Otherwise a stranger would learn from the errors what the job is like.
        self._actor.must_be_allowed_to_change(before.owner_id)
        target = {**target_fields(before.target), **given["target"]}
        return {
            **given,
            **_slugs(given, before, taxonomy),
            "schedule": changed_schedule(before.schedule, given["schedule"], self._now),
            "target": make_target(target, self._gateway.settings.target_rules),
        }


def _slugs(given: Mapping[str, Any], before: Job | None, taxonomy: Taxonomy) -> dict[str, str]:
    """The slugs of the given category and team. What a job has already may stay, even if it was disabled meanwhile."""
    slugs = {}
    for field, resolve in (("category", taxonomy.category), ("pic_team", taxonomy.team)):
        text = given.get(field)
        if text is not None and (before is None or text != getattr(before, field)):
            slugs[field] = resolve(text)
    return slugs


def _as_changes(job_id: UUID, before: Job | None, events: list[DomainEvent]) -> list[Change]:
    first = before.version + 1 if before is not None else 1
    return [
        Change(aggregate=JOBS.name, aggregate_id=job_id, version=version, event=event)
        for version, event in enumerate(events, first)
    ]


def _uploaded(job: Job, *, is_new: bool) -> UploadedJob:
    return UploadedJob(
        id=job.id,
        name=job.name,
        is_active=job.is_active,
        cron_expression=job.schedule.cron_expression,
        end_date=job.schedule.end_date,
        pic_team=job.pic_team,
        category=job.category,
        is_new=is_new,
    )


async def _jobs_by_name(connection: AsyncConnection, names: Sequence[str]) -> dict[str, Job]:
    same_name = select(jobs.c.name, jobs.c.state).where(
        jobs.c.account_id == DEFAULT_ACCOUNT_ID, jobs.c.name.in_(names)
    )
    return {row.name: Job.model_validate(row.state) for row in await connection.execute(same_name)}


async def _take_turn(connection: AsyncConnection) -> None:
    """Wait for other uploads: two with the same new names would wait for one another's rows in a circle."""
    await connection.execute(select(func.pg_advisory_xact_lock(literal(_UPLOADS_TURN, BigInteger))))
