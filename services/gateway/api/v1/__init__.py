"""The older form of v2, at `/api`: the same resources, with the differences that stand in this package."""

from fastapi import APIRouter

from services.gateway.api import v2
from services.gateway.api.v1 import auth, executions, jobs


def router() -> APIRouter:
    """All routes, without their prefix."""
    whole = APIRouter()
    for part in (*v2.SHARED, auth.router, jobs.router, executions.router):
        whole.include_router(part)
    return whole
