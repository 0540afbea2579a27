"""The canonical contract, at `/api/v2`."""

from fastapi import APIRouter

from services.gateway.api.v2 import auth, executions, health, jobs, notifications

SHARED = (auth.router, health.router, jobs.router, executions.router, notifications.router)
"""What the older contract has just the same."""
OWN = (auth.v2_router, jobs.v2_router, executions.v2_router)
"""What is different there, or is not there at all."""


def router() -> APIRouter:
    """All routes, without their prefix."""
    whole = APIRouter()
    for part in (*SHARED, *OWN):
        whole.include_router(part)
    return whole
