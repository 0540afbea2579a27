"""Jobs as v1 takes them: without a last day and without a team, if need be."""

from fastapi import APIRouter

router = APIRouter(prefix="/jobs", tags=["v1: Jobs"])
