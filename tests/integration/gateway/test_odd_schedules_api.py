"""Schedules at the edges of what can be said: clear answers, in the words of the request, and nothing changed."""

from typing import Any

import httpx
import pytest

from tests.fixtures.gateway import Api, Json, body_of, created, job_body

ONCE: Json = {"kind": "once", "at": "2026-12-01T09:00:00"}
EVERY: Json = {"kind": "interval", "every_seconds": 90}
NIGHTLY: Json = {"kind": "cron", "expression": "0 2 * * *"}


async def created_with(api: Api, schedule: Any, **fields: Any) -> httpx.Response:
    body = {**job_body(schedule=schedule), **fields}
    del body["cron_expression"]
    return await api.user.post("/jobs", json=body)


async def job_with(api: Api, schedule: Json, **fields: Any) -> Json:
    answer = await created_with(api, schedule, **fields)
    assert answer.status_code == 201, answer.text
    job: Json = answer.json()["job"]
    return job


async def v1_put(api: Api, job: Json, body: Json) -> httpx.Response:
    return await api.user.put(f"{api.app.state.origin}/api/jobs/{job['id']}", json=body)


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("schedule", "field", "reason"),
        [
            ({**EVERY, "every_seconds": 0}, "schedule.every_seconds", "Input should be greater than or equal to 1"),
            ({"kind": "interval"}, "schedule.every_seconds", "is required"),
            ({**NIGHTLY, "every_seconds": 5}, "schedule.every_seconds", "is not a known field"),
            ({**NIGHTLY, "exclusions": [{"from": "2026-12-25"}]}, "schedule.exclusions.0", "needs a date, or from and to"),
            ({**NIGHTLY, "exclusions": [{"calendar": None}]}, "schedule.exclusions.0.calendar", "Input should be a valid string"),
            ({**NIGHTLY, "exclusions": [None]}, "schedule.exclusions.0", "must be an object"),
            ({**NIGHTLY, "exclusions": [{"date": "2026-12-25", "note": "n" * 65}]}, "schedule.exclusions.0.note", "String should have at most 64 characters"),
            ({**NIGHTLY, "(cron)": 1}, "schedule.(cron)", "is not a known field"),
        ],
    )  # fmt: skip
    async def test_is_named_as_it_stands_in_the_request(
        self, api: Api, schedule: Json, field: str, reason: str
    ) -> None:
        answer = await created_with(api, schedule)
        assert (answer.status_code, answer.json()["details"]) == (400, {field: reason})

    @pytest.mark.parametrize("rule", [{"gap": "run"}, {"expression": "0 3 * * *"}, {"every_seconds": 5}])
    async def test_of_a_change_is_that_a_rule_needs_its_kind(self, api: Api, rule: Json) -> None:
        job = await api.create_job()
        for method, path, body in (
            ("PUT", f"/jobs/{job['id']}", {"schedule": rule}),
            ("POST", "/schedules/preview", {"schedule": rule, "job_id": job["id"]}),
        ):
            answer = await api.user.request(method, path, json=body)
            assert (answer.status_code, answer.json()["error"]) == (400, "Invalid schedule")
            assert answer.json()["details"] == {"schedule": "kind must be cron, interval or once"}
        assert await body_of(api.user, f"/jobs/{job['id']}") == {"job": job}

    async def test_of_a_change_that_is_no_object_is_said_so(self, api: Api) -> None:
        job = await api.create_job()
        answer = await api.user.put(f"/jobs/{job['id']}", json={"schedule": None})
        assert answer.json()["details"] == {"schedule": "must be an object"}

    @pytest.mark.parametrize("version", [0, -1, 2**31, 10**50, 1.5, "x"])
    async def test_is_a_version_that_no_calendar_can_have(self, api: Api, version: object) -> None:
        schedule = {**NIGHTLY, "exclusions": [{"calendar": "holidays", "version": version}]}
        answer = await created_with(api, schedule)
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid schedule")

    async def test_is_told_in_the_zones_own_time(self, api: Api) -> None:
        answer = await created_with(api, {"kind": "once", "at": "2026-11-21T09:00:00"})
        assert answer.json()["message"] == "The schedule never fires: 2026-11-21T09:00:00+09:00 has passed"
        answer = await created_with(api, ONCE, end_date="2026-11-30")
        assert answer.json()["message"] == "at must not be after the last day: 2026-12-01T09:00:00+09:00"

    @pytest.mark.parametrize("day", ["1969-12-31", "9998-01-01"])
    async def test_of_a_period_is_that_it_lies_beyond_all_time(self, api: Api, day: str) -> None:
        answer = await api.viewer.get(f"/calendar?from={day}")
        assert answer.status_code == 400
        assert answer.json() == {
            "error": "Invalid date range",
            "message": "The period must lie in the years 1970 to 9997.",
        }


@pytest.mark.parametrize(
    ("schedule", "begin", "runs"),
    [
        (NIGHTLY, "9997-12-30T12:00:00Z", ["9997-12-31T02:00:00+09:00"]),
        ({"kind": "cron", "expression": "0 0 1 1 *"}, "9996-01-01T12:00:00Z", ["9997-01-01T00:00:00+09:00"]),
        ({**EVERY, "every_seconds": 31_622_400, "anchor": "1970-01-01T00:00:00Z"}, "9997-12-31T00:00:00Z", []),
        ({**NIGHTLY, "exclusions": [{"date": "9997-12-31"}]}, "9997-12-30T12:00:00Z", []),
    ],
)  # fmt: skip
async def test_a_preview_ends_with_time_itself(api: Api, schedule: Json, begin: str, runs: list[str]) -> None:
    answer = await api.viewer.post("/schedules/preview", json={"schedule": schedule, "from": begin})
    assert answer.status_code == 200, answer.text
    assert [run["planned"] for run in answer.json()["runs"]] == runs


class TestWithoutALastDay:
    async def test_a_job_that_ran_once_cannot_run_for_ever(self, api: Api) -> None:
        job = await job_with(api, ONCE, end_date=None)
        for change in ({"schedule": EVERY}, {"cron_expression": "0 2 * * *"}):
            answer = await api.user.put(f"/jobs/{job['id']}", json=change)
            assert (answer.status_code, answer.json()["error"]) == (400, "Invalid end_date"), answer.text
        assert await body_of(api.user, f"/jobs/{job['id']}") == {"job": job}
        answer = await api.user.put(f"/jobs/{job['id']}", json={"schedule": EVERY, "end_date": "2027-01-01"})
        assert answer.json()["job"]["end_date"] == "2027-01-01"

    async def test_a_job_of_the_older_contract_may_be_sent_back_as_it_is_shown(self, api: Api) -> None:
        least = {"name": "endless", "cron_expression": "0 * * * *", "target_url": "https://example.com/"}
        job = (await api.user.post(f"{api.app.state.origin}/api/jobs", json=least)).json()["job"]
        answer = await api.user.put(f"/jobs/{job['id']}", json={**job, "name": "as before"})
        assert answer.status_code == 400, answer.text  # it has no team either
        kept = {name: value for name, value in job.items() if name != "pic_team"}
        answer = await api.user.put(f"/jobs/{job['id']}", json={**kept, "name": "as before"})
        assert (answer.status_code, answer.json()["job"]["end_date"]) == (200, None), answer.text

    async def test_no_other_job_loses_it(self, api: Api) -> None:
        job = await api.create_job()
        for change in (
            {"end_date": None},
            {"schedule": {"end_date": None}},
            {"schedule": {**EVERY, "end_date": None}},
        ):
            answer = await api.user.put(f"/jobs/{job['id']}", json=change)
            assert (answer.status_code, answer.json()["error"]) == (400, "Invalid end_date")
        assert await body_of(api.user, f"/jobs/{job['id']}") == {"job": job}


class TestWithoutAnExpression:
    @pytest.mark.parametrize("schedule", [{**EVERY, "end_date": "2027-01-01"}, ONCE])
    async def test_a_job_may_be_sent_back_in_the_older_contract(self, api: Api, schedule: Json) -> None:
        job = await job_with(api, schedule, end_date=schedule.get("end_date"))
        answer = await v1_put(api, job, {**job, "name": "renamed"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["job"]["schedule"] == job["schedule"]
        answer = await api.user.put(f"/jobs/{job['id']}", json={"cron_expression": None})
        assert (answer.status_code, answer.json()["job"]["version"]) == (200, 2)

    async def test_no_job_loses_it_without_another_rule(self, api: Api) -> None:
        job = await created(api.user)
        for answer in (
            await v1_put(api, job, {"cron_expression": None}),
            await api.user.put(f"/jobs/{job['id']}", json={"cron_expression": None}),
            await api.user.put(f"/jobs/{job['id']}", json={"cron_expression": None, "schedule": NIGHTLY}),
        ):
            assert answer.status_code == 400
        assert await body_of(api.user, f"/jobs/{job['id']}") == {"job": job}
