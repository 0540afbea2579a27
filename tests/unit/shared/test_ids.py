"""Ids are on the bus and in SQL: what they look like never changes."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from shared.domain import ids

JOB = UUID("7f8d1c5e-6f0a-4c8e-9b1d-2a3b4c5d6e7f")
COMMAND = UUID("11111111-2222-4333-8444-555555555555")
INSTANT = datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)


def test_an_instant_is_written_in_utc_with_whole_seconds() -> None:
    assert ids.instant_text(INSTANT) == "2026-11-21T03:04:05Z"
    assert ids.instant_text(INSTANT + timedelta(microseconds=999_999)) == "2026-11-21T03:04:05Z"
    assert ids.instant_text(datetime(999, 1, 2, tzinfo=UTC)).endswith("999-01-02T00:00:00Z")


@pytest.mark.parametrize("zone", [ZoneInfo("Asia/Tokyo"), timezone(timedelta(hours=-9, minutes=-30))])
def test_the_zone_that_an_instant_is_told_in_makes_no_difference(zone: ZoneInfo | timezone) -> None:
    told = INSTANT.astimezone(zone)
    assert ids.planned_execution_id(JOB, told) == ids.planned_execution_id(JOB, INSTANT)
    assert ids.decision_message_id(JOB, told) == ids.decision_message_id(JOB, INSTANT)


def test_executions() -> None:
    assert ids.planned_execution_id(JOB, INSTANT) == UUID("30182a20-ecbc-5d7e-bffb-9e39a6aeb80f")
    assert ids.manual_execution_id(JOB, COMMAND) == UUID("8d8e134c-868b-5796-a897-a69778e9537b")


def test_notifications() -> None:
    assert ids.failure_notification_id(COMMAND, JOB) == UUID("4e6d9d3f-a7a2-5d07-8db8-bcc9196c0041")


def test_messages() -> None:
    assert ids.decision_message_id(JOB, INSTANT) == f"d:{JOB}:2026-11-21T03:04:05Z"
    assert ids.manual_message_id(COMMAND) == "m:11111111-2222-4333-8444-555555555555"
    assert ids.again_message_id(COMMAND, 3, 1) == "again:11111111-2222-4333-8444-555555555555:3:1"
    assert ids.report_message_id(COMMAND, 0, 2, "failed") == "11111111-2222-4333-8444-555555555555:0:2:failed"


def test_different_things_have_different_ids() -> None:
    later = INSTANT + timedelta(seconds=1)
    found = [
        ids.planned_execution_id(JOB, INSTANT),
        ids.planned_execution_id(JOB, later),
        ids.planned_execution_id(COMMAND, INSTANT),
        ids.manual_execution_id(JOB, COMMAND),
        ids.manual_execution_id(COMMAND, JOB),
        ids.failure_notification_id(JOB, COMMAND),
    ]
    assert len(set(found)) == len(found)
