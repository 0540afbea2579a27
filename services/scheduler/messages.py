"""The messages of decisions, made straight from what is kept of a job: the events' own bodies, without the events.

`shared.events.decisions` says what stands in them; that both agree is tested.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias
from uuid import UUID

import orjson

from services.scheduler.decision_log import Entry, Meaning, Waits
from services.scheduler.kept_json import kept_json
from services.scheduler.known_jobs import KnownJob
from services.scheduler.outcomes import Cancel, NotRun, NotRunAs, Release, Run, Wait
from shared.bus import subjects
from shared.bus.envelope import MESSAGE_ID, Outgoing
from shared.domain.execution import Kind
from shared.domain.ids import decision_message_id, planned_execution_id, released_message_id
from shared.events import InstantsMissed, InstantsSkipped, RunCancelled, RunTriggered, RunWaiting
from shared.events.base import Event

Published: TypeAlias = Run | Wait | NotRun | Release | Cancel
"""What becomes a message."""
_OPTIONS = orjson.OPT_UTC_Z
_NOT_RUN: dict[NotRunAs, type[Event]] = {
    NotRunAs.MISSED: InstantsMissed,
    NotRunAs.SKIPPED: InstantsSkipped,
}
_CANCELLED_FACTS = (
    "job_id", "job_version", "job_name", "account_id", "owner_id", "execution_id", "target_kind", "target_label",
    "queue",
)  # fmt: skip
"""What a cancelled run repeats of its order."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message, and what it will say once it is stored."""

    outgoing: Outgoing
    meaning: Meaning
    job_id: UUID
    execution_id: UUID
    first: datetime
    last: datetime
    version: int
    waits: Waits | None = None
    cancels: tuple[UUID, ...] = ()

    def entry(self, sequence: int) -> Entry:
        """As it stands in the stream."""
        return Entry(
            meaning=self.meaning,
            sequence=sequence,
            job_id=self.job_id,
            execution_id=self.execution_id,
            first=self.first,
            last=self.last,
            version=self.version,
            waits=self.waits,
            cancels=self.cancels,
        )


def message(decision: Published, now: datetime, generation: int) -> Message:
    """The message of a decision: one id per planned instant, whatever was decided; another one for what waited."""
    match decision:
        case Run(job, instant):
            return _run(decision, now, generation)
        case Wait(job, instant):
            order = _order(job, instant, decision.not_before, (), now, generation)
            body = orjson.dumps({"order": order, "reason": decision.reason}, option=_OPTIONS)
            waits = Waits(decision.reason, decision.not_before, kept_json(order))
            return Message(
                _decision(RunWaiting, subjects.decision(job.id), body, job.id, instant),
                Meaning.WAITS,
                job.id,
                planned_execution_id(job.id, instant),
                instant,
                instant,
                job.version,
                waits,
            )
        case NotRun():
            return _not_run(decision, now, generation)
        case Release():
            return _release(decision, now)
        case Cancel():
            return _cancel(decision, now)


def _run(run: Run, now: datetime, generation: int) -> Message:
    job, instant = run.job, run.instant
    order = _order(job, instant, run.not_before, run.cancels, now, generation)
    outgoing = _decision(
        RunTriggered,
        subjects.trigger(job.queue, job.id),
        orjson.dumps(order, option=_OPTIONS),
        job.id,
        instant,
    )
    execution_id = order["facts"]["execution_id"]
    return Message(
        outgoing, Meaning.RUNS, job.id, execution_id, instant, instant, job.version, cancels=run.cancels
    )


def _not_run(decision: NotRun, now: datetime, generation: int) -> Message:
    job = decision.job
    kept = orjson.loads(job.order)
    execution_id = planned_execution_id(job.id, decision.first)
    body = {
        "job_id": job.id,
        "job_version": job.version,
        "job_name": kept["name"],
        "account_id": kept["account_id"],
        "owner_id": kept["owner_id"],
        "execution_id": execution_id,
        "from": decision.first,
        "to": decision.last,
        "count": decision.count,
        "reason": decision.reason,
        "into": decision.into,
        "target_kind": kept["target"]["kind"],
        "target_label": kept["target_label"],
        "queue": job.queue,
        "decided_at": now,
        "generation": generation,
    }
    outgoing = _decision(
        _NOT_RUN[decision.kind],
        subjects.decision(job.id),
        orjson.dumps(body, option=_OPTIONS),
        job.id,
        decision.first,
    )
    return Message(
        outgoing, Meaning.SETTLED, job.id, execution_id, decision.first, decision.last, job.version
    )


def _release(release: Release, now: datetime) -> Message:
    waiting = release.waiting
    order = orjson.loads(waiting.order)
    order["facts"]["queued_at"] = now
    order["cancels"] = release.cancels
    message_id = released_message_id(waiting.execution_id)
    outgoing = _pack(
        RunTriggered,
        subjects.trigger(order["facts"]["queue"], waiting.job_id),
        orjson.dumps(order, option=_OPTIONS),
        message_id,
        waiting.instant,
    )
    return Message(
        outgoing,
        Meaning.RUNS,
        waiting.job_id,
        waiting.execution_id,
        waiting.instant,
        waiting.instant,
        order["facts"]["job_version"],
        cancels=release.cancels,
    )


def _cancel(cancel: Cancel, now: datetime) -> Message:
    waiting = cancel.waiting
    order = orjson.loads(waiting.order)
    facts = order["facts"]
    body = {
        **{name: facts[name] for name in _CANCELLED_FACTS},
        "from": waiting.instant,
        "to": waiting.instant,
        "count": 1,
        "reason": cancel.reason,
        "into": cancel.into,
        "decided_at": now,
        "generation": order["generation"],
    }
    outgoing = _pack(
        RunCancelled,
        subjects.decision(waiting.job_id),
        orjson.dumps(body, option=_OPTIONS),
        released_message_id(waiting.execution_id),
        waiting.instant,
    )
    return Message(
        outgoing,
        Meaning.CANCELLED,
        waiting.job_id,
        waiting.execution_id,
        waiting.instant,
        waiting.instant,
        facts["job_version"],
    )


def _order(
    job: KnownJob,
    instant: datetime,
    not_before: datetime | None,
    cancels: tuple[UUID, ...],
    now: datetime,
    generation: int,
) -> dict[str, Any]:
    kept = orjson.loads(job.order)
    target = kept["target"]
    return {
        "facts": {
            "execution_id": planned_execution_id(job.id, instant),
            "job_id": job.id,
            "job_version": job.version,
            "job_name": kept["name"],
            "account_id": kept["account_id"],
            "owner_id": kept["owner_id"],
            "kind": Kind.SCHEDULED.value,
            "planned_at": instant,
            "not_before": not_before,
            "backfills": None,
            "queue": job.queue,
            "target_kind": target["kind"],
            "target_label": kept["target_label"],
            "queued_at": now,
            "pic_team": kept["pic_team"],
            "notifications": kept["notifications"],
        },
        "target": target,
        "metadata": kept["metadata"],
        "timeout_seconds": kept["timeout_seconds"],
        "generation": generation,
        "redrive": 0,
        "sealed_overrides": None,
        "cancels": cancels,
    }


def _decision(event: type[Event], subject: str, body: bytes, job_id: UUID, instant: datetime) -> Outgoing:
    return _pack(event, subject, body, decision_message_id(job_id, instant), instant)


def _pack(event: type[Event], subject: str, body: bytes, message_id: str, time: datetime) -> Outgoing:
    headers = {"ce-id": message_id, **_envelope(event, time), MESSAGE_ID: message_id}
    return Outgoing(subject=subject, body=body, headers=headers)


@lru_cache(maxsize=64)
def _envelope(event: type[Event], time: datetime) -> dict[str, str]:
    return {
        "ce-specversion": "1.0",
        "ce-source": "/jetcron/scheduler",
        "ce-type": event.model_fields["type"].default,
        "ce-time": time.isoformat(),
        "ce-dataversion": str(event.schema_version),
        "content-type": "application/json",
    }
