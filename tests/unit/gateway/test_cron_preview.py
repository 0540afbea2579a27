"""What a schedule will do, and what a change of the clock does to it."""

from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.domain.cron_preview import preview, problem_of
from shared.domain.schedule import CronSchedule, InvalidSchedule

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def schedule(expression: str, timezone: str = "Europe/Berlin") -> CronSchedule:
    return CronSchedule(expression=expression, timezone=timezone)


def around(expression: str, timezone: str = "Europe/Berlin", now: datetime = NOW) -> tuple[str, list[str]]:
    """What is said of the next change, and the runs around it."""
    change = preview(schedule(expression, timezone), 1, now).change
    assert change is not None
    return change.description, [run.strftime("%d %H:%M %z") for run in change.runs_around]


def test_runs_are_told_in_the_zones_time() -> None:
    found = preview(schedule("0 3 * * *", "America/New_York"), 2, NOW).next_runs
    assert [run.isoformat() for run in found] == ["2026-09-02T03:00:00-04:00", "2026-09-03T03:00:00-04:00"]


def test_a_repeated_time_runs_once() -> None:
    assert around("30 2 * * *") == (
        "On 2026-10-25 the clock goes back from 03:00 to 02:00. "
        "A run in the time that is repeated happens once.",
        ["24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100"],
    )


def test_a_wildcard_follows_the_clock() -> None:
    words, runs = around("30 * * * *")
    assert words.endswith("The runs follow the new time at once.")
    assert runs == ["25 01:30 +0200", "25 02:30 +0200", "25 02:30 +0100", "25 03:30 +0100", "25 04:30 +0100"]


def test_half_an_hour_is_a_change_too() -> None:
    words, _ = around("0 9 * * *", "Australia/Lord_Howe")
    assert words.startswith("On 2026-10-04 the clock goes forward from 02:00 to 02:30.")


def test_a_zone_without_changes_has_none() -> None:
    for zone in ("Asia/Tokyo", "UTC"):
        assert preview(schedule("0 9 * * *", zone), 1, NOW).change is None


def test_a_schedule_that_does_not_run_around_the_change_has_no_runs_there() -> None:
    assert around("0 9 1 * *")[1] == []


def test_the_rarest_expression_takes_no_time_to_speak_of() -> None:
    found = preview(schedule("0 0 29 2 */8"), 100, NOW).next_runs  # 29 February on a Sunday
    assert [run.year for run in found] == [2032, 2060, 2088]
    assert found[-1] - NOW < timedelta(days=366 * 100)


@pytest.mark.parametrize(
    ("expression", "zone", "title"),
    [("* * * *", "UTC", "Invalid cron expression"), ("* * * * *", "Mars/Base", "Invalid time zone")],
)
def test_what_cannot_be_kept_has_no_preview(expression: str, zone: str, title: str) -> None:
    problem = problem_of(schedule(expression, zone), NOW)
    assert problem is not None
    assert problem.title == title
    with pytest.raises(InvalidSchedule):
        preview(schedule(expression, zone), 1, NOW)


def test_what_can_be_kept_has_no_problem() -> None:
    assert problem_of(schedule("* * * * *"), NOW) is None
