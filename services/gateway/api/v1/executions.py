"""Executions as v1 shows them: one alone, with its job's name in it."""

from fastapi import APIRouter

router = APIRouter(prefix="/jobs/{job_id}", tags=["v1: Executions"])
