"""SIGKILL for every service in turn, and for all of them at once, while jobs are due and people ask for runs."""

import sys
from collections import Counter
from datetime import timedelta

import pytest

from tests.chaos.load import FAILING, MINUTE, SlowReceiver, manual_runs, next_minute, sleep_until
from tests.fixtures.accounting import assert_accounted
from tests.fixtures.eventually import eventually
from tests.fixtures.jetcron import Jetcron
from tests.fixtures.receiver import Receiver

JOBS = 4
FAILURES = 10
TOLD_SECONDS = 60.0
BEFORE_SECONDS = 15.0
"""What the kills before the first full minute take at least."""

pytestmark = pytest.mark.timeout(600)


async def test_everything_is_accounted_for(jetcron: Jetcron, receiver: Receiver) -> None:
    slow = SlowReceiver(receiver)
    await jetcron.start()
    jobs = [await jetcron.create_job(f"{receiver.url}/{number}") for number in range(JOBS)]
    broken = await jetcron.create_job(f"{receiver.url}{FAILING}", is_active=False)
    minute = next_minute(BEFORE_SECONDS)

    async with manual_runs(jetcron, jobs) as acknowledged:
        await slow.call_is_running()
        await jetcron.kill("executor")
        failures = [(await jetcron.execute(broken))["id"] for _ in range(FAILURES)]
        await jetcron.kill("notifier")
        await jetcron.kill("gateway")
        await jetcron.well()

        await sleep_until(minute - timedelta(seconds=0.5))
        await jetcron.kill("scheduler")
        await sleep_until(minute + timedelta(seconds=5))
        await slow.call_is_running()
        await jetcron.kill("nats-server")
        await jetcron.well()

        await sleep_until(minute + MINUTE - timedelta(seconds=0.3))
        await jetcron.kill_up()
        await jetcron.start()
        asked_before = len(acknowledged)
        await eventually(lambda: len(acknowledged) > asked_before + JOBS)

    account = await assert_accounted(
        jetcron,
        receiver,
        [*jobs, broken],
        acknowledged=[*acknowledged, *failures],
        statuses=["success", "missed", "failed"],
    )
    sys.stdout.write(f"{account}\n")
    assert {row["id"] for row in account.rows if row["state"] == "failed"} == set(failures)
    await assert_each_failure_is_told_once(jetcron, failures)
    await jetcron.stop()


async def assert_each_failure_is_told_once(jetcron: Jetcron, failures: list[str]) -> None:
    async def told() -> list[str]:
        page = await jetcron.get("/notifications", per_page=100)
        assert page["total"] <= page["per_page"]
        return [one["related_execution_id"] for one in page["notifications"]]

    async def all_are_told() -> bool:
        return set(failures) <= set(await told())

    await eventually(all_are_told, within=TOLD_SECONDS)
    assert Counter(await told()) == Counter(failures)
