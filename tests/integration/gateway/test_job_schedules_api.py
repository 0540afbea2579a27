"""Jobs with a schedule of their own: what may be written, and that it is kept and shown."""

from typing import Any

import pytest

from tests.fixtures.gateway import Api, Json, body_of, client_of, job_body
from tests.integration.gateway.calendars import make_calendar
from tests.integration.gateway.uploads import row_of, upload

WEEKDAYS: Json = {
    "kind": "cron",
    "expression": "0 0 9 * * MON-FRI",
    "seconds": True,
    "gap": "run",
    "fold": "last",
    "timezone": "Europe/Berlin",
    "start_at": "2026-12-01T00:00:00+01:00",
    "end_date": "2027-06-30",
    "jitter_seconds": 300,
    "exclusions": [
        {"from": "2026-12-24", "to": "2026-12-26", "note": "Christmas"},
        {"from": "2026-12-31T18:00:00", "to": "2027-01-02T06:00:00", "note": None},
    ],
}
COMMON: Json = {
    "timezone": "Asia/Tokyo",
    "start_at": None,
    "end_date": None,
    "jitter_seconds": 0,
    "exclusions": [],
}
ONCE: Json = {"kind": "once", "at": "2026-12-01T09:00:00"}
EVERY: Json = {"kind": "interval", "every_seconds": 90}


def body(schedule: Any, **fields: Any) -> Json:
    """A new job with that schedule in place of an expression and a last day."""
    given = {name: value for name, value in job_body().items() if name not in ("cron_expression", "end_date")}
    return {**given, "schedule": schedule, **fields}


async def create(api: Api, schedule: Json, **fields: Any) -> Json:
    answer = await api.user.post("/jobs", json=body(schedule, **fields))
    assert answer.status_code == 201, answer.text
    job: Json = answer.json()["job"]
    return job


async def put(api: Api, job: Json, **fields: Any) -> Json:
    answer = await api.user.put(f"/jobs/{job['id']}", json=fields)
    assert answer.status_code == 200, answer.text
    changed: Json = answer.json()["job"]
    return changed


class TestCreate:
    async def test_a_cron_schedule_is_shown_as_it_was_given(self, api: Api) -> None:
        job = await create(api, WEEKDAYS)
        assert job["schedule"] == WEEKDAYS
        assert (job["cron_expression"], job["timezone"], job["end_date"]) == (
            WEEKDAYS["expression"],
            "Europe/Berlin",
            "2027-06-30",
        )
        assert job["next_execution_at"] == "2026-12-01T09:00:00+01:00"
        assert "2026-12-01T09:00:00" < job["next_run_at"] < "2026-12-01T09:05:00"
        assert await body_of(api.viewer, f"/jobs/{job['id']}") == {"job": job}

    async def test_an_interval_counts_from_its_creation(self, api: Api) -> None:
        api.clock.advance(microseconds=1)
        job = await create(api, EVERY, end_date="2027-01-01")
        assert job["schedule"] == {
            **COMMON,
            **EVERY,
            "anchor": "2026-11-21T12:00:00Z",
            "end_date": "2027-01-01",
        }
        assert (job["cron_expression"], job["next_run_at"]) == (None, None)
        assert job["next_execution_at"] == "2026-11-21T21:01:30+09:00"

    async def test_one_that_runs_once_needs_no_last_day(self, api: Api) -> None:
        job = await create(api, ONCE)
        assert job["schedule"] == {**COMMON, "kind": "once", "at": "2026-12-01T09:00:00+09:00"}
        assert (job["cron_expression"], job["end_date"]) == (None, None)
        assert job["next_execution_at"] == "2026-12-01T09:00:00+09:00"

    async def test_times_are_local_ones_or_have_an_offset(self, api: Api) -> None:
        for at, shown in (
            ("2026-12-01T09:00", "2026-12-01T09:00:00+01:00"),
            ("2026-12-01T09:00:00Z", "2026-12-01T10:00:00+01:00"),
            ("2026-12-01T09:00:00-05:00", "2026-12-01T15:00:00+01:00"),
            ("2027-03-28T02:30:00", "2027-03-28T03:00:00+02:00"),  # skipped there
            ("2027-10-31T02:30:00", "2027-10-31T02:30:00+02:00"),  # comes twice
        ):
            job = await create(api, {"kind": "once", "at": at, "timezone": "Europe/Berlin"})
            assert job["schedule"]["at"] == shown

    @pytest.mark.parametrize("expression", ["@daily", "0 9 L * *", "0 9 * * 5#3", "0 9 * * 5L"])
    async def test_more_than_the_classic_five_fields_is_for_it_alone(self, api: Api, expression: str) -> None:
        job = await create(api, {"kind": "cron", "expression": expression, "end_date": "2027-01-01"})
        assert job["cron_expression"] == job["schedule"]["expression"] == expression
        answer = await api.user.post("/jobs", json=job_body(cron_expression=expression))
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid cron expression")

    async def test_calendars_are_followed_by_slug_or_name(self, api: Api) -> None:
        await make_calendar(api, "Public Holidays")
        wanted = [{"calendar": "Public Holidays"}, {"date": "2026-12-25"}]
        job = await create(api, {**ONCE, "exclusions": wanted})
        assert job["schedule"]["exclusions"] == [
            {"from": "2026-12-25", "to": "2026-12-25", "note": None},
            {"calendar": "public-holidays", "version": 1},
        ]
        answer = await api.user.post("/jobs", json=body({**ONCE, "exclusions": [{"calendar": "none"}]}))
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid calendar")

    async def test_v1_shows_it_and_does_not_take_it(self, api: Api) -> None:
        job = await create(api, EVERY, end_date="2027-01-01")
        token = api.user.headers["Authorization"].removeprefix("Bearer ")
        async with client_of(api.app, token) as client:
            client.base_url = f"{api.app.state.origin}/api"
            assert await body_of(client, f"/jobs/{job['id']}") == {"job": job}
            answer = await client.post("/jobs", json={**job_body(), "schedule": EVERY})
            assert (answer.status_code, answer.json()["error"]) == (400, "Invalid payload")
            answer = await client.put(f"/jobs/{job['id']}", json={"schedule": job["schedule"], "name": "v1"})
            assert (answer.status_code, answer.json()["job"]["schedule"]) == (200, job["schedule"])
            answer = await client.put(f"/jobs/{job['id']}", json={"cron_expression": "0 3 * * *"})
            assert answer.json()["job"]["schedule"]["kind"] == "cron"


WRONG: list[tuple[Json, str]] = [
    ({"kind": "weekly"}, "Invalid schedule"),
    ({"kind": None}, "Invalid schedule"),
    ({"kind": ["cron"]}, "Invalid schedule"),
    ({"kind": "change"}, "Invalid schedule"),
    ({"kind": "cron"}, "Missing required fields"),
    ({"kind": "cron", "expression": "0 9 * *"}, "Invalid cron expression"),
    ({"kind": "cron", "expression": "0 0 9 * * *"}, "Invalid cron expression"),
    ({"kind": "cron", "expression": "0 9 * * *", "seconds": True}, "Invalid cron expression"),
    ({"kind": "cron", "expression": "@reboot"}, "Invalid cron expression"),
    ({"kind": "cron", "expression": "0 0 31 2 *"}, "Invalid cron expression"),
    ({"kind": "cron", "expression": "0 9 * * *", "seconds": "yes"}, "Invalid schedule"),
    ({"kind": "cron", "expression": "0 9 * * *", "gap": "first"}, "Invalid schedule"),
    ({"kind": "cron", "expression": "0 9 * * *", "fold": "none"}, "Invalid schedule"),
    ({"kind": "cron", "expression": "0 9 * * *", "every_seconds": 5}, "Invalid payload"),
    ({"kind": "interval", "every_seconds": 0}, "Invalid schedule"),
    ({"kind": "interval", "every_seconds": 1.5}, "Invalid schedule"),
    ({"kind": "interval", "every_seconds": 367 * 86_400}, "Invalid schedule"),
    ({"kind": "interval", "every_seconds": 5, "anchor": "2026-11-21"}, "Invalid schedule"),
    ({"kind": "interval", "every_seconds": 5, "anchor": "2026-11-21T10:00:00.5Z"}, "Invalid schedule"),
    ({"kind": "once"}, "Missing required fields"),
    ({"kind": "once", "at": "2026-11-21T12:00:00Z"}, "Invalid schedule"),
    ({"kind": "once", "at": "tomorrow"}, "Invalid schedule"),
    ({"kind": "once", "at": "2026-02-30T00:00:00"}, "Invalid schedule"),
    ({"kind": "once", "at": "9999-12-31T23:59:59-12:00"}, "Invalid schedule"),
    ({"kind": "once", "at": 1_800_000_000}, "Invalid schedule"),
    ({**ONCE, "timezone": "Mars/Base"}, "Invalid time zone"),
    ({**ONCE, "timezone": None}, "Invalid schedule"),
    ({**ONCE, "start_at": "2026-12-02T00:00:00"}, "Invalid schedule"),
    ({**ONCE, "end_date": "2026-11-30"}, "Invalid schedule"),
    ({**ONCE, "end_date": "2026-13-01"}, "Invalid schedule"),
    ({**EVERY, "end_date": "2026-11-20"}, "Invalid end_date"),
    ({**EVERY, "end_date": "2026-12-31", "start_at": "2027-01-01T00:00:00"}, "Invalid schedule"),
    ({**ONCE, "jitter_seconds": -1}, "Invalid schedule"),
    ({**ONCE, "jitter_seconds": 86_401}, "Invalid schedule"),
    ({**ONCE, "jitter_seconds": True}, "Invalid schedule"),
    ({**ONCE, "exclusions": [{"date": "2026-12-01"}]}, "Invalid schedule"),
    ({**ONCE, "exclusions": [{"from": "2026-12-02", "to": "2026-12-01"}]}, "Invalid schedule"),
    ({**ONCE, "exclusions": [{"from": "2026-12-02"}]}, "Invalid schedule"),
    ({**ONCE, "exclusions": [{"weekday": "MON"}]}, "Invalid payload"),
    ({**ONCE, "exclusions": ["2026-12-25"]}, "Invalid schedule"),
    ({**ONCE, "exclusions": [{"date": "2026-12-25"}] * 501}, "Invalid schedule"),
    ({**ONCE, "exclusions": None}, "Invalid schedule"),
    ({**ONCE, "more": 1}, "Invalid payload"),
]


class TestWrongSchedules:
    async def test_no_job_is_made_of_them(self, api: Api) -> None:
        answers = []
        for schedule, _ in WRONG:
            wanted = body({"end_date": "2027-01-01", **schedule} if schedule["kind"] != "once" else schedule)
            answer = await api.user.post("/jobs", json=wanted)
            answers.append((schedule, answer.status_code, answer.json()["error"]))
        assert answers == [(schedule, 400, error) for schedule, error in WRONG]
        assert await body_of(api.user, "/jobs") == {"count": 0, "jobs": []}

    async def test_no_job_is_changed_into_them(self, api: Api) -> None:
        job = await api.create_job()
        answers = []
        for schedule, _ in WRONG:
            answer = await api.user.put(f"/jobs/{job['id']}", json={"schedule": schedule})
            answers.append((schedule, answer.status_code, answer.json()["error"]))
        assert answers == [(schedule, 400, error) for schedule, error in WRONG]
        assert await body_of(api.user, f"/jobs/{job['id']}") == {"job": job}

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            (
                {"schedule": EVERY, "cron_expression": "0 2 * * *", "end_date": "2027-01-01"},
                "Invalid schedule",
            ),
            ({"schedule": None, "end_date": "2027-01-01"}, "Missing required fields"),
            ({"schedule": EVERY}, "Missing required fields"),
            ({"schedule": EVERY, "end_date": None}, "Invalid end_date"),
            ({"schedule": {**EVERY, "end_date": None}}, "Missing required fields"),
            ({"schedule": {**EVERY, "end_date": "2027-01-02"}, "end_date": "2027-01-01"}, "Invalid schedule"),
            ({"schedule": {**ONCE, "timezone": "UTC"}, "timezone": "Asia/Tokyo"}, "Invalid schedule"),
            ({"schedule": {"jitter_seconds": 5}, "end_date": "2027-01-01"}, "Invalid schedule"),
            ({"schedule": "0 2 * * *", "end_date": "2027-01-01"}, "Invalid schedule"),
        ],
    )
    async def test_a_new_job_has_one_schedule_and_says_nothing_twice(
        self, api: Api, fields: Json, error: str
    ) -> None:
        answer = await api.user.post("/jobs", json={**body(None), **fields})
        assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
        assert await body_of(api.user, "/jobs") == {"count": 0, "jobs": []}

    async def test_what_is_missing_is_named(self, api: Api) -> None:
        answer = await api.user.post("/jobs", json=body(None, end_date="2027-01-01"))
        assert answer.json()["details"] == {"cron_expression": "is required"}
        answer = await api.user.post("/jobs", json=body(EVERY))
        assert answer.json()["details"] == {"end_date": "is required"}
        answer = await api.user.post("/jobs", json=body({"kind": "weekly"}))
        assert answer.json()["details"]["schedule"] == "kind must be cron, interval or once"

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"schedule": EVERY, "cron_expression": "0 2 * * *"}, "Invalid schedule"),
            ({"schedule": {"kind": "cron", "expression": "0 3 * * *"}, "cron_expression": "0 2 * * *"}, "Invalid schedule"),
            ({"schedule": {"end_date": "2027-01-02"}, "end_date": "2027-01-01"}, "Invalid schedule"),
            ({"schedule": {"timezone": "UTC"}, "timezone": "Asia/Tokyo"}, "Invalid schedule"),
            ({"schedule": {"end_date": None}}, "Invalid end_date"),
            ({"schedule": {**EVERY, "end_date": None}}, "Invalid end_date"),
            ({"schedule": {"gap": "run"}}, "Invalid schedule"),
            ({"schedule": None}, "Invalid schedule"),
            ({"cron_expression": None}, "Invalid cron expression"),
        ],
    )  # fmt: skip
    async def test_nor_does_a_change(self, api: Api, fields: Json, error: str) -> None:
        job = await api.create_job()
        answer = await api.user.put(f"/jobs/{job['id']}", json=fields)
        assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
        assert await body_of(api.user, f"/jobs/{job['id']}") == {"job": job}


class TestUpdate:
    async def test_what_all_kinds_have_changes_without_the_rule(self, api: Api) -> None:
        job = await create(api, WEEKDAYS)
        changed = await put(api, job, schedule={"jitter_seconds": 0, "start_at": None, "exclusions": []})
        expected = {**WEEKDAYS, "jitter_seconds": 0, "start_at": None, "exclusions": []}
        assert (changed["schedule"], changed["next_run_at"]) == (expected, None)
        assert changed["next_execution_at"] == "2026-11-23T09:00:00+01:00"

    async def test_a_rule_replaces_the_rule_and_keeps_the_rest(self, api: Api) -> None:
        job = await create(api, WEEKDAYS)
        api.clock.advance(hours=1)
        changed = await put(api, job, schedule=EVERY)
        rest = {name: WEEKDAYS[name] for name in COMMON}
        assert changed["schedule"] == {**rest, **EVERY, "anchor": "2026-11-21T13:00:00Z"}
        api.clock.advance(hours=1)
        changed = await put(api, job, schedule={"kind": "interval", "every_seconds": 60})
        assert changed["schedule"] == {
            **rest,
            "kind": "interval",
            "every_seconds": 60,
            "anchor": "2026-11-21T13:00:00Z",
        }
        changed = await put(api, job, cron_expression="0 3 * * *", timezone="UTC", end_date="2027-07-01")
        assert changed["schedule"] == {
            **rest,
            "kind": "cron",
            "expression": "0 3 * * *",
            "seconds": False,
            "gap": "debian",
            "fold": "debian",
            "timezone": "UTC",
            "start_at": "2026-11-30T23:00:00Z",
            "end_date": "2027-07-01",
        }

    @pytest.mark.parametrize("schedule", [WEEKDAYS, {**EVERY, "end_date": "2027-01-01"}, ONCE])
    async def test_a_job_may_be_sent_back_as_it_was_shown(self, api: Api, schedule: Json) -> None:
        await make_calendar(api, "holidays")
        times = [*schedule.get("exclusions", []), {"calendar": "holidays"}]
        job = await create(api, {**schedule, "exclusions": times})
        assert await put(api, job, **job) == job
        assert (await put(api, job, **{**job, "name": "new"}))["version"] == 2

    async def test_a_job_whose_only_time_is_over_is_shown_and_renamed_but_not_enabled(self, api: Api) -> None:
        job = await create(api, {"kind": "once", "at": "2026-11-21T22:00:00"})
        api.clock.advance(hours=1)
        shown = (await body_of(api.user, f"/jobs/{job['id']}"))["job"]
        assert (shown["is_active"], shown["next_execution_at"]) == (True, None)
        await put(api, job, name="over")
        await put(api, job, is_active=False)
        answer = await api.user.put(f"/jobs/{job['id']}", json={"is_active": True})
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid schedule")
        later = {"kind": "once", "at": "2026-12-24T09:00:00"}
        assert (await put(api, job, is_active=True, schedule=later))["is_active"]

    async def test_policies_change_and_stay(self, api: Api) -> None:
        policies = {
            "misfire_policy": "skip",
            "misfire_grace_seconds": 604_800,
            "max_instances": 3,
            "overlap_policy": "queue",
            "pause_after_failures": 1000,
        }
        job = await api.create_job(**policies)
        assert {name: job[name] for name in policies} == policies
        assert await put(api, job, **policies) == job
        changed = await put(api, job, pause_after_failures=None, misfire_policy="run_all")
        expected = {**policies, "pause_after_failures": None, "misfire_policy": "run_all"}
        assert {name: changed[name] for name in policies} == expected


async def test_a_bulk_upload_gives_a_job_an_expression_in_place_of_what_it_had(api: Api) -> None:
    job = await create(api, WEEKDAYS, name="nightly")
    uploaded = await upload(api.user, row_of("nightly", End_Date="2027-01-01"), update_existing="true")
    assert [one["cron_expression"] for one in uploaded["jobs"]] == ["0 2 * * *"]
    expected = {
        "expression": "0 2 * * *",
        "seconds": False,
        "timezone": "Asia/Tokyo",
        "start_at": "2026-12-01T08:00:00+09:00",
        "end_date": "2027-01-01",
    }
    assert (await body_of(api.user, f"/jobs/{job['id']}"))["job"]["schedule"] == {**WEEKDAYS, **expected}


class TestHistory:
    async def changes(self, api: Api, job: Json) -> Json:
        found = await body_of(api.viewer, f"/jobs/{job['id']}/history", limit=1)
        changes: Json = found["history"][0]["changes"]
        return changes

    async def test_only_what_changed_of_a_schedule_is_told(self, api: Api) -> None:
        job = await create(api, WEEKDAYS)
        await put(api, job, schedule={"jitter_seconds": 60}, max_instances=2)
        assert await self.changes(api, job) == {
            "schedule": {"from": {"jitter_seconds": 300}, "to": {"jitter_seconds": 60}},
            "max_instances": {"from": 1, "to": 2},
        }

    async def test_another_kind_is_told_with_its_rule(self, api: Api) -> None:
        job = await api.create_job()
        await put(api, job, schedule=EVERY)
        cron = {"kind": "cron", "seconds": False, "gap": "debian", "fold": "debian"}
        assert await self.changes(api, job) == {
            "cron_expression": {"from": "0 2 * * *", "to": None},
            "schedule": {"from": cron, "to": {**EVERY, "anchor": "2026-11-21T12:00:00Z"}},
        }

    async def test_what_has_a_field_of_its_own_is_told_there(self, api: Api) -> None:
        job = await api.create_job()
        await put(api, job, cron_expression="0 3 * * *", end_date="2027-01-01", timezone="UTC")
        assert set(await self.changes(api, job)) == {"cron_expression", "end_date", "timezone"}

    async def test_a_restored_job_has_its_schedule_again(self, api: Api) -> None:
        job = await create(api, WEEKDAYS)
        await api.user.delete(f"/jobs/{job['id']}")
        answer = await api.user.post(f"/jobs/{job['id']}/restore")
        assert (answer.status_code, answer.json()["job"]["schedule"]) == (200, WEEKDAYS)
