"""Work beside the requests goes on whatever happens to it, and ends when it is told to."""

import asyncio

import pytest

from services.gateway import background
from services.gateway.background import cancel, keep_running


class TestKeepRunning:
    @pytest.fixture(autouse=True)
    def _without_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(background, "FIRST_BACKOFF", 0.0)

    async def test_work_that_fails_or_ends_is_started_again(self) -> None:
        seen: list[str] = []
        third_time = asyncio.Event()

        async def work() -> None:
            seen.append("began")
            if len(seen) == 1:
                raise RuntimeError("nobody foresaw this")
            if len(seen) == 3:
                third_time.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(keep_running("test", work))
        await third_time.wait()
        await cancel(task)
        assert seen == ["began"] * 3
        assert task.cancelled()


class TestCancel:
    async def test_it_returns_when_all_have_ended_and_tidied_up(self) -> None:
        tidied: list[int] = []

        async def work(number: int) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                tidied.append(number)

        tasks = [asyncio.create_task(work(number)) for number in range(3)]
        await asyncio.sleep(0)
        await cancel(*tasks)
        assert sorted(tidied) == [0, 1, 2]

    async def test_a_task_that_lost_its_cancellation_is_told_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(background, "CANCEL_AGAIN_SECONDS", 0.01)
        lost: list[str] = []

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost.append("once")
            await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await cancel(task)
        assert lost == ["once"]
        assert task.cancelled()

    async def test_there_may_be_nothing_to_cancel(self) -> None:
        await cancel()

    async def test_what_has_failed_already_raises_nothing_here(self) -> None:
        async def work() -> None:
            raise RuntimeError("before it was cancelled")

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        await cancel(task)
        assert task.done()
