"""The tables. `events` is the record and the outbox; jobs, people, teams, settings and accounts are folded from it and can
be rebuilt; executions, attempts, runs, notifications and sessions are records themselves.
"""

from services.gateway.store.tables.base import metadata
from services.gateway.store.tables.bus import bus_state, bus_streams, leases
from services.gateway.store.tables.events import events
from services.gateway.store.tables.executions import attempts, executions, notifications, runs
from services.gateway.store.tables.folded import (
    account_members,
    accounts,
    calendars,
    categories,
    job_calendars,
    jobs,
    slack_settings,
    teams,
    users,
)
from services.gateway.store.tables.sessions import (
    credentials,
    idempotency_keys,
    known_addresses,
    login_failures,
    refresh_tokens,
)

__all__ = [
    "account_members",
    "accounts",
    "attempts",
    "bus_state",
    "bus_streams",
    "calendars",
    "categories",
    "credentials",
    "events",
    "executions",
    "idempotency_keys",
    "job_calendars",
    "jobs",
    "known_addresses",
    "leases",
    "login_failures",
    "metadata",
    "notifications",
    "refresh_tokens",
    "runs",
    "slack_settings",
    "teams",
    "users",
]
