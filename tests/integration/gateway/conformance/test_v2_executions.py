"""v2, "Job Execution Endpoints" and "Executions Endpoints": what is documented is answered."""

from datetime import timedelta

from tests.fixtures.builders import SOME_TIME
from tests.fixtures.gateway import Api, Json
from tests.integration.gateway.conformance.documented import (
    EXECUTION,
    JOB_STATISTICS,
    LISTED_EXECUTION,
    NOBODY,
    RANGE,
    STATISTICS,
    V2,
    Case,
    differences,
    got,
    refused,
)
from tests.integration.gateway.conformance.shapes import Each, Nullable, Shape, some_id, text, whole

PAGE: Shape = {
    "executions": Each(LISTED_EXECUTION),
    "total": whole,
    "page": whole,
    "limit": whole,
    "total_pages": whole,
}
ONE_JOBS: Shape = {
    "job_id": some_id,
    "job_name": text,
    "total_executions": whole,
    "executions": Each(EXECUTION),
}
LATEST: Shape = {name: EXECUTION[name] for name in ("id", "job_id", "status", "trigger_type", "started_at")}
BACKWARDS = ("Invalid date range", '"from" must be earlier than "to".')


async def insert_ten(api: Api, job: Json) -> Json:
    """Eight that went well, one that failed and one that runs, a minute apart; answers the failed one's row."""
    last: Json = {}
    for minute in range(10):
        began = SOME_TIME + timedelta(minutes=minute)
        ended = {"completed_at": began + timedelta(seconds=10), "duration_seconds": 10.0}
        result: Json = {"status": "success", "response_status": 200, **ended}
        if minute == 8:
            result = {"status": "failed", "response_status": 500, "error_message": "Request failed", **ended}
        if minute == 9:
            result = {"status": "running"}
        times: Json = {"started_at": began, "queued_at": began, "planned_at": began, "planned_to": began}
        if minute == 9:
            times |= {"kind": "manual", "planned_at": None, "planned_to": None}
        row = await api.insert_execution(job, **times, **result)
        last = row if minute == 8 else last
    return last


async def test_all_executions(api: Api) -> None:
    job = await api.create_job()
    failed = await insert_ten(api, job)
    things = {"job": job["id"], "run": failed["id"]}
    counts: Json = {
        "total_executions": 10,
        "successful_executions": 8,
        "failed_executions": 1,
        "running_executions": 1,
        "success_rate": 80.0,
        "average_duration_seconds": 10.0,
    }
    of_days: Json = {
        "sent": {"params": {"from": "2026-11-01", "to": "2026-11-21"}},
        "says": {**counts, "range": {"from": "2026-11-01T00:00:00Z", "to": "2026-11-22T00:00:00Z"}},
    }
    cases = [
        Case(asked="GET /executions", by="viewer", status=200, shape=PAGE, says={"total": 10, "limit": 20}),
        Case(asked="GET /executions/{run}", by="viewer", status=200, shape={"execution": LISTED_EXECUTION}),
        Case(asked="GET /executions/statistics", by="viewer", status=200, shape=STATISTICS, says=counts),
        Case(
            asked="GET /executions/statistics",
            status=200,
            shape={**STATISTICS, "range": RANGE},
            **of_days,
        ),
        Case(asked="GET /executions/statistics?job_id={job}", status=200, says=counts),
        refused(f"GET /executions/{NOBODY}", 404, "Execution not found"),
        *(refused(f"GET /executions{page}", 401, by="anonymous") for page in ("", "/statistics", "/{run}")),
        *(
            refused(f"GET /executions{page}?from=2026-11-21&to=2026-11-20", 400, *BACKWARDS)
            for page in ("", "/statistics")
        ),
        *(refused(f"GET /executions{page}?from=yesterday", 400) for page in ("", "/statistics")),
        *(refused(f"GET /executions?{query}", 400) for query in ("status=odd", "trigger_type=odd", "page=0")),
    ]
    assert await differences(api, V2, cases, **things) == []


async def test_one_jobs_executions(api: Api) -> None:
    job = await api.create_job()
    failed = await insert_ten(api, job)
    counts: Json = {
        "total_executions": 10,
        "success_count": 8,
        "failed_count": 1,
        "running_count": 1,
        "success_rate": 80.0,
        "average_duration_seconds": 10.0,
    }
    path = "/jobs/{job}/executions"
    one: Shape = {"job": {"id": some_id, "name": text}, "execution": EXECUTION}
    stats: Shape = {
        "job_id": some_id,
        "job_name": text,
        "statistics": JOB_STATISTICS,
        "latest_execution": Nullable(LATEST),
    }
    named = {"job": {"id": job["id"], "name": job["name"]}}
    cases = [
        Case(asked=f"GET {path}", by="viewer", status=200, shape=ONE_JOBS, says={"total_executions": 10}),
        Case(asked=f"GET {path}/" + "{run}", by="viewer", status=200, shape=one, says=named),
        Case(asked=f"GET {path}/stats", by="viewer", status=200, shape=stats, says={"job_id": job["id"]}),
        *(refused(f"GET {path}{page}", 401, by="anonymous") for page in ("", "/stats", "/{run}")),
        *(refused(f"GET /jobs/{NOBODY}/executions{page}", 404, "Job not found") for page in ("", "/stats")),
        refused(f"GET {path}/{NOBODY}", 404, "Execution not found"),
        refused(f"GET {path}?from=2026-11-21&to=2026-11-20", 400, *BACKWARDS),
    ]
    assert await differences(api, V2, cases, job=job["id"], run=failed["id"]) == []
    statistics = (await got(api.user, f"/jobs/{job['id']}/executions/stats"))["statistics"]
    assert {name: statistics[name] for name in counts} == counts


async def test_filters_find_what_they_say(api: Api) -> None:
    job = await api.create_job()
    await insert_ten(api, job)
    documented = {
        "": 10,
        "status=success": 8,
        "status=success,failed": 9,
        "status=running": 1,
        "trigger_type=manual": 1,
        "trigger_type=scheduled": 9,
        "from=2026-11-21": 10,
        "to=2026-11-20": 0,
        "to=2026-11-21": 10,
        "from=2026-11-21&to=2026-11-21": 10,
        "from=2026-11-22": 0,
    }
    for name, path in (("total", "/executions"), ("total_executions", f"/jobs/{job['id']}/executions")):
        found = {query: (await got(api.viewer, f"{path}?{query}"))[name] for query in documented}
        assert found == documented, path


async def test_a_period_is_inclusive_at_its_beginning_and_exclusive_at_its_end(api: Api) -> None:
    job = await api.create_job()
    await insert_ten(api, job)
    start = SOME_TIME.replace(tzinfo=None).isoformat()
    for zone in ("", "Z", "+00:00", "%2B00:00"):
        later = (SOME_TIME + timedelta(minutes=2)).replace(tzinfo=None).isoformat()
        path = f"/executions?from={start}{zone}&to={later}{zone}"
        assert (await got(api.viewer, path))["total"] == 2, zone


async def test_pages(api: Api) -> None:
    job = await api.create_job()
    await insert_ten(api, job)
    whole_page = {"page": 2, "limit": 3, "total": 10, "total_pages": 4}
    cases = [
        Case(asked="GET /executions?page=2&limit=3", status=200, shape=PAGE, says=whole_page),
        Case(asked="GET /executions?limit=500", status=200, says={"limit": 200, "total_pages": 1}),
        Case(asked="GET /executions?execution_type=webhook", status=200, says={"total": 10}),
        Case(asked="GET /executions?execution_type=github_actions", status=200, says={"total": 0}),
        Case(asked="GET /executions?job_id=" + NOBODY, status=200, says={"total": 0, "total_pages": 0}),
    ]
    assert await differences(api, V2, cases) == []
