"""How long it takes until N jobs that are due at one instant have all been called, through `jetcron up` as users run it.

    make bench ARGS="--jobs 1000"

Starts `jetcron up` on a temporary directory and a receiver on loopback, creates the jobs over HTTP, waits for the next full minute,
and prints when the calls arrived. Nothing is asserted: it is a measurement, not a test.
"""

import argparse
import asyncio
import os
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import uvloop
from aiohttp import web

READY_SECONDS = 60.0
PATIENCE_SECONDS = 120.0


class Receiver:
    """Counts calls by execution."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        self.executions: Counter[str] = Counter()

    async def answer(self, request: web.Request) -> web.Response:
        """Note when and for which execution."""
        self.arrivals.append(time.time())
        self.executions[request.headers["webhook-id"]] += 1
        return web.Response(text="ok")


async def main(jobs: int) -> None:
    """Measure once."""
    receiver = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", receiver.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    target = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    with tempfile.TemporaryDirectory() as data_dir:
        port = _free_port()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "services.cli.main", "up", "--port", str(port), "--data-dir", data_dir),
            env={**os.environ, "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8", "LOG_LEVEL": "WARNING"},
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v2", timeout=30) as client:
                await _log_in(client)
                due = await _create(client, jobs, target)
            await _measure(receiver, jobs, due)
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()
    await runner.cleanup()


async def _log_in(client: httpx.AsyncClient) -> None:
    until = time.monotonic() + READY_SECONDS
    while True:
        try:
            answer = await client.post("/auth/login", json={"username": "admin", "password": "admin123"})
            answer.raise_for_status()
            break
        except httpx.HTTPError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


async def _create(client: httpx.AsyncClient, jobs: int, target: str) -> datetime:
    """Create a team and its jobs; returns the instant at which all of them are due for the first time."""
    answer = await client.post("/pic-teams", json={"name": "bench", "slack_handle": "@bench"})
    answer.raise_for_status()
    began = time.monotonic()
    end_date = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    for number in range(jobs):
        answer = await client.post(
            "/jobs",
            json={
                "name": f"bench {number}",
                "cron_expression": "* * * * *",
                "end_date": end_date,
                "pic_team": "bench",
                "target_url": f"{target}{number}",
            },
        )
        answer.raise_for_status()
    print(f"created {jobs} jobs in {time.monotonic() - began:.1f} s")
    await asyncio.sleep(3)
    return (datetime.now(UTC) + timedelta(minutes=1)).replace(second=0, microsecond=0)


async def _measure(receiver: Receiver, jobs: int, due: datetime) -> None:
    await asyncio.sleep((due - datetime.now(UTC)).total_seconds() - 0.5)
    receiver.arrivals.clear()
    receiver.executions.clear()
    until = due.timestamp() + PATIENCE_SECONDS
    while len(receiver.executions) < jobs and time.time() < until:
        await asyncio.sleep(0.05)
    await asyncio.sleep(1)
    lateness = sorted(arrival - due.timestamp() for arrival in receiver.arrivals)
    doubled = sum(1 for count in receiver.executions.values() if count > 1)
    print(
        f"due {due.isoformat()}: {len(receiver.executions)} of {jobs} executions called, {doubled} more than once"
    )
    quantiles = statistics.quantiles(lateness, n=100)
    print(
        f"lateness: first {lateness[0]:.3f} s, p50 {quantiles[49]:.3f} s, p99 {quantiles[98]:.3f} s, "
        f"last {lateness[-1]:.3f} s ({len(lateness) / lateness[-1]:.0f} calls/s)"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1000)
    uvloop.run(main(parser.parse_args().jobs))
