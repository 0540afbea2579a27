"""The database: one engine, transactions that write and transactions that read, on SQLite and PostgreSQL alike."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.errors import Transient

POOL_SIZE = 10
STATEMENT_TIMEOUT_MS = 15_000
SQLITE_BUSY_TIMEOUT_MS = 10_000
_WRITES = "jetcron_writes"


class DatabaseUnavailable(Transient):
    """The database does not answer; nothing was changed."""

    title = "Service unavailable"


class Database:
    """Hands out connections inside transactions; nothing else commits."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            parsed = parsed.set(drivername="sqlite+aiosqlite")
            if parsed.database and parsed.database != ":memory:":
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = create_async_engine(
                parsed, pool_size=POOL_SIZE, max_overflow=0, hide_parameters=True
            )
            _prepare_sqlite(self.engine)
        else:
            parsed = parsed.set(drivername="postgresql+psycopg")
            self.engine = create_async_engine(
                parsed,
                pool_size=POOL_SIZE,
                max_overflow=POOL_SIZE,
                hide_parameters=True,  # an error that is logged must not tell a password's hash
                pool_pre_ping=True,
                connect_args={
                    "connect_timeout": 5,
                    "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
                },
            )
        self.url = parsed
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._writer = self.engine.execution_options(**{_WRITES: True})
        # SQLite has one writer at a time: queueing here beats its busy loop.
        self._turn: contextlib.AbstractAsyncContextManager[Any] = (
            asyncio.Lock() if self.is_sqlite else contextlib.nullcontext()
        )

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may change things; commits at the end of the block, rolls back when it raises."""
        async with self._turn:
            with _unavailable_when_down():
                async with self._writer.begin() as connection:
                    yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads."""
        with _unavailable_when_down():
            async with self.engine.begin() as connection:
                yield connection

    def upsert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that can say what to do on a conflict; both dialects spell it alike."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    async def is_reachable(self) -> bool:
        """Whether the database answers."""
        try:
            async with self.read() as connection:
                await connection.execute(select(func.count()).select_from(select(1).subquery()))
        except Transient:
            return False
        return True

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()


@contextlib.contextmanager
def _unavailable_when_down() -> Any:
    try:
        yield
    except (OperationalError, InterfaceError, PoolExhausted, ConnectionError) as error:
        raise DatabaseUnavailable("the database does not answer") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable("the database went away") from error
        raise


def _prepare_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        # The driver's own implicit transactions come too late and too weak; ours are begun below.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={SQLITE_BUSY_TIMEOUT_MS}",  # first: others may be changing the journal mode just now
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
