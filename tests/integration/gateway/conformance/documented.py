"""What the contracts document: the things that their answers show, and how a documented answer is checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fixtures.gateway import Api, Json
from tests.integration.gateway.conformance.shapes import (
    Each,
    Nullable,
    Shape,
    day,
    faults,
    flag,
    local,
    mapping,
    number,
    some_id,
    text,
    utc,
    whole,
)

V1, V2 = "/api", "/api/v2"
NOBODY = "11111111-1111-4111-8111-111111111111"
LAST_DAY = "2027-12-31"

ERROR: Shape = {"error": text, "message": text}
USER: Shape = {
    "id": some_id,
    "username": text,
    "email": text,
    "role": text,
    "is_active": flag,
    "created_at": utc,
    "updated_at": utc,
}
JOB: dict[str, Shape] = {
    "id": some_id,
    "name": text,
    "cron_expression": text,
    "target_url": Nullable(text),
    "github_owner": Nullable(text),
    "github_repo": Nullable(text),
    "github_workflow_name": Nullable(text),
    "metadata": mapping,
    "category": text,
    "pic_team": Nullable(text),
    "end_date": Nullable(day),
    "enable_email_notifications": flag,
    "notification_emails": Each(text, at_least=0),
    "notify_on_success": flag,
    "created_by": some_id,
    "is_active": flag,
    "created_at": utc,
    "updated_at": utc,
    "last_execution_at": Nullable(utc),
    "next_execution_at": Nullable(local),
}
EXECUTION: dict[str, Shape] = {
    "id": some_id,
    "job_id": some_id,
    "status": text,
    "trigger_type": text,
    "started_at": utc,
    "completed_at": Nullable(utc),
    "duration_seconds": Nullable(number),
    "execution_type": text,
    "target": text,
    "response_status": Nullable(whole),
    "error_message": Nullable(text),
    "output": Nullable(text),
}
LISTED_EXECUTION: Shape = {**EXECUTION, "job_name": text, "github_repo": Nullable(text)}
JOB_STATISTICS: Shape = {
    "total_executions": whole,
    "success_count": whole,
    "failed_count": whole,
    "running_count": whole,
    "success_rate": number,
    "average_duration_seconds": number,
}
STATISTICS: dict[str, Shape] = {
    "total_executions": whole,
    "successful_executions": whole,
    "failed_executions": whole,
    "running_executions": whole,
    "success_rate": number,
    "average_duration_seconds": number,
}
NOTIFICATION: Shape = {
    "id": some_id,
    "user_id": some_id,
    "title": text,
    "message": text,
    "type": text,
    "related_job_id": Nullable(some_id),
    "related_execution_id": Nullable(some_id),
    "is_read": flag,
    "read_at": Nullable(utc),
    "created_at": utc,
}
RANGE: Shape = {"from": Nullable(utc), "to": Nullable(utc)}
CATEGORY: dict[str, Shape] = {
    "id": some_id,
    "slug": text,
    "name": text,
    "is_active": flag,
    "created_at": utc,
    "updated_at": utc,
}
TEAM: Shape = {**CATEGORY, "slack_handle": text}
SLACK: Shape = {
    "id": some_id,
    "is_enabled": flag,
    "webhook_url": Nullable(text),
    "channel": Nullable(text),
    "created_at": utc,
    "updated_at": utc,
}

DAILY_BACKUP: Json = {
    "name": "Daily Backup Job",
    "cron_expression": "0 2 * * *",
    "category": "maintenance",
    "pic_team": "devops",
    "end_date": LAST_DAY,
    "github_owner": "myorg",
    "github_repo": "myrepo",
    "github_workflow_name": "backup.yml",
    "metadata": {"env": "production", "priority": "high"},
    "enable_email_notifications": True,
    "notification_emails": ["admin@example.com", "ops@example.com"],
    "notify_on_success": False,
    "is_active": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request, and the answer that its contract documents."""

    asked: str
    """Method and path; names in braces stand for what the test made."""
    status: int
    by: str = "admin"
    sent: Json = field(default_factory=dict)
    """What httpx takes: `json`, `data`, `files`, `content`, `headers`, `params`."""
    shape: Shape = field(default_factory=dict)
    says: Json = field(default_factory=dict)
    """What stands literally at the top level."""


def refused(
    asked: str, status: int, error: str | None = None, message: str | None = None, **case: Any
) -> Case:
    """A request whose answer is an error, with the contract's literal words where it has any."""
    words = {"error": error, "message": message}
    says = {name: value for name, value in words.items() if value is not None}
    return Case(asked=asked, status=status, shape=ERROR, says=says, **case)


async def ask(api: Api, base: str, case: Case, things: Mapping[str, Any]) -> httpx.Response:
    """Send the request of a case."""
    method, _, path = case.asked.partition(" ")
    client: httpx.AsyncClient = getattr(api, case.by)
    url = f"{api.app.state.origin}{base}{path.format(**things)}"
    return await client.request(method, url, **case.sent)


async def differences(api: Api, base: str, cases: Sequence[Case], **things: Any) -> list[str]:
    """How the answers differ from the documented ones; the requests are sent one after another."""
    found = []
    for case in cases:
        answer = await ask(api, base, case, things)
        body = answer.json()
        wrong = faults(case.shape, body) if answer.status_code == case.status else []
        if answer.status_code != case.status:
            wrong = [f"{answer.status_code} instead of {case.status}: {answer.text}"]
        wrong += [
            f"{name} is {body.get(name)!r} instead of {value!r}"
            for name, value in case.says.items()
            if body.get(name) != value
        ]
        found += [f"{case.by}: {case.asked} {case.sent}: {fault}" for fault in wrong]
    return found


async def got(client: httpx.AsyncClient, path: str) -> Json:
    """The body of a GET whose path says everything."""
    answer = await client.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
    body: Json = answer.json()
    return body


async def prepare(api: Api) -> None:
    """The categories and teams of the contracts' examples."""
    for slug, name in (("maintenance", "Maintenance Jobs"), ("reports", "Report Jobs")):
        answer = await api.admin.post("/job-categories", json={"name": name, "slug": slug})
        assert answer.status_code == 201, answer.text
    await api.create_team("DevOps Team", "@devops-team", slug="devops")
    await api.create_team("Analytics Team", "@analytics", slug="analytics")
