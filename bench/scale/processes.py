"""Services as processes, and what /proc says they cost: memory and time of the processor (Linux)."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from services.cli.child import launched

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A running process."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen

    @property
    def pid(self) -> int:
        """Its number."""
        return self._popen.pid

    @property
    def memory(self) -> int:
        """What it holds in memory now, in bytes."""
        return self._memory("VmRSS")

    @property
    def most_memory(self) -> int:
        """The most that it held so far, in bytes."""
        return self._memory("VmHWM")

    @property
    def processor_seconds(self) -> float:
        """The time of a processor that it has used so far."""
        fields = self._read("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def tell_to_stop(self) -> None:
        """SIGTERM."""
        self._popen.send_signal(signal.SIGTERM)

    async def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self.tell_to_stop()
        try:
            await asyncio.to_thread(self._popen.wait, STOP_SECONDS)
        finally:
            self._popen.kill()

    def _memory(self, name: str) -> int:
        line = next(line for line in self._read("status").splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) * 1024

    def _read(self, name: str) -> str:
        return Path(f"/proc/{self.pid}/{name}").read_text(encoding="ascii")


class Meter:
    """What groups of processes use from now on."""

    def __init__(self, **groups: Sequence[Process]) -> None:
        self._groups = groups
        self._began = time.monotonic()
        self._before = self._total()

    def seconds(self) -> str:
        """Time of a processor, by group, in words."""
        return ", ".join(f"{name} {used:.2f} s" for name, used in self._used().items())

    def share(self) -> str:
        """Of one processor, by group, in words."""
        took = time.monotonic() - self._began
        return ", ".join(f"{name} {used / took:.0%}" for name, used in self._used().items())

    def _used(self) -> dict[str, float]:
        return {name: used - self._before[name] for name, used in self._total().items()}

    def _total(self) -> dict[str, float]:
        return {name: sum(one.processor_seconds for one in group) for name, group in self._groups.items()}


def spawn(argv: list[str], directory: Path, **environment: str) -> Process:
    """Start a program that ends with this one at the latest."""
    return Process(
        subprocess.Popen(  # noqa: S603 # our own arguments
            launched(argv),
            env={**os.environ, "PYTHONPATH": str(ROOT), "LOG_LEVEL": "WARNING", **environment},
            cwd=directory,  # where no developer's .env lies
            stdin=subprocess.DEVNULL,
        )
    )


@asynccontextmanager
async def service(name: str, directory: Path, **environment: str) -> AsyncIterator[Process]:
    """One of jetcron's services, for as long as the block lasts."""
    process = spawn([sys.executable, "-m", "services.cli.main", name], directory, **environment)
    try:
        yield process
    finally:
        await process.stop()
