"""A real nats-server from its wheel, on loopback, with its store in a data directory."""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from urllib.parse import quote

from services.cli.secret_file import read_or_create, write_private

HOST = "127.0.0.1"
USER = "jetcron"
MAX_PAYLOAD_BYTES = 2**20
MAX_PENDING_BYTES = 128 * 2**20
LOG_FILE_BYTES = 16 * 2**20
# The streams are bounded themselves (BUS_MAX_BYTES); a tighter limit here would have to be kept in step.
MAX_FILE_STORE_BYTES = 2**40
MAX_MEMORY_STORE_BYTES = 256 * 2**20
# Below the range that systems take outgoing ports from. In it, a client that dials the port while the server is
# down may be given that very port, connect to itself, and keep the server from coming back.
PORTS = range(20_000, 32_000)
POLL_SECONDS = 0.01
ATTEMPT_SECONDS = 2.0
LEFTOVER_GRACE_SECONDS = 5.0


class NatsServerMissing(Exception):
    """The wheel that brings nats-server is not installed."""


def write_config(data_dir: Path, port: int, password: str) -> Path:
    """Write the server's configuration, store and log paths included, into the data directory."""
    data_dir = data_dir.resolve()
    config = data_dir / "nats.conf"
    settings = {
        "server_name": server_name(data_dir),
        "listen": f"{HOST}:{port}",
        "max_payload": MAX_PAYLOAD_BYTES,
        "max_pending": MAX_PENDING_BYTES,
        "pid_file": str(pid_file(data_dir)),
        "log_file": str(log_file(data_dir)),
        "logfile_size_limit": LOG_FILE_BYTES,
        "logfile_max_num": 3,
        "jetstream": {
            "store_dir": str(store_dir(data_dir)),
            "max_file_store": MAX_FILE_STORE_BYTES,
            "max_memory_store": MAX_MEMORY_STORE_BYTES,
        },
        "authorization": {"users": [{"user": USER, "password": password}]},
    }
    # The server's own format contains JSON; it does not know \u escapes, though.
    write_private(config, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    return config


def command(config: Path) -> list[str]:
    """The command line that runs the server; the password stays in the file."""
    return [str(binary()), "-c", str(config)]


def binary() -> Path:
    """The server that came with this installation, else the one of the machine."""
    beside = Path(sys.executable).parent / "nats-server"
    if beside.is_file():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise NatsServerMissing("nats-server was not found; install jetcron with its dependencies")
    return Path(found)


async def wait_until_ready(port: int, timeout: float, name: str | None = None) -> None:  # noqa: ASYNC109 # one limit over many attempts
    """Return when a server greets on the port; with a name, only when it is that server."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while not await _greets(port, name):
        if loop.time() > deadline:
            raise TimeoutError(f"nats-server did not answer on {HOST}:{port} within {timeout:g} s")
        await asyncio.sleep(POLL_SECONDS)


def nats_url(port: int, password: str) -> str:
    """Where clients connect, credentials included."""
    return f"nats://{USER}:{quote(password, safe='')}@{HOST}:{port}"


def password_for(data_dir: Path) -> str:
    """The data directory's own password, made on first use."""
    return read_or_create(password_file(data_dir))


def server_name(data_dir: Path) -> str:
    """Tells this directory's server from another that took the same port first."""
    return "jetcron-" + hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]


def free_port() -> int:
    """A loopback port that was free a moment ago; whoever uses it must be ready to try another."""
    for port in random.sample(PORTS, k=200):
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                candidate.bind((HOST, port))
                return port
    raise OSError(f"no free port between {PORTS.start} and {PORTS.stop} on {HOST}")


def stop_leftover(data_dir: Path) -> int | None:
    """Stop the server of an earlier run that was killed; its process id, or None if there was none."""
    pid = _leftover(data_dir)
    if pid is None:
        return None
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + LEFTOVER_GRACE_SECONDS
    while _leftover(data_dir) == pid and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if _leftover(data_dir) == pid:
        os.kill(pid, signal.SIGKILL)
    return pid


def store_dir(data_dir: Path) -> Path:
    """Where the streams are kept."""
    return data_dir / "nats"


def password_file(data_dir: Path) -> Path:
    """What clients must know; it stays the same from start to start."""
    return data_dir / "nats.password"


def log_file(data_dir: Path) -> Path:
    """Where the server tells what it does."""
    return data_dir / "nats.log"


def pid_file(data_dir: Path) -> Path:
    """Written by the server and left behind when it ends."""
    return data_dir / "nats.pid"


async def _greets(port: int, name: str | None) -> bool:
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                line = await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, ValueError, TimeoutError):
        return False
    if not line.startswith(b"INFO "):
        return False
    return name is None or json.loads(line.removeprefix(b"INFO ")).get("server_name") == name


def _leftover(data_dir: Path) -> int | None:
    try:
        pid = int(pid_file(data_dir).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    # The number may long belong to another process: only one that runs on our configuration is ours.
    return pid if str((data_dir / "nats.conf").resolve()) in _command_line(pid) else None


def _command_line(pid: int) -> str:
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    return _command_line_from_ps(pid)


def _command_line_from_ps(pid: int) -> str:
    with os.popen(f"ps -ww -o command= -p {pid:d}") as listing:  # noqa: S605 # a number is all that varies
        return listing.read()
