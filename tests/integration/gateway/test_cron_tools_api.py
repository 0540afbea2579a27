"""Looking at a cron expression before it becomes a job's."""

from typing import Any

import pytest

from tests.fixtures.gateway import Api, Json

WRONG = {
    "": "Cron expression must have exactly 5 fields",
    "0 2 * *": "Cron expression must have exactly 5 fields",
    "0 0 2 * * *": "Cron expression must have exactly 5 fields",
    "@daily": "Cron expression must have exactly 5 fields",
    "*/0 * * * *": "Bad minute: the step of */0 must be at least 1",
    "60 * * * *": "Bad minute: 60 is not in 0-59",
    "0 0 31 2 *": "Cron expression never fires: 0 0 31 2 *",
    "0 0 * * \0": "Bad day-of-week: '\\x00' is not *, a number, a range or a step",
}


async def validated(api: Api, **body: Any) -> Json:
    answer = await api.viewer.post("/jobs/validate-cron", json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def previewed(api: Api, **body: Any) -> Json:
    answer = await api.viewer.post("/jobs/cron-preview", json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


class TestValidate:
    async def test_a_valid_one_is_described(self, api: Api) -> None:
        assert await validated(api, cron_expression="0 2 * * *") == {
            "valid": True,
            "message": "Valid cron expression",
            "cron_expression": "0 2 * * *",
            "description": "At 02:00 AM every day",
            "timezone": "Asia/Tokyo",
        }

    async def test_an_invalid_one_is_a_200_that_says_why(self, api: Api) -> None:
        for expression, message in WRONG.items():
            assert await validated(api, expression=expression, timezone="Europe/Berlin") == {
                "valid": False,
                "error": "Invalid cron expression",
                "message": message,
                "cron_expression": expression,
                "timezone": "Europe/Berlin",
            }

    async def test_so_is_one_in_a_zone_that_is_none(self, api: Api) -> None:
        found = await validated(api, cron_expression="0 2 * * *", timezone="Mars/Base")
        assert (found["valid"], found["error"]) == (False, "Invalid time zone")

    async def test_sunday_is_0_and_7(self, api: Api) -> None:
        described = {(await validated(api, cron_expression=f"0 9 * * {day}"))["description"] for day in "07"}
        assert described == {"At 09:00 AM on Sunday"}


class TestPreview:
    async def test_it_lists_the_next_runs_with_the_zones_offset(self, api: Api) -> None:
        assert await previewed(api, cron_expression="0 2 * * *") == {
            "cron_expression": "0 2 * * *",
            "next_runs": [f"2026-11-{day}T02:00:00+09:00" for day in (22, 23, 24, 25, 26)],
            "timezone": "Asia/Tokyo",
            "count": 5,
            "dst_change": None,
        }

    async def test_it_shows_what_the_next_clock_change_does(self, api: Api) -> None:
        found = await previewed(api, expression="30 2 * * *", timezone="Europe/Berlin", count=1)
        assert found["next_runs"] == ["2026-11-22T02:30:00+01:00"]
        assert found["dst_change"] == {
            "at": "2027-03-28T03:00:00+02:00",
            "description": "On 2027-03-28 the clock goes forward from 02:00 to 03:00. "
            "A run in the time that is skipped happens once, right after the change.",
            "runs_around": [
                "2027-03-26T02:30:00+01:00",
                "2027-03-27T02:30:00+01:00",
                "2027-03-28T03:00:00+02:00",
                "2027-03-29T02:30:00+02:00",
                "2027-03-30T02:30:00+02:00",
            ],
        }

    async def test_a_rare_expression_has_fewer_runs_than_wanted(self, api: Api) -> None:
        found = await previewed(api, cron_expression="0 0 29 2 */8", count=100)  # on a Sunday
        assert found["count"] == len(found["next_runs"]) < 100

    @pytest.mark.parametrize("count", [0, 101, -1, "5", 2.5, None, True])
    async def test_a_count_beyond_1_to_100_is_refused(self, api: Api, count: Any) -> None:
        answer = await api.viewer.post(
            "/jobs/cron-preview", json={"cron_expression": "* * * * *", "count": count}
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid count")

    async def test_1_and_100_are_taken(self, api: Api) -> None:
        for count in (1, 100):
            assert (await previewed(api, cron_expression="* * * * *", count=count))["count"] == count

    async def test_an_invalid_expression_is_a_400(self, api: Api) -> None:
        for expression, message in WRONG.items():
            answer = await api.viewer.post("/jobs/cron-preview", json={"cron_expression": expression})
            assert (answer.status_code, answer.json()) == (
                400,
                {"error": "Invalid cron expression", "message": message},
            )


@pytest.mark.parametrize("path", ["/jobs/validate-cron", "/jobs/cron-preview"])
class TestRequests:
    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({}, "Missing required fields"),
            ({"cron_expression": 5}, "Invalid cron expression"),
            ({"cron_expression": None}, "Invalid cron expression"),
            ({"cron_expression": "* * * * *", "timezone": 9}, "Invalid time zone"),
            ({"cron_expression": "* * * * *", "more": 1}, "Invalid payload"),
            ([], "Invalid payload"),
        ],
    )
    async def test_what_makes_no_sense_is_a_400(self, api: Api, path: str, body: Any, error: str) -> None:
        answer = await api.viewer.post(path, json=body)
        assert (answer.status_code, answer.json()["error"]) == (400, error)

    async def test_everybody_who_is_logged_in_may_ask(self, api: Api, path: str) -> None:
        body = {"cron_expression": "* * * * *"}
        callers = ("admin", "user", "other", "viewer", "anonymous")
        answers = [await getattr(api, caller).post(path, json=body) for caller in callers]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 401]
