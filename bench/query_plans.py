"""What the databases do for a query: the statements that it sends, their plans, and the steps that read everything."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, event

from services.gateway.store.database import Database

SCAN = "SCAN executions"
EVERYTHING = 0.9
"""The share of a table's rows from which on a step has read "all" of it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the driver got it."""

    sql: str
    parameters: Any


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement's plan in the database's own words, in brief, and whether it reads all rows or all of an index."""

    whole: str
    brief: str
    full_scans: tuple[str, ...]


@asynccontextmanager
async def recorded(database: Database) -> AsyncIterator[list[Statement]]:
    """The SELECTs that are sent within the block."""
    sent: list[Statement] = []

    def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, _many: Any) -> None:
        if sql.startswith("SELECT"):
            sent.append(Statement(sql, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)


async def explain(database: Database, statement: Statement, rows: int) -> Plan:
    """The plan of a statement; `rows` are those of the largest table."""
    prefix = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
    async with database.read() as connection:
        answer = (await connection.exec_driver_sql(prefix + statement.sql, statement.parameters)).all()
    if database.is_sqlite:
        return _sqlite_plan(answer, statement.sql)
    [[[explained]]] = answer
    return _postgres_plan(explained["Plan"], rows)


def _sqlite_plan(steps: Sequence[Row[Any]], sql: str) -> Plan:
    scans = tuple(
        step.detail for step in steps if step.detail.startswith(SCAN) and not _is_stopped(step, steps, sql)
    )
    brief = "; ".join(dict.fromkeys(_short(step.detail) for step in steps if not _is_idle(step.detail)))
    return Plan("\n".join(step.detail for step in steps), brief, scans)


def _is_stopped(scan: Row[Any], steps: Sequence[Row[Any]], sql: str) -> bool:
    """SQLite says SCAN of all that begins at an end; where the index has the order, LIMIT ends it early."""
    beside = [step.detail for step in steps if step.parent == scan.parent]
    return "LIMIT" in sql and "ORDER BY" in sql and not any("ORDER BY" in detail for detail in beside)


def _is_idle(detail: str) -> bool:
    """A step that only passes on what another one read."""
    return detail.startswith(("SCAN anon", "CO-ROUTINE", "MATERIALIZE", "LEFT", "RIGHT"))


def _short(step: str) -> str:
    return step.replace("USING ", "").replace("sqlite_autoindex_executions_1", "(primary key)")


def _postgres_plan(plan: dict[str, Any], rows: int) -> Plan:
    steps = list(_walk(plan, 0))
    scans = tuple(_named(step) for step, _ in steps if _reads_all(step, rows))
    essential = [_named(step) for step, _ in steps if "Scan" in step["Node Type"]]
    buffers = plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0)
    whole = "\n".join(f"{'  ' * depth}{_described(step)}" for step, depth in steps)
    return Plan(whole, f"{'; '.join(dict.fromkeys(essential))}; {buffers} buffers", scans)


def _walk(plan: dict[str, Any], depth: int) -> Iterator[tuple[dict[str, Any], int]]:
    yield plan, depth
    for part in plan.get("Plans", []):
        yield from _walk(part, depth + 1)


def _named(step: dict[str, Any]) -> str:
    where = step.get("Index Name") or step.get("Relation Name") or ""
    return f"{step['Node Type']} {where}".strip()


def _described(step: dict[str, Any]) -> str:
    details = [
        f"{name}: {step[name]}"
        for name in ("Index Cond", "Filter", "Sort Key", "Heap Fetches")
        if name in step
    ]
    seen = f"rows={step['Actual Rows']:g} loops={step['Actual Loops']:g} ms={step['Actual Total Time']:.2f}"
    return " | ".join([f"{_named(step)} ({seen})", *details])


def _reads_all(step: dict[str, Any], rows: int) -> bool:
    if "Scan" not in step["Node Type"] or "executions" not in _named(step):
        return False
    read = step["Actual Rows"] + step.get("Rows Removed by Filter", 0)
    return bool(read * step["Actual Loops"] >= rows * EVERYTHING)
