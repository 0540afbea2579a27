"""How long the queries of the executions' and notifications' endpoints take with N executions, and how they are answered.

    make bench-executions ARGS="--rows 1000000 --database sqlite --database postgres"

Fills a new database (a file of SQLite; PostgreSQL at TEST_DATABASE_URL, else the one that the tests start) and runs the very
functions that the routes call: best of three, with the plan of the slowest statement of each and what it read whole. Then
it measures how fast the projector takes reports. Nothing is asserted: it is a measurement, not a test.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import text

from bench.million_rows import END, YEAR, Rows
from bench.projecting import measure_projector
from bench.query_plans import Plan, explain, recorded
from services.gateway.queries.execution_pages import Window, list_executions, parse_cursor
from services.gateway.queries.executions import ExecutionFilter, get_execution, list_job_executions
from services.gateway.queries.notifications import count_unread, list_notifications
from services.gateway.queries.period import ALWAYS, Period
from services.gateway.queries.statistics import execution_statistics, job_statistics
from services.gateway.store.database import Database
from services.gateway.store.migrate import upgrade
from shared.domain.execution import Kind, statuses_named

TRIES = 3
PAGE = 20

Query: TypeAlias = Callable[[], Awaitable[Any]]


async def main(url: str, count: int, *, whole_plans: bool) -> None:
    """Fill and measure one database."""
    database = Database(url)
    try:
        rows = Rows(count)
        await upgrade(database)
        began = time.monotonic()
        await rows.write(database)
        print(f"wrote {count:,} executions in {time.monotonic() - began:.0f} s")
        await _settle(database)
        print(f"{await _size(database) / 2**20:,.0f} MiB\n")
        for name, query in (await _queries(database, rows)).items():
            await _measure(database, name, query, count, whole_plans=whole_plans)
        print()
        await measure_projector(database, rows)
    finally:
        await database.close()


async def _queries(database: Database, rows: Rows) -> dict[str, Query]:
    """What the endpoints ask, by the request that asks it."""
    busy, usual = rows.jobs[0].id, rows.jobs[1].id
    month = Period(END - timedelta(days=30), END)
    day = Period(END - timedelta(days=180), END - timedelta(days=179))
    middle = await _page(database, skip=rows.count // 2)
    person = rows.people[0]
    some = (await _page(database)).rows[0].id

    def of_job(job_id: Any, **wanted: Any) -> Query:
        return lambda: list_job_executions(database, job_id, ExecutionFilter(**wanted), 50)

    def pages(window: Window | None = None, **wanted: Any) -> Query:
        return lambda: list_executions(database, ExecutionFilter(**wanted), window or Window(size=PAGE))

    def statistics(**wanted: Any) -> Query:
        return lambda: execution_statistics(database, ExecutionFilter(**wanted))

    def inbox(*, page: int = 1, unread_only: bool = False) -> Query:
        return lambda: list_notifications(
            database, person, page=page, per_page=PAGE, unread_only=unread_only, period=ALWAYS
        )

    return {
        "jobs/{id}/executions": of_job(usual),
        "jobs/{busy}/executions": of_job(busy),
        "jobs/{busy}/executions?status=failed": of_job(busy, statuses=statuses_named("failed")),
        "jobs/{busy}/executions?from&to": of_job(busy, period=month),
        "jobs/{id}/executions/stats": lambda: job_statistics(database, usual),
        "jobs/{busy}/executions/stats": lambda: job_statistics(database, busy),
        "executions": pages(),
        "executions?page=(middle)": pages(Window(size=PAGE, skip=rows.count // 2)),
        "executions?page=(last)": pages(Window(size=PAGE, skip=rows.count - PAGE)),
        "executions?cursor=(middle)": pages(Window(size=PAGE, after=parse_cursor(middle.next_cursor or ""))),
        "executions?status=running": pages(statuses=statuses_named("running")),
        "executions?status=failed": pages(statuses=statuses_named("failed")),
        "executions?status=success": pages(statuses=statuses_named("success")),
        "executions?status=success,failed": pages(
            statuses=statuses_named("success") | statuses_named("failed")
        ),
        "executions?status=success,failed&page=(middle)": pages(
            Window(size=PAGE, skip=rows.count // 2),
            statuses=statuses_named("success") | statuses_named("failed"),
        ),
        "executions?trigger_type=manual": pages(kind=Kind.MANUAL),
        "executions?execution_type=github_actions": pages(target_kind="github_actions"),
        "executions?execution_type=(none such)": pages(target_kind="none such"),
        "executions?job_id=(busy)": pages(job_id=busy),
        "executions?from&to (a day)": pages(period=day),
        "executions?status=failed&from&to (a month)": pages(statuses=statuses_named("failed"), period=month),
        "executions/{id}": lambda: get_execution(database, some),
        "executions/statistics": statistics(),
        "executions/statistics?from&to (a month)": statistics(period=month),
        "executions/statistics?from (a year)": statistics(period=Period(END - YEAR, None)),
        "executions/statistics?job_id=(busy)": statistics(job_id=busy),
        "notifications": inbox(),
        "notifications?page=500": inbox(page=500),
        "notifications?unread_only=true": inbox(unread_only=True),
        "notifications/unread-count": lambda: count_unread(database, person, ALWAYS),
    }


async def _page(database: Database, skip: int = 0) -> Any:
    return await list_executions(database, ExecutionFilter(), Window(size=PAGE, skip=skip))


async def _measure(database: Database, name: str, query: Query, rows: int, *, whole_plans: bool) -> None:
    async with recorded(database) as statements:
        seconds = [await _timed(query)]
    seconds += [await _timed(query) for _ in range(TRIES - 1)]
    plans = [await explain(database, statement, rows) for statement in statements]
    print(f"| `{name}` | {min(seconds) * 1000:,.1f} ms | {_essence(plans)} |")
    if whole_plans:
        print("\n".join(f"    {line}" for plan in plans for line in [*plan.whole.splitlines(), ""]))


async def _timed(query: Query) -> float:
    began = time.perf_counter()
    await query()
    return time.perf_counter() - began


def _essence(plans: list[Plan]) -> str:
    scans = list(dict.fromkeys(scan for plan in plans for scan in plan.full_scans))
    parts = [plan.brief for plan in plans if "jobs" not in plan.brief]
    return " / ".join(parts) + (f" | **reads all: {'; '.join(scans)}**" if scans else " | -")


async def _settle(database: Database) -> None:
    """What PostgreSQL's autovacuum does by itself; SQLite is left as an installation leaves it."""
    if database.is_sqlite:
        return
    async with database.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text("SET statement_timeout = 0"))
        await plain.execute(text("VACUUM ANALYZE"))


async def _size(database: Database) -> int:
    size = (
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        if database.is_sqlite
        else "SELECT pg_database_size(current_database())"
    )
    async with database.read() as connection:
        return await connection.scalar(text(size)) or 0


@contextmanager
def _database(kind: str) -> Iterator[str]:
    """An empty database that is gone afterwards."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as directory:
            yield f"sqlite+aiosqlite:///{Path(directory) / 'jetcron.db'}"
        return
    from tests.fixtures.postgres import new_database, running_server

    with running_server() as server, new_database(server) as url:
        yield url


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", action="append", choices=["sqlite", "postgres"])
    parser.add_argument("--plans", action="store_true", help="print the plans whole")
    given = parser.parse_args()
    for kind in given.database or ["sqlite", "postgres"]:
        print(f"## {kind}")
        with _database(kind) as url:
            asyncio.run(main(url, given.rows, whole_plans=given.plans))
