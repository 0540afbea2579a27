"""A database like that of an installation after a year: many executions of a thousand jobs, and people's inboxes."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from services.gateway.store.database import Database
from services.gateway.store.tables import executions, jobs, notifications
from shared.domain.execution import OPEN_STATUSES, Status
from shared.domain.job import DEFAULT_ACCOUNT_ID, Job, WebhookTarget
from shared.domain.schedule import CronSchedule

JOBS = 1_000
BUSY_SHARE = 10
"""Every tenth execution is of one busy job."""
YEAR = timedelta(days=365)
END = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BATCH = 10_000
OUTPUT = "x" * 200
NOT_RUN = {Status.MISSED, Status.SKIPPED}
SHARES = {
    Status.SUCCESS: 930,
    Status.FAILED: 40,
    Status.MISSED: 20,
    Status.DEAD_LETTER: 5,
    Status.CANCELLED: 3,
    Status.SKIPPED: 2,
}
PEOPLE = 100
INBOX = 1_000
"""Notifications of each person; the first person has twenty times as many."""


class Rows:
    """The same rows each time."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._random = random.Random(count)  # noqa: S311 # not a secret
        self.jobs = [self._job(number) for number in range(JOBS)]
        self.people = [self._id() for _ in range(PEOPLE)]

    async def write(self, database: Database) -> None:
        """Fill the empty tables."""
        await _insert(database, jobs, (_job_row(job) for job in self.jobs))
        await _insert(database, executions, self._executions())
        await _insert(database, notifications, self._notifications())

    def _job(self, number: int) -> Job:
        return Job(
            id=self._id(),
            name=f"job {number}",
            schedule=CronSchedule(expression="* * * * *", timezone="UTC"),
            target=WebhookTarget(url=f"https://example.com/hooks/{number}"),
            owner_id=self._id(),
            version=1,
            created_at=END - YEAR,
            updated_at=END - YEAR,
            effective_at=END - YEAR,
        )

    def _executions(self) -> Iterator[dict[str, Any]]:
        # Ten at each instant, as jobs of one schedule are due at once.
        step = YEAR / (self.count / BUSY_SHARE)
        begin = END - YEAR
        for number in range(self.count):
            yield self._execution(number, begin + step * (number // BUSY_SHARE))

    def _execution(self, number: int, at: datetime) -> dict[str, Any]:
        busy = number % BUSY_SHARE == 0
        job = self.jobs[0 if busy else 1 + number * 7919 % (JOBS - 1)]
        status = self._status(number)
        ran = status not in NOT_RUN and status is not Status.QUEUED
        seconds = round(self._random.expovariate(1 / 5), 3) if ran and status not in OPEN_STATUSES else None
        return {
            "id": self._id(),
            "job_id": job.id,
            "account_id": DEFAULT_ACCOUNT_ID,
            "owner_id": job.owner_id,
            "job_name": job.name,
            "job_version": 1,
            "kind": "manual" if number % 50 == 1 else "scheduled",
            "queue": "default",
            "target_kind": "github_actions" if number % 20 == 3 else "webhook",
            "target_label": job.target.label,
            "planned_at": at if number % 50 != 1 else None,
            "planned_to": at if number % 50 != 1 else None,
            "planned_count": 1,
            "reason": "The scheduler was down" if status in NOT_RUN else None,
            "into_execution_id": None,
            "queued_at": at,
            "status": status.value,
            "rank": 0,
            "redrive": 0,
            "attempt": 1 if ran else 0,
            "started_at": at if ran else None,
            "completed_at": at + timedelta(seconds=seconds) if seconds is not None else None,
            "duration_seconds": seconds,
            "response_status": 200 if status is Status.SUCCESS else None,
            "timed_out": False,
            "error_message": "HTTP 500" if status is Status.FAILED else None,
            "output": OUTPUT if ran else None,
            "is_open": status in OPEN_STATUSES,
            "generation": 1,
            "report_seq": number,
        }

    def _status(self, number: int) -> Status:
        if self.count - number <= 100:
            return (Status.QUEUED, Status.RUNNING, Status.UNKNOWN)[number % 3]
        return self._random.choices(list(SHARES), list(SHARES.values()))[0]

    def _notifications(self) -> Iterator[dict[str, Any]]:
        for place, person in enumerate(self.people):
            count = INBOX * 20 if place == 0 else INBOX
            for number in range(count):
                yield {
                    "id": self._id(),
                    "user_id": person,
                    "title": "Job Failed",
                    "message": "Job 'nightly' failed with error: HTTP 500",
                    "type": "error",
                    "is_read": number < count * 9 // 10,
                    "read_at": None,
                    "created_at": END - YEAR + YEAR / count * number,
                    "deleted_at": None,
                }

    def _id(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)


async def _insert(database: Database, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            await _insert_batch(database, table, batch)
            batch = []
    if batch:
        await _insert_batch(database, table, batch)


async def _insert_batch(database: Database, table: Table, batch: list[dict[str, Any]]) -> None:
    async with database.write() as connection:
        await connection.execute(table.insert(), batch)


def _job_row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "account_id": job.account_id,
        "name": job.name,
        "owner_id": job.owner_id,
        "is_active": True,
        "version": 1,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "state": job.model_dump(mode="json"),
        "category": job.category,
        "pic_team": job.pic_team,
        "target_kind": job.target.kind,
        "ends_at": None,
    }
