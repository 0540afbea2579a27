"""The canonical contract, at `/api/v2`."""

from fastapi import APIRouter

from services.gateway.api.v2 import (
    accounts,
    all_executions,
    auth,
    backfill,
    bulk_upload,
    calendars,
    categories,
    cron_tools,
    executions,
    health,
    job_ledger,
    jobs,
    notifications,
    pausing,
    planned,
    scheduler,
    schedules,
    settings,
    teams,
    test_run,
    users,
)

SHARED = (
    auth.router,
    users.router,
    health.router,
    cron_tools.router,
    bulk_upload.router,
    test_run.router,
    jobs.router,
    executions.router,
    all_executions.router,
    notifications.router,
    categories.router,
    teams.router,
    settings.router,
)
"""What the older contract has just the same."""
OWN = (
    auth.v2_router,
    jobs.v2_router,
    executions.v2_router,
    accounts.v2_router,
    calendars.v2_router,
    scheduler.v2_router,
    schedules.v2_router,
    planned.v2_router,
    backfill.v2_router,
    pausing.v2_router,
    job_ledger.v2_router,
)
"""What is different there, or is not there at all."""


def router() -> APIRouter:
    """All routes, without their prefix."""
    whole = APIRouter()
    for part in (*SHARED, *OWN):
        whole.include_router(part)
    return whole
