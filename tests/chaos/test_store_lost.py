"""The bus loses its store, or is given an old copy: SQL knows what was promised, so nothing is lost and nothing is redone."""

import shutil
import sys
from collections import Counter
from datetime import timedelta

import pytest

from shared.domain.execution import OPEN_STATUSES
from tests.chaos.load import SlowReceiver, manual_runs, next_minute, sleep_until
from tests.fixtures.accounting import assert_accounted, webhook_id
from tests.fixtures.eventually import eventually
from tests.fixtures.jetcron import Jetcron, Json
from tests.fixtures.receiver import Receiver

JOBS = 3
SOME_RUNS = 8
PATIENCE_SECONDS = 60.0

pytestmark = pytest.mark.timeout(600)


class Installation:
    """What all of these tests begin with: jobs that have run on schedule, and people who ask for more."""

    def __init__(self, jetcron: Jetcron, receiver: Receiver) -> None:
        self.jetcron = jetcron
        self.receiver = receiver
        self.slow = SlowReceiver(receiver)
        self.jobs: list[Json] = []
        self.acknowledged: list[str] = []
        self.finished: dict[str, int] = {}
        """Executions whose end was recorded before the store was lost, and how often each was called."""

    async def begin(self) -> None:
        """Start, and let each job run on its schedule once."""
        await self.jetcron.start()
        self.jobs = [await self.jetcron.create_job(f"{self.receiver.url}/{number}") for number in range(JOBS)]
        await self.receiver.wait_for(JOBS, timeout=60 + PATIENCE_SECONDS)

    async def run_some(self) -> None:
        """Let some asked-for runs begin, and leave while one of them is running."""
        async with manual_runs(self.jetcron, self.jobs) as acknowledged:
            await eventually(lambda: len(acknowledged) >= SOME_RUNS, within=PATIENCE_SECONDS)
            await self.slow.call_is_running()
            self.acknowledged += acknowledged
        self.acknowledged += [one for one in acknowledged if one not in self.acknowledged]

    async def note_finished(self) -> None:
        """Remember what must not be called again."""
        rows = [row for job in self.jobs for row in await self.jetcron.executions(job)]
        called = self.calls()
        self.finished = {row["id"]: called[row["id"]] for row in rows if row["state"] not in OPEN_STATUSES}
        assert len(self.finished) > JOBS

    async def check(self) -> None:
        """Everything is accounted for, before and after, and nothing that was finished was called again."""
        await self.run_some()
        account = await assert_accounted(
            self.jetcron, self.receiver, self.jobs, acknowledged=self.acknowledged
        )
        sys.stdout.write(f"{account}\n")
        called = self.calls()
        assert {execution: called[execution] for execution in self.finished} == self.finished
        await self.jetcron.well()
        await self.jetcron.stop()

    def calls(self) -> Counter[str]:
        return Counter(map(webhook_id, self.receiver.calls))


@pytest.fixture
def installation(jetcron: Jetcron, receiver: Receiver) -> Installation:
    return Installation(jetcron, receiver)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_deleted_store_loses_nothing(installation: Installation, end: str) -> None:
    jetcron = installation.jetcron
    await installation.begin()
    # It is away at a full minute.
    minute = next_minute(20)
    await installation.run_some()
    await sleep_until(minute - timedelta(seconds=5))
    await installation.run_some()
    await installation.note_finished()
    await (jetcron.stop() if end == "stop" else jetcron.kill_up())
    shutil.rmtree(jetcron.store_dir)
    await sleep_until(minute + timedelta(seconds=2))
    await jetcron.start()
    await installation.check()


async def test_an_older_copy_of_the_store_repeats_nothing(installation: Installation) -> None:
    jetcron = installation.jetcron
    await installation.begin()
    await installation.run_some()
    await jetcron.stop()
    copy = jetcron.store_dir.with_name("nats.copy")
    shutil.copytree(jetcron.store_dir, copy)
    minute = next_minute(10)
    await jetcron.start()
    await installation.run_some()
    await sleep_until(minute + timedelta(seconds=3))
    await installation.run_some()
    await installation.note_finished()
    await jetcron.kill_up()
    shutil.rmtree(jetcron.store_dir)
    copy.rename(jetcron.store_dir)
    await jetcron.start()
    await installation.check()
