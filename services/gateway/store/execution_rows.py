"""The part of an execution's row that never changes, and back: the facts that every message about it repeats."""

from typing import Any

from sqlalchemy import Row

from shared.domain.execution import Kind, Phase, Status, rank
from shared.events import RunFacts


def facts_columns(facts: RunFacts) -> dict[str, Any]:
    """The columns that say which execution it is."""
    return {
        "id": facts.execution_id,
        "job_id": facts.job_id,
        "account_id": facts.account_id,
        "owner_id": facts.owner_id,
        "job_name": facts.job_name,
        "job_version": facts.job_version,
        "kind": facts.kind.value,
        "queue": facts.queue,
        "target_kind": facts.target_kind,
        "target_label": facts.target_label,
        "planned_at": facts.planned_at,
        "planned_to": facts.planned_at,
        "planned_count": 1,
        "not_before": facts.not_before,
        "backfills": facts.backfills,
        "queued_at": facts.queued_at,
    }


def facts_of(row: Row[Any]) -> RunFacts:
    """The facts of a row of the executions table."""
    return RunFacts(
        execution_id=row.id,
        job_id=row.job_id,
        job_version=row.job_version,
        job_name=row.job_name,
        account_id=row.account_id,
        owner_id=row.owner_id,
        kind=Kind(row.kind),
        planned_at=row.planned_at,
        queue=row.queue,
        target_kind=row.target_kind,
        target_label=row.target_label,
        not_before=row.not_before,
        backfills=row.backfills,
        queued_at=row.queued_at,
    )


def queued_columns(facts: RunFacts, redrive: int, generation: int) -> dict[str, Any]:
    """The whole row of an execution that waits for its first attempt."""
    return {
        **facts_columns(facts),
        "reason": None,
        "into_execution_id": None,
        "status": Status.QUEUED.value,
        "rank": rank(redrive, 0, Phase.QUEUED),
        "is_open": True,
        "generation": generation,
    }
