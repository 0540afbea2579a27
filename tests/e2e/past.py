"""An outage in no time: processes keep their clocks, so it is the past that moves. Nothing may run meanwhile."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, func, select, update

from services.gateway.store.tables import bus_state, events, executions, jobs

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")


class Past:
    """What SQL holds of jobs and of how far everything is decided."""

    def __init__(self, database_file: Path) -> None:
        self._engine = create_engine(f"sqlite:///{database_file}")

    def covers_all_changes(self) -> bool:
        """Whether everything is decided for every change of a job: where the outage begins, nothing is in between."""
        with self._engine.connect() as connection:
            of_jobs = select(func.max(events.c.published_seq), func.count()).where(
                events.c.aggregate == "job"
            )
            newest, count = connection.execute(of_jobs).one()
            unpublished = connection.scalar(
                select(func.count()).where(events.c.aggregate == "job", events.c.published_seq.is_(None))
            )
            covered = connection.scalar(select(bus_state.c.ledgered_events_seq))
        return count > 0 and unpublished == 0 and newest <= covered

    def move_back(self, by: timedelta) -> datetime:
        """Let all of it lie so much further back; returns up to when everything is decided then.

        No planned instant may have been decided yet: the ids of runs are made of their instants.
        """
        with self._engine.begin() as connection:
            assert connection.scalar(select(func.count()).select_from(executions)) == 0
            until = _move_bus_state(connection, by)
            _move_jobs(connection, by)
        self._engine.dispose()
        return until


def _move_bus_state(connection: Connection, by: timedelta) -> datetime:
    state = connection.execute(select(bus_state)).one()
    until: datetime = state.ledgered_until - by
    audited = state.audited_until - by if state.audited_until is not None else None
    connection.execute(update(bus_state).values(ledgered_until=until, audited_until=audited))
    return until


def _move_jobs(connection: Connection, by: timedelta) -> None:
    for row in connection.execute(select(jobs)).all():
        earlier = {"created_at": row.created_at - by, "updated_at": row.updated_at - by}
        earlier["state"] = _earlier(row.state, by)
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(**earlier))
    for row in connection.execute(select(events).where(events.c.aggregate == "job")).all():
        earlier = {"recorded_at": row.recorded_at - by, "data": _earlier(row.data, by)}
        connection.execute(update(events).where(events.c.position == row.position).values(**earlier))


def _earlier(value: Any, by: timedelta) -> Any:
    """The same JSON, in which all moments (not days) lie further back."""
    if isinstance(value, dict):
        return {name: _earlier(part, by) for name, part in value.items()}
    if isinstance(value, list):
        return [_earlier(part, by) for part in value]
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return (datetime.fromisoformat(value) - by).isoformat().replace("+00:00", "Z")
    return value
