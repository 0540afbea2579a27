"""The supervisor's one output: whole lines from many programs, each under its program's name.

Programs must never wait for a terminal that was stopped or a pipe that nobody reads, so lines are written by a thread
and dropped, with a count, when it cannot keep up.
"""

import asyncio
import os
import queue
import select
import sys
import threading
from collections.abc import Iterable, Iterator

MAX_LINE_BYTES = 16 * 2**10
WAITING_LINES = 2_000
READ_BYTES = 64 * 2**10
LAST_READS = 16
COLOURS = (36, 32, 33, 35, 34, 31)
CONTINUED = b" \\"


class LineSplitter:
    """Cuts a stream of bytes into lines; one that never ends is cut into pieces."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that are complete now, without their ends."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._pieces(line.removesuffix(b"\r"))
        while len(self._rest) > self._limit:
            yield self._rest[: self._limit] + CONTINUED
            self._rest = self._rest[self._limit :]

    def end(self) -> Iterator[bytes]:
        """What came after the last line end."""
        rest, self._rest = self._rest, b""
        if rest:
            yield rest

    def _pieces(self, line: bytes) -> Iterator[bytes]:
        while len(line) > self._limit:
            yield line[: self._limit] + CONTINUED
            line = line[self._limit :]
        yield line


class Output:
    """Writes lines to a file descriptor under coloured or plain names of one width."""

    def __init__(self, names: Iterable[str] = (), *, descriptor: int = 1, colour: bool | None = None) -> None:
        self._descriptor = descriptor
        self._colour = _wants_colour(descriptor) if colour is None else colour
        self._prefixes: dict[str, bytes] = {}
        self._width = max((len(name) for name in names), default=0)
        self._queue: queue.Queue[bytes | None] = queue.Queue(WAITING_LINES)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write_all, name="output", daemon=True)
        self._thread.start()

    def line(self, name: str, text: str | bytes) -> None:
        """Queue one line; never waits."""
        data = text.encode(errors="replace") if isinstance(text, str) else text
        if self._dropped and self._offer(self._prefix(name) + b"(%d lines dropped)\n" % self._dropped):
            self._dropped = 0
        if not self._offer(self._prefix(name) + data + b"\n"):
            self._dropped += 1

    def close(self, limit_seconds: float = 0.5) -> None:
        """Give what is queued a moment to be written."""
        self._offer(None)
        self._thread.join(limit_seconds)

    def _offer(self, item: bytes | None) -> bool:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            return False
        return True

    def _prefix(self, name: str) -> bytes:
        if name not in self._prefixes:
            shown = f"{name:<{self._width}} |"
            if self._colour:
                shown = f"\x1b[{COLOURS[len(self._prefixes) % len(COLOURS)]}m{shown}\x1b[0m"
            self._prefixes[name] = f"{shown} ".encode()
        return self._prefixes[name]

    def _write_all(self) -> None:
        while (data := self._queue.get()) is not None:
            try:
                self._write(data)
            except OSError:
                continue  # nobody reads any more; what the programs do matters more than what they say

    def _write(self, data: bytes) -> None:
        # Straight to the descriptor: a daemon thread inside sys.stdout's lock would abort the interpreter's exit.
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])


class Pipe:
    """Carries what one life of a program writes into the output."""

    def __init__(self, name: str, output: Output) -> None:
        self._name = name
        self._output = output
        self._lines = LineSplitter()
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._reading, self._read)

    def started(self) -> None:
        """The program has its own copy of the writing end; without this one, its end is the pipe's end."""
        os.close(self.writing)

    def close(self) -> None:
        """Take what is left; a grandchild that still holds the pipe is not waited for."""
        for _ in range(LAST_READS):
            if not self._read():
                break
        self._loop.remove_reader(self._reading)
        os.close(self._reading)
        for line in self._lines.end():
            self._output.line(self._name, line)

    def _read(self) -> bool:
        try:
            data = os.read(self._reading, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._reading)
            return False
        for line in self._lines.feed(data):
            self._output.line(self._name, line)
        return True


def _wants_colour(descriptor: int) -> bool:
    return os.isatty(descriptor) and not os.environ.get("NO_COLOR") and sys.platform != "win32"
