"""v1, "Execution History", notifications, categories, teams, settings and health: what is documented is answered."""

import httpx
import pytest

from tests.fixtures.builders import SOME_TIME
from tests.fixtures.gateway import Api, Json
from tests.integration.gateway.conformance.documented import (
    CATEGORY,
    EXECUTION,
    JOB_STATISTICS,
    LISTED_EXECUTION,
    NOBODY,
    NOTIFICATION,
    RANGE,
    SLACK,
    STATISTICS,
    TEAM,
    V1,
    Case,
    ask,
    differences,
    refused,
)
from tests.integration.gateway.conformance.shapes import Each, Shape, flag, some_id, text, utc, whole


async def test_executions(api: Api) -> None:
    job = await api.create_job()
    began: Json = {"started_at": SOME_TIME, "completed_at": SOME_TIME, "duration_seconds": 15.234}
    run = await api.insert_execution(job, response_status=200, output="Success response body", **began)
    path = "/jobs/{job}/executions"
    every: Shape = {
        "job_id": some_id,
        "job_name": text,
        "total_executions": whole,
        "executions": Each(EXECUTION),
    }
    stats: Shape = {
        "job_id": some_id,
        "job_name": text,
        "latest_execution": {"status": text, "completed_at": utc},
        "statistics": JOB_STATISTICS,
    }
    page: Shape = {"executions": Each(LISTED_EXECUTION), "total": whole, "page": whole, "limit": whole}
    one: Shape = {"execution": {**EXECUTION, "job_name": text}}
    cases = [
        Case(asked=f"GET {path}?status=success&trigger_type=scheduled&limit=5", status=200, shape=every),
        Case(asked=f"GET {path}?from=2026-11-21&to=2026-11-21", status=200, shape=every),
        Case(asked=f"GET {path}/" + "{run}", by="viewer", status=200, shape=one),
        Case(asked=f"GET {path}/stats", by="viewer", status=200, shape=stats),
        *(refused(f"GET {path}{rest}", 401, by="anonymous") for rest in ("", "/{run}", "/stats")),
        refused(f"GET {path}/{NOBODY}", 404),
        *(refused(f"GET /jobs/{NOBODY}/executions{rest}", 404) for rest in ("", "/{run}", "/stats")),
        Case(asked="GET /executions?page=1&limit=5&from=2026-11-21", status=200, shape=page),
        Case(asked="GET /executions/{run}", by="viewer", status=200, shape=one),
        Case(
            asked="GET /executions/statistics?to=2026-11-21", status=200, shape={**STATISTICS, "range": RANGE}
        ),
    ]
    assert await differences(api, V1, cases, job=job["id"], run=run["id"]) == []


async def test_notifications_settings_and_preferences(api: Api) -> None:
    mine = await api.insert_notification("viewer")
    me = api.people["viewer"].id
    path = "/notifications"

    def reads(asked: str, **shape: Shape) -> Case:
        return Case(asked=asked, by="viewer", status=200, shape=shape)

    cases = [
        reads(f"GET {path}?unread_only=true&from=2026-11-21", notifications=Each(NOTIFICATION), total=whole),
        reads(f"GET {path}/unread-count?to=2026-11-21", unread_count=whole),
        reads(f"PUT {path}/" + "{mine}/read", notification=NOTIFICATION),
        reads(f"PUT {path}/read-all", updated_count=whole),
        reads(f"DELETE {path}/" + "{mine}", message=text),
        Case(asked="GET /settings/slack", status=200, shape={"slack_settings": SLACK}),
        Case(asked="PUT /settings/slack", status=200, sent={"json": {}}, shape={"slack_settings": SLACK}),
        *(
            refused(f"{method} /settings/slack", 403, by="user", sent={"json": {}})
            for method in ("GET", "PUT")
        ),
        reads(f"GET /auth/users/{me}/ui-preferences", preferences={"jobs_table_columns": {}}),
        Case(
            asked=f"PUT /auth/users/{me}/ui-preferences",
            by="viewer",
            status=200,
            sent={"json": {"jobs_table_columns": {"end_date": False}}},
            shape={"preferences": {"jobs_table_columns": {"end_date": flag}}},
        ),
    ]
    assert await differences(api, V1, cases, mine=mine["id"]) == []


@pytest.mark.parametrize(
    ("path", "listed", "field", "shape"),
    [("/job-categories", "categories", "category", CATEGORY), ("/pic-teams", "pic_teams", "pic_team", TEAM)],
)
async def test_categories_and_teams(api: Api, path: str, listed: str, field: str, shape: Shape) -> None:
    body = {"name": "Dr. Testing", **({"slack_handle": "@dr"} if field == "pic_team" else {})}
    made = Case(asked=f"POST {path}", status=201, sent={"json": body}, shape={field: shape})
    answer: httpx.Response = await ask(api, V1, made, {})
    cases = [
        refused(f"POST {path}", 409, sent={"json": body}),
        refused(f"POST {path}", 403, by="user", sent={"json": body}),
        Case(asked=f"GET {path}", by="viewer", status=200, shape={listed: Each(shape)}),
        Case(asked=f"PUT {path}/" + "{id}", status=200, sent={"json": {"name": "DR"}}, shape={field: shape}),
        refused(f"PUT {path}/" + "{id}", 403, by="user", sent={"json": {"name": "DR"}}),
        refused(f"DELETE {path}/" + "{id}", 403, by="viewer"),
        Case(asked=f"DELETE {path}/" + "{id}", status=200, shape={field: shape}),
    ]
    assert answer.status_code == 201, answer.text
    assert answer.json()[field]["slug"] == "dr-testing"
    assert await differences(api, V1, cases, id=answer.json()[field]["id"]) == []


async def test_health(api: Api) -> None:
    shape: Shape = {"status": text, "scheduler_running": flag, "scheduled_jobs_count": whole}
    assert (
        await differences(api, V1, [Case(asked="GET /health", by="anonymous", status=200, shape=shape)]) == []
    )
