"""Looking at a schedule before it becomes a job's."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.gateway.store.tables import events
from shared.domain.spread import slot
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import Api, Json, body_of
from tests.integration.gateway.calendars import make_calendar

NIGHTLY: Json = {"kind": "cron", "expression": "30 2 * * *", "timezone": "Europe/Berlin"}


async def previewed(api: Api, **body: Any) -> Json:
    answer = await api.viewer.post("/schedules/preview", json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def codes(found: Json) -> list[str]:
    return [warning["code"] for warning in found["warnings"]]


def planned(found: Json) -> list[str]:
    return [run["planned"] for run in found["runs"]]


async def test_it_shows_all_there_is_to_know(api: Api) -> None:
    await make_calendar(api, "Holidays", exclusions=[{"date": "2027-03-29", "note": "Easter Monday"}])
    schedule = {**NIGHTLY, "jitter_seconds": 600, "exclusions": [{"calendar": "holidays"}]}
    found = await previewed(api, schedule=schedule, count=2, **{"from": "2027-03-27T12:00:00"})
    assert found == {
        "description": found["description"],
        "timezone": "Europe/Berlin",
        "count": 2,
        "runs": [
            {
                "planned": "2027-03-28T03:00:00+02:00",
                "planned_utc": "2027-03-28T01:00:00Z",
                "offset": "+02:00",
                "actual": None,
                "actual_window": {"from": "2027-03-28T03:00:00+02:00", "to": "2027-03-28T03:10:00+02:00"},
                "note": "The clock skips from 02:00 to 03:00; the run in between happens right after that.",
            },
            {
                "planned": "2027-03-30T02:30:00+02:00",
                "planned_utc": "2027-03-30T00:30:00Z",
                "offset": "+02:00",
                "actual": None,
                "actual_window": {"from": "2027-03-30T02:30:00+02:00", "to": "2027-03-30T02:40:00+02:00"},
                "note": None,
            },
        ],
        "excluded": [
            {
                "planned": "2027-03-29T02:30:00+02:00",
                "exclusion": {"from": "2027-03-29", "to": "2027-03-29", "note": "Easter Monday"},
                "calendar": "holidays",
            }
        ],
        "dst_change": {
            "at": "2027-03-28T03:00:00+02:00",
            "description": "On 2027-03-28 the clock goes forward from 02:00 to 03:00. "
            "A run in the time that is skipped happens once, right after the change.",
            "runs_around": [
                "2027-03-26T02:30:00+01:00",
                "2027-03-27T02:30:00+01:00",
                "2027-03-28T03:00:00+02:00",
                "2027-03-30T02:30:00+02:00",
            ],
        },
        "warnings": [
            {
                "code": "fires_in_gap",
                "message": "It names times that the clock skips on 2027-03-28. "
                "A run in the time that is skipped happens once, right after the change.",
            },
            {
                "code": "fires_in_fold",
                "message": "It names times that come twice on 2027-10-31. "
                "A run in the time that is repeated happens once.",
            },
        ],
    }
    assert found["description"].startswith("At 02:30 AM every day")


async def test_an_expression_alone_is_previewed_in_the_installations_zone(api: Api) -> None:
    found = await previewed(api, cron_expression="0 2 * * *")
    assert (found["timezone"], found["count"], len(found["runs"])) == ("Asia/Tokyo", 10, 10)
    assert found["runs"][0] == {
        "planned": "2026-11-22T02:00:00+09:00",
        "planned_utc": "2026-11-21T17:00:00Z",
        "offset": "+09:00",
        "actual": "2026-11-22T02:00:00+09:00",
        "actual_window": None,
        "note": None,
    }
    assert (found["excluded"], found["dst_change"], found["warnings"]) == ([], None, [])
    berlin = await previewed(api, cron_expression="0 2 * * *", timezone="Europe/Berlin", count=1)
    assert planned(berlin) == ["2026-11-22T02:00:00+01:00"]


@pytest.mark.parametrize(
    ("schedule", "runs"),
    [
        (
            {"kind": "interval", "every_seconds": 90},
            ["2026-11-21T21:01:30+09:00", "2026-11-21T21:03:00+09:00"],
        ),
        ({"kind": "once", "at": "2026-12-01T09:00:00"}, ["2026-12-01T09:00:00+09:00"]),
        (
            {"kind": "cron", "expression": "*/30 * * * * *", "seconds": True},
            ["2026-11-21T21:00:30+09:00", "2026-11-21T21:01:00+09:00"],
        ),
        (
            {"kind": "cron", "expression": "@daily"},
            ["2026-11-22T00:00:00+09:00", "2026-11-23T00:00:00+09:00"],
        ),
    ],
)
async def test_all_kinds_are_previewed(api: Api, schedule: Json, runs: list[str]) -> None:
    assert planned(await previewed(api, schedule=schedule, count=2)) == runs


class TestOfAJob:
    async def test_its_slot_says_when_runs_begin(self, api: Api) -> None:
        job = await api.create_job()
        found = await previewed(api, schedule={**NIGHTLY, "jitter_seconds": 600}, job_id=job["id"], count=1)
        [run] = found["runs"]
        later = datetime.fromisoformat(run["actual"]) - datetime.fromisoformat(run["planned"])
        assert later == slot(UUID(job["id"]), 600) > timedelta(0)
        assert run["actual_window"] is None

    async def test_it_says_what_is_not_given(self, api: Api) -> None:
        job = await api.create_job(timezone="Europe/Berlin", timeout_seconds=300, end_date="2026-12-01")
        assert planned(await previewed(api, job_id=job["id"], count=1)) == ["2026-11-22T02:00:00+01:00"]
        found = await previewed(api, job_id=job["id"], schedule={"start_at": "2026-12-01T00:00:00"}, count=5)
        assert planned(found) == ["2026-12-01T02:00:00+01:00"]
        found = await previewed(api, job_id=job["id"], cron_expression="*/4 * * * *")
        assert codes(found) == ["ends_soon", "denser_than_timeout"]
        found = await previewed(api, job_id=job["id"], cron_expression="*/4 * * * *", timeout_seconds=30)
        assert codes(found) == ["ends_soon"]
        assert (await body_of(api.viewer, f"/jobs/{job['id']}"))["job"] == job

    async def test_one_that_is_not_there_is_a_404(self, api: Api) -> None:
        answer = await api.viewer.post("/schedules/preview", json={"job_id": str(uuid4())})
        assert (answer.status_code, answer.json()["error"]) == (404, "Job not found")


@pytest.mark.parametrize(
    "schedule",
    [
        {"kind": "cron", "expression": "0 0 31 2 *"},
        {"kind": "once", "at": "2026-11-21T12:00:00Z"},
        {"kind": "once", "at": "2026-12-25T12:00:00", "exclusions": [{"date": "2026-12-25"}]},
    ],
)
async def test_what_never_fires_is_a_warning_here_and_an_error_of_a_job(api: Api, schedule: Json) -> None:
    found = await previewed(api, schedule=schedule)
    assert (found["count"], found["runs"], codes(found)[0]) == (0, [], "never_fires")
    job = await api.create_job()
    assert (await api.user.put(f"/jobs/{job['id']}", json={"schedule": schedule})).status_code == 400


WRONG: list[tuple[Json, str]] = [
    ({}, "Missing required fields"),
    ({"schedule": NIGHTLY, "cron_expression": "0 2 * * *"}, "Invalid schedule"),
    ({"schedule": NIGHTLY, "timezone": "UTC"}, "Invalid schedule"),
    ({"schedule": {"jitter_seconds": 5}}, "Invalid schedule"),
    ({"schedule": {**NIGHTLY, "jitter_seconds": -1}}, "Invalid schedule"),
    ({"schedule": {**NIGHTLY, "expression": "0 2 * *"}}, "Invalid cron expression"),
    ({"schedule": {**NIGHTLY, "timezone": "Mars/Base"}}, "Invalid time zone"),
    ({"schedule": {**NIGHTLY, "exclusions": [{"calendar": "none"}]}}, "Invalid calendar"),
    ({"schedule": {**NIGHTLY, "start_at": "2027-01-02T00:00", "end_date": "2027-01-01"}}, "Invalid schedule"),
    ({"cron_expression": "@daily"}, "Invalid cron expression"),
    ({"cron_expression": "0 2 * * *", "count": 0}, "Invalid count"),
    ({"cron_expression": "0 2 * * *", "count": 101}, "Invalid count"),
    ({"cron_expression": "0 2 * * *", "from": "yesterday"}, "Invalid from"),
    ({"cron_expression": "0 2 * * *", "from_": "2027-01-01T00:00"}, "Invalid payload"),
    ({"cron_expression": "0 2 * * *", "timeout_seconds": 0}, "Invalid timeout_seconds"),
    ({"job_id": "x"}, "Invalid job_id"),
    ({"cron_expression": "0 2 * * *", "more": 1}, "Invalid payload"),
]


async def test_what_makes_no_sense_is_a_400(api: Api) -> None:
    answers = [(body, await api.viewer.post("/schedules/preview", json=body)) for body, _ in WRONG]
    assert [(body, answer.status_code, answer.json()["error"]) for body, answer in answers] == [
        (body, 400, error) for body, error in WRONG
    ]


async def test_everybody_who_is_logged_in_may_look_and_nothing_is_changed(api: Api) -> None:
    before = await rows_of(api.gateway.database, events)
    body = {"schedule": NIGHTLY}
    callers = ("admin", "user", "other", "viewer", "anonymous")
    answers = [await getattr(api, caller).post("/schedules/preview", json=body) for caller in callers]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 401]
    assert await rows_of(api.gateway.database, events) == before
    assert (
        await api.admin.post(f"{api.app.state.origin}/api/schedules/preview", json=body)
    ).status_code == 404
