"""Keeps child processes alive, stage after stage, and ends them in the opposite order."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.cli.child import launched
from services.cli.output import Output, Pipe

SUPERVISOR = "jetcron"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
KILLED_SECONDS = 1.0  # how long a killed process may take to vanish


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One child process; `env` is added to the supervisor's own environment."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], Awaitable[None]] | None = None
    """Returns once the program can be used; the next stage waits for it. Raises TimeoutError to give up."""
    refusals: frozenset[int] = frozenset()
    """Exit codes that, on the first start, say that starting again is of no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Programs that start together, once the stage before is ready, and that end before it does."""

    programs: Sequence[Program]
    grace_seconds: float
    """Between SIGTERM and SIGKILL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before a dead program is started again, in seconds."""

    first: float = 0.2
    most: float = 10.0
    forgiven_after: float = 30.0
    """A life of this length makes up for all deaths before."""

    def next(self, previous: float | None, lived: float) -> float:
        """The pause after a life of `lived` seconds that began after a pause of `previous`."""
        if previous is None or lived >= self.forgiven_after:
            return self.first
        return min(previous * 2, self.most)


class StartFailed(Exception):
    """The start was given up; everything that ran has been stopped again."""

    def __init__(self, program: str, reason: str, *, exit_code: int | None) -> None:
        super().__init__(f"{program} {reason}")
        self.program = program
        self.exit_code = exit_code
        """What the program ended with; None if it was still running."""


class Supervisor:
    """Starts the stages, keeps every program running until a signal or `stop`, then ends them, last stage first."""

    def __init__(self, stages: Sequence[Stage], output: Output, backoff: Backoff | None = None) -> None:
        self._stop = asyncio.Event()
        self._failure: StartFailed | None = None
        self._stages = [
            [
                _Keeper(program, stage.grace_seconds, output, backoff or Backoff(), self._give_up)
                for program in stage.programs
            ]
            for stage in stages
        ]

    def stop(self) -> None:
        """Ask for the end; `run` returns when nothing is left."""
        self._stop.set()

    async def run(self) -> None:
        """Run until asked to stop. Raises StartFailed if the programs cannot be started at all."""
        started: list[tuple[list[_Keeper], list[asyncio.Task[None]]]] = []
        outcomes: list[BaseException | None] = []
        with _signals_call(self.stop):
            try:
                for stage in self._stages:
                    started.append((stage, [self._keep(keeper) for keeper in stage]))
                    await self._unless_stopped(_all_ready(stage))
                    if self._stop.is_set():
                        break
                await self._stop.wait()
            finally:
                for stage, tasks in reversed(started):
                    for keeper in stage:
                        keeper.ending.set()
                    outcomes += await asyncio.gather(*tasks, return_exceptions=True)
        for failure in (self._failure, *outcomes):
            if failure is not None:
                raise failure

    def _keep(self, keeper: "_Keeper") -> asyncio.Task[None]:
        task = asyncio.create_task(keeper.run())
        # None returns before the end unless it gave up or met a bug: then nothing goes on half watched.
        task.add_done_callback(lambda _: self._stop.set())
        return task

    def _give_up(self, failure: StartFailed) -> None:
        self._failure = self._failure or failure
        self._stop.set()

    async def _unless_stopped(self, work: Coroutine[None, None, None]) -> None:
        tasks = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        await asyncio.gather(*done)


class _Keeper:
    """Starts one program again and again until it is told to end."""

    def __init__(
        self,
        program: Program,
        grace_seconds: float,
        output: Output,
        backoff: Backoff,
        give_up: Callable[[StartFailed], None],
    ) -> None:
        self.ending = asyncio.Event()
        self._program = program
        self._grace_seconds = grace_seconds
        self._output = output
        self._backoff = backoff
        self._give_up = give_up
        self._usable = program.ready is None

    async def run(self) -> None:
        pause: float | None = None
        while not self.ending.is_set():
            began = time.monotonic()
            code = await self._live()
            if self.ending.is_set():
                return
            first_life = pause is None
            if not self._usable or (first_life and code in self._program.refusals):
                self._give_up(StartFailed(self._program.name, _told(code), exit_code=code))
                return
            pause = self._backoff.next(pause, time.monotonic() - began)
            self._say(f"{_told(code)}; starting again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), pause)

    async def ready(self) -> None:
        if self._program.ready is not None:
            try:
                await self._program.ready()
            except TimeoutError as error:
                self._give_up(StartFailed(self._program.name, f"is not ready: {error}", exit_code=None))
                return
        self._usable = True

    async def _live(self) -> int | None:
        """One life; its exit code, or None if the process could not even be made."""
        pipe = Pipe(self._program.name, self._output)
        try:
            process = await self._spawn(pipe)
        except OSError as error:
            self._say(f"cannot be started: {error}")
            return None
        else:
            return await self._until_dead(process)
        finally:
            pipe.close()

    async def _spawn(self, pipe: Pipe) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *launched(self._program.argv),
                env={**os.environ, **self._program.env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=pipe.writing,
                stderr=pipe.writing,
                start_new_session=True,  # a terminal's Ctrl-C is for the supervisor alone
            )
        finally:
            pipe.started()

    async def _until_dead(self, process: asyncio.subprocess.Process) -> int | None:
        exited = asyncio.create_task(process.wait())
        ending = asyncio.create_task(self.ending.wait())
        await asyncio.wait({exited, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not exited.done():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait({exited}, timeout=self._grace_seconds)
        if not exited.done():
            self._say(f"did not end within {self._grace_seconds:g} s and is killed")
        # The whole group, also after a good end: what the program started must not outlive it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.wait({exited}, timeout=KILLED_SECONDS)
        return exited.result() if exited.done() else None

    def _say(self, what: str) -> None:
        self._output.line(SUPERVISOR, f"{self._program.name} {what}")


async def _all_ready(stage: Sequence[_Keeper]) -> None:
    await asyncio.gather(*(keeper.ready() for keeper in stage))


@contextlib.contextmanager
def _signals_call(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    # One that is ignored (SIGHUP under nohup) was meant to be.
    wanted = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in wanted:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)


def _told(exit_code: int | None) -> str:
    if exit_code is None:
        return "did not start"
    if exit_code < 0:
        return f"was ended by signal {-exit_code} ({signal.strsignal(-exit_code)})"
    return f"ended with exit code {exit_code}"
