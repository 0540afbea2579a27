"""The supervisor with real child processes, in a process of its own where signals and deaths are the subject."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from services.cli.output import Output
from services.cli.supervisor import Backoff, Program, Stage, StartFailed, Supervisor
from tests.fixtures.eventually import eventually

ROOT = Path(__file__).parents[3]
LONG_SECONDS = 60.0
SLEEP = "import time; time.sleep(600)"

Supervised = Callable[..., "subprocess.Popen[bytes]"]


def wait_and_tell(path: Path) -> str:
    """A program that leaves its process id in a file and its own word about its end in another."""
    return f"""
import os, pathlib, signal, sys, time
def end(*_):
    pathlib.Path({str(path)!r} + ".ended").write_text(str(time.monotonic_ns()))
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path({str(path)!r}).write_text(str(os.getpid()) + "\\n")
time.sleep(600)
"""


def stubborn(path: Path) -> str:
    """A program that does not end when it is asked to."""
    return f"""
import os, pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(path)!r}).write_text(str(os.getpid()) + "\\n")
time.sleep(600)
"""


def runs(pid: int) -> bool:
    """Whether the process does anything still; one that only waits for its parent's attention does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    if not status.parent.parent.joinpath("self").exists():
        return True
    try:
        return status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


async def pid_in(path: Path) -> int:
    """The process id in a file, once it is there as a whole line."""

    def written() -> int:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return int(text) if text.endswith("\n") else 0

    return await eventually(written)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    processes: list[subprocess.Popen[bytes]] = []

    def start(*stages: dict[str, str], grace_seconds: float = LONG_SECONDS) -> "subprocess.Popen[bytes]":
        description = json.dumps({"stages": stages, "grace_seconds": grace_seconds})
        with (tmp_path / "output").open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 # our own program
                [sys.executable, "-m", "tests.integration.cli.supervised", description],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


class TestEnding:
    async def test_one_sigterm_ends_all_programs_and_the_first_stage_last(
        self, supervised: Supervised, tmp_path: Path
    ) -> None:
        paths = [tmp_path / name for name in ("ground", "one", "two")]
        ground, one, two = (wait_and_tell(path) for path in paths)
        process = supervised({"ground": ground}, {"one": one, "two": two})
        pids = [await pid_in(path) for path in paths]
        process.terminate()
        assert await asyncio.to_thread(process.wait, LONG_SECONDS) == 0
        assert not [pid for pid in pids if runs(pid)]
        ends = [int(path.with_name(path.name + ".ended").read_text()) for path in paths]
        assert ends[0] == max(ends)

    async def test_a_terminals_interrupt_reaches_the_supervisor_only(
        self, supervised: Supervised, tmp_path: Path
    ) -> None:
        process = supervised({"one": wait_and_tell(tmp_path / "one")})
        pid = await pid_in(tmp_path / "one")
        assert os.getpgid(pid) == os.getsid(pid) == pid
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, LONG_SECONDS) == 0
        assert (tmp_path / "one.ended").exists()

    async def test_a_program_that_ignores_sigterm_is_killed_after_its_grace(
        self, supervised: Supervised, tmp_path: Path
    ) -> None:
        process = supervised({"ground": SLEEP}, {"one": stubborn(tmp_path / "one")}, grace_seconds=0.3)
        pid = await pid_in(tmp_path / "one")
        process.terminate()
        assert await asyncio.to_thread(process.wait, LONG_SECONDS) == 0
        assert not runs(pid)
        assert "one did not end within 0.3 s and is killed" in (tmp_path / "output").read_text()

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
    async def test_a_killed_supervisor_takes_its_programs_along(
        self, supervised: Supervised, tmp_path: Path
    ) -> None:
        paths = [tmp_path / "one", tmp_path / "two"]
        process = supervised({"one": stubborn(paths[0])}, {"two": stubborn(paths[1])})
        pids = [await pid_in(path) for path in paths]
        process.kill()
        process.wait()
        await eventually(lambda: not any(runs(pid) for pid in pids))

    async def test_what_a_program_started_does_not_outlive_it(
        self, supervised: Supervised, tmp_path: Path
    ) -> None:
        inner = stubborn(tmp_path / "inner")
        outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
        process = supervised({"one": outer})
        pid = await pid_in(tmp_path / "inner")
        process.terminate()
        assert await asyncio.to_thread(process.wait, LONG_SECONDS) == 0
        await eventually(lambda: not runs(pid))


class TestKeepingAlive:
    async def test_a_dead_program_is_started_again_after_growing_pauses(self, tmp_path: Path) -> None:
        births = tmp_path / "births"
        code = f"import time; print(time.monotonic(), file=open({str(births)!r}, 'a')); raise SystemExit(3)"
        text = await self.run_until(
            Program(name="one", argv=(sys.executable, "-c", code)),
            lambda: births.exists() and births.read_text().count("\n") >= 4,
            tmp_path,
        )
        times = [float(line) for line in births.read_text().splitlines()]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert gaps[0] >= 0.1
        assert gaps[1] >= 0.2
        assert gaps[2] >= 0.4
        assert "jetcron | one ended with exit code 3; starting again in 0.1 s" in text
        assert "jetcron | one ended with exit code 3; starting again in 0.4 s" in text

    async def test_a_killed_program_is_started_again(self, tmp_path: Path) -> None:
        output = tmp_path / "output"
        code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        await self.run_until(
            Program(name="one", argv=(sys.executable, "-c", code)),
            lambda: "one was ended by signal 9 (Killed); starting again in 0.1 s" in output.read_text(),
            tmp_path,
        )

    async def test_a_program_that_does_not_exist_is_reported_and_tried_again(self, tmp_path: Path) -> None:
        output = tmp_path / "output"
        await self.run_until(
            Program(name="one", argv=(str(tmp_path / "nothing"),)),
            lambda: output.read_text().count("No such file or directory") >= 2,
            tmp_path,
        )

    async def test_each_line_carries_its_programs_name_however_long_it_is(self, tmp_path: Path) -> None:
        output = tmp_path / "output"
        code = "import sys; print('a' * 300_000, flush=True); sys.stderr.write('last'); sys.stderr.flush()"
        text = await self.run_until(
            Program(name="one", argv=(sys.executable, "-c", code)),
            lambda: "starting again" in output.read_text(),
            tmp_path,
        )
        lines = text.splitlines()
        assert all(line.startswith(("one     | ", "jetcron | ")) for line in lines)
        assert sum(line.count("a") for line in lines if line.startswith("one     | aaa")) >= 300_000
        assert "one     | last" in lines

    async def test_a_program_gets_its_own_environment_on_top_of_the_supervisors(self, tmp_path: Path) -> None:
        output = tmp_path / "output"
        code = "import os; print(os.environ['MINE'], 'PATH' in os.environ)"
        await self.run_until(
            Program(name="one", argv=(sys.executable, "-c", code), env={"MINE": "yes"}),
            lambda: "one     | yes True" in output.read_text(),
            tmp_path,
        )

    async def run_until(self, program: Program, condition: Callable[[], bool], tmp_path: Path) -> str:
        path = tmp_path / "output"
        with path.open("wb") as file:
            output = Output([program.name, "jetcron"], descriptor=file.fileno())
            stage = Stage(programs=[program], grace_seconds=LONG_SECONDS)
            supervisor = Supervisor([stage], output, Backoff(first=0.1))
            running = asyncio.create_task(supervisor.run())
            try:
                await eventually(condition)
            finally:
                supervisor.stop()
                await running
                await asyncio.to_thread(output.close, LONG_SECONDS)
        return path.read_text()


class TestStarting:
    async def test_a_stage_waits_until_the_one_before_is_ready(self, tmp_path: Path) -> None:
        ready = asyncio.Event()

        async def is_ready() -> None:
            await ready.wait()

        ground = Program(
            name="ground", argv=(sys.executable, "-c", wait_and_tell(tmp_path / "g")), ready=is_ready
        )
        one = Program(name="one", argv=(sys.executable, "-c", wait_and_tell(tmp_path / "one")))
        supervisor, running = self.start([ground], [one])
        await pid_in(tmp_path / "g")
        assert not (tmp_path / "one").exists()
        ready.set()
        await pid_in(tmp_path / "one")
        supervisor.stop()
        await running

    async def test_it_can_be_stopped_while_it_waits(self, tmp_path: Path) -> None:
        async def never() -> None:
            await asyncio.Event().wait()

        ground = Program(
            name="ground", argv=(sys.executable, "-c", wait_and_tell(tmp_path / "g")), ready=never
        )
        one = Program(name="one", argv=(sys.executable, "-c", wait_and_tell(tmp_path / "one")))
        supervisor, running = self.start([ground], [one])
        pid = await pid_in(tmp_path / "g")
        supervisor.stop()
        await running
        assert not runs(pid)
        assert not (tmp_path / "one").exists()

    async def test_a_program_that_ends_before_it_is_ready_ends_the_start(self) -> None:
        async def never() -> None:
            await asyncio.Event().wait()

        ground = Program(name="ground", argv=(sys.executable, "-c", "raise SystemExit(5)"), ready=never)
        _, running = self.start([ground])
        with pytest.raises(StartFailed, match="ground ended with exit code 5") as raised:
            await running
        assert raised.value.exit_code == 5

    async def test_a_program_that_does_not_get_ready_in_time_ends_the_start(self, tmp_path: Path) -> None:
        async def too_late() -> None:
            await pid_in(tmp_path / "g")
            raise TimeoutError("no answer")

        ground = Program(
            name="ground", argv=(sys.executable, "-c", wait_and_tell(tmp_path / "g")), ready=too_late
        )
        _, running = self.start([ground])
        with pytest.raises(StartFailed, match="ground is not ready: no answer"):
            await running
        assert not runs(await pid_in(tmp_path / "g"))

    async def test_a_program_that_refuses_at_its_first_start_ends_all(self, tmp_path: Path) -> None:
        one = Program(name="one", argv=(sys.executable, "-c", wait_and_tell(tmp_path / "one")))
        code = f"""
import pathlib, time
while not pathlib.Path({str(tmp_path / "one")!r}).exists(): time.sleep(0.01)
raise SystemExit(2)
"""
        two = Program(name="two", argv=(sys.executable, "-c", code), refusals=frozenset({2}))
        _, running = self.start([one, two])
        with pytest.raises(StartFailed, match="two ended with exit code 2"):
            await running
        assert not runs(await pid_in(tmp_path / "one"))

    def start(self, *stages: list[Program]) -> tuple[Supervisor, asyncio.Task[None]]:
        output = Output(descriptor=2)
        supervisor = Supervisor(
            [Stage(programs=programs, grace_seconds=LONG_SECONDS) for programs in stages], output
        )
        running = asyncio.create_task(supervisor.run())
        running.add_done_callback(lambda _: output.close())
        return supervisor, running
