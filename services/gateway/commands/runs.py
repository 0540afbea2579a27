"""Running a job because somebody asked for it: the row and the work order, in one transaction."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.commands.jobs import update_job
from services.gateway.domain.actor import SYSTEM, Actor
from services.gateway.domain.job import InvalidJob, JobNotFound, has_ended
from services.gateway.gateway import Gateway
from services.gateway.relay import seal_order
from services.gateway.store.tables import bus_state, executions, jobs, runs
from shared.domain.execution import Kind, Phase, Status, rank
from shared.domain.ids import manual_execution_id
from shared.domain.job import Job
from shared.events import RunFacts, RunTriggered
