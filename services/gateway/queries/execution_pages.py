"""Pages of all jobs' executions, newest first: by number, or from where the last one ended.

The pages are found in indexes alone; only their rows are read. A page by number passes over those before it, one by
one; a page from a cursor begins where it begins, however far down that is.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, literal, select, tuple_, union_all
from sqlalchemy.sql import Select

from services.gateway.queries.executions import ExecutionFilter
from services.gateway.store.database import Database
from services.gateway.store.tables import executions
from shared.domain.execution import Status
from shared.errors import RuleViolation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = datetime.resolution
_CURSOR_BYTES = 24
_NEWEST_FIRST = (executions.c.queued_at.desc(), executions.c.id.desc())


class InvalidCursor(RuleViolation):
    """No answer has given this cursor, or not for such a request."""

    title = "Invalid cursor"

    def __init__(self, message: str = "cursor must be the next_cursor of an answer") -> None:
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the execution that was its last."""

    queued_at: datetime
    execution_id: UUID

    def cursor(self) -> str:
        """The place in a form that says nothing to others."""
        micros = (self.queued_at - _EPOCH) // _MICROSECOND
        raw = micros.to_bytes(8, "big", signed=True) + self.execution_id.bytes
        return base64.urlsafe_b64encode(raw).decode()


def parse_cursor(cursor: str) -> Place:
    """The place that a cursor names; raises `InvalidCursor`."""
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        if len(raw) != _CURSOR_BYTES:
            raise InvalidCursor
        micros = int.from_bytes(raw[:8], "big", signed=True)
        return Place(_EPOCH + micros * _MICROSECOND, UUID(bytes=raw[8:]))
    except (binascii.Error, ValueError, OverflowError) as error:
        raise InvalidCursor from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which page: after so many, or after a place."""

    size: int
    skip: int = 0
    after: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionsPage:
    """A page, how many executions match, and where the next page begins if there is one."""

    rows: Sequence[Row[Any]]
    total: int
    next_cursor: str | None


async def list_executions(database: Database, wanted: ExecutionFilter, window: Window) -> ExecutionsPage:
    """A page of the executions of all jobs, also of those that were deleted."""
    found = _page(wanted, window).subquery()
    page = select(executions).join(found, found.c.id == executions.c.id).order_by(*_NEWEST_FIRST)
    count = select(func.count()).select_from(executions).where(*wanted.conditions())
    async with database.read() as connection:
        total = await connection.scalar(count) or 0
        rows = (await connection.execute(page)).all()
    shown, is_more = rows[: window.size], len(rows) > window.size
    place = Place(shown[-1].queued_at, shown[-1].id) if is_more else None
    return ExecutionsPage(rows=shown, total=total, next_cursor=place.cursor() if place is not None else None)


def _page(wanted: ExecutionFilter, window: Window) -> Select[Any]:
    """The ids of a page and of one more, which tells whether another page follows."""
    limit = window.size + 1
    if wanted.job_id is not None or len(wanted.statuses) < 2:
        return _ids(wanted.conditions(), window).limit(limit).offset(window.skip)
    # An index knows the order within one status: the newest of each are found there, then merged.
    upmost = [
        select(_ids(_of_status(wanted, status), window).limit(limit + window.skip).subquery())
        for status in sorted(wanted.statuses)
    ]
    merged = union_all(*upmost).subquery()
    order = (merged.c.queued_at.desc(), merged.c.id.desc())
    return select(merged).order_by(*order).limit(limit).offset(window.skip)


def _of_status(wanted: ExecutionFilter, status: Status) -> list[ColumnElement[bool]]:
    return [executions.c.status == status.value, *wanted.conditions(with_statuses=False)]


def _ids(conditions: Sequence[ColumnElement[bool]], window: Window) -> Select[Any]:
    ids = select(executions.c.id, executions.c.queued_at).where(*conditions).order_by(*_NEWEST_FIRST)
    if window.after is None:
        return ids
    after = tuple_(
        literal(window.after.queued_at, executions.c.queued_at.type),
        literal(window.after.execution_id, executions.c.id.type),
    )
    return ids.where(tuple_(executions.c.queued_at, executions.c.id) < after)
