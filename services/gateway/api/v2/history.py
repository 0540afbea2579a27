"""What a thing's history is asked for, and how one change of it is shown."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args

from fastapi import Query

from services.gateway.api.v2.models.history import FieldChange, HistoryEntry
from services.gateway.domain.metadata import is_same
from services.gateway.queries.history import Recorded

MAX_HISTORY = 200

HistoryLimit: TypeAlias = Annotated[int, Query(ge=1, description=f"At most {MAX_HISTORY}.")]
BeforeVersion: TypeAlias = Annotated[
    int | None, Query(ge=1, le=2**31 - 1, description="Only changes before this version: the next page.")
]

_Action: TypeAlias = Literal["created", "updated", "deleted", "restored"]
_ACTIONS: dict[str, _Action] = {action: action for action in get_args(_Action)}


def history_entry(change: Recorded, changes: dict[str, FieldChange]) -> HistoryEntry:
    """One change; its type is that of an event, such as `job.created`."""
    return HistoryEntry(
        version=change.version,
        action=_ACTIONS[change.type.partition(".")[2]],
        at=change.at,
        actor=change.actor_name,
        actor_id=change.actor_id,
        changes=changes,
    )


def field_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, FieldChange]:
    """The fields in which two states differ; one is empty before the creation and after the deletion."""
    return {
        name: FieldChange(from_=before.get(name), to=after.get(name))
        for name in after or before
        if not is_same(before.get(name), after.get(name))
    }
