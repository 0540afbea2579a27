"""Hundreds of jobs, each due every few seconds, and whoever leads is killed every few seconds: nothing is lost or doubled."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import TypeVar

import pytest

from shared.bus.connect import Bus
from shared.bus.instances import Instance, look_at_schedulers
from tests.fixtures.accounting import Rhythm, all_pages, attempts_seen, stood_for, webhook_id
from tests.fixtures.bus import connected
from tests.fixtures.eventually import eventually
from tests.fixtures.jetcron import Jetcron, Json
from tests.fixtures.receiver import Call, Receiver

SOAK_SECONDS = float(os.environ.get("JETCRON_SOAK_SECONDS", "20"))
"""How long leaders are killed; a minute or more tells more."""
JOBS = 300
PERIODS = (2, 3, 4, 5)  # seconds
MAX_INSTANCES = 100
"""So many that no run is ever in the way of another one."""
KILLS = ((2.5, 0.004), (2.0, None), (2.5, 0.008), (2.0, None), (3.0, 0.015), (2.5, 0.025))
"""Seconds since the kill before, in turn (more only while nobody leads), and since a second in which many are due: they
are being published then. None is as soon as somebody leads, thus in the midst of taking over."""
BURST_SECONDS = PERIODS[0]
LEASE_SECONDS = 2
PARTED_SECONDS = 1.0
"""So far apart no single leader decides what is due at one instant."""
PROPAGATION = timedelta(seconds=5)
"""So long after a pause its job may still be planned. The promise is two seconds; a busy machine that runs tests must not
break it in our name."""
PATIENCE_SECONDS = 60.0
SETTLED_SECONDS = 120.0
LOOK_SECONDS = 5.0
POLL_SECONDS = 0.5
REQUESTS_AT_ONCE = 8
PAUSED = "The job was paused before it ran"

Given = TypeVar("Given")
Made = TypeVar("Made")

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True, slots=True)
class Soaked:
    """A job, its plan, and the time in which it was in force."""

    job: Json
    rhythm: Rhythm
    paused_at: datetime

    @property
    def planned(self) -> list[datetime]:
        """By plain arithmetic."""
        made_at = datetime.fromisoformat(self.job["created_at"])
        return self.rhythm.between(made_at, self.paused_at - timedelta(microseconds=1))


class Schedulers:
    """Two processes, of which the one that leads is killed and replaced."""

    def __init__(self, jetcron: Jetcron, bus: Bus) -> None:
        self.deaths: list[datetime] = []
        self._jetcron = jetcron
        self._bus = bus
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start one more."""
        process = self._jetcron.spawn_on_bus("scheduler", SCHEDULER_ENABLED="true")
        self._running[process.pid] = process

    async def leader(self) -> Instance:
        """Who leads, once somebody does who is alive."""

        async def found() -> Instance | None:
            leader = (await look_at_schedulers(self._bus, LOOK_SECONDS)).leader
            return leader if leader is not None and leader.pid in self._running else None

        leader = await eventually(found, within=PATIENCE_SECONDS)
        assert leader is not None
        return leader

    async def kill_leaders(self, seconds: float) -> None:
        """For so long, one after another."""
        end = time.monotonic() + seconds
        for life, offset in cycle(KILLS):
            await asyncio.sleep(life)
            leader = await self.leader()
            process = self._running.pop(leader.pid)
            # This process has much else to do: only a thread of its own is there in time.
            await asyncio.to_thread(_kill, process, offset)
            self.deaths.append(datetime.now(UTC))
            await asyncio.to_thread(process.wait)
            self.start()
            if time.monotonic() >= end:
                return

    async def stop(self) -> None:
        """Stop those that live."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            assert await asyncio.to_thread(process.wait, PATIENCE_SECONDS) == 0


def _kill(process: "subprocess.Popen[bytes]", offset: float | None) -> None:
    if offset is not None:
        time.sleep(BURST_SECONDS - time.time() % BURST_SECONDS + offset)
    process.kill()


async def test_every_instant_runs_once_whoever_is_killed(jetcron: Jetcron, receiver: Receiver) -> None:
    jetcron.environment |= {"SCHEDULER_LEASE_SECONDS": str(LEASE_SECONDS), "SCHEDULER_ENABLED": "false"}
    await jetcron.start()
    async with connected(jetcron.nats_url) as bus:
        schedulers = Schedulers(jetcron, bus)
        schedulers.start()
        schedulers.start()
        await schedulers.leader()
        jobs = await make_jobs(jetcron, receiver, datetime.now(UTC))
        await schedulers.kill_leaders(SOAK_SECONDS)
        await schedulers.leader()
        soaked = await pause(jetcron, jobs)
        rows = await settled(jetcron, soaked)
        await schedulers.stop()
    extra = check_rows(soaked, rows)
    twice = await check_calls(jetcron, receiver, rows)
    tell(schedulers.deaths, rows, extra, twice, receiver.calls)
    await jetcron.stop()


async def make_jobs(jetcron: Jetcron, receiver: Receiver, now: datetime) -> list[tuple[Json, Rhythm]]:
    """Many of them are due together."""
    anchor = now.replace(second=0, microsecond=0)

    async def make(number: int) -> tuple[Json, Rhythm]:
        seconds = PERIODS[number % len(PERIODS)]
        rhythm = Rhythm(anchor, timedelta(seconds=seconds))
        schedule = {"kind": "interval", "every_seconds": seconds, "anchor": anchor.isoformat()}
        job = await jetcron.create_job(
            f"{receiver.url}/{number}",
            cron_expression=None,
            schedule=schedule,
            misfire_policy="run_all",
            max_instances=MAX_INSTANCES,
        )
        return job, rhythm

    return await some_at_a_time(make, range(JOBS))


async def pause(jetcron: Jetcron, jobs: Collection[tuple[Json, Rhythm]]) -> list[Soaked]:
    """All jobs; the instants before that are those which count."""

    async def pause_one(made: tuple[Json, Rhythm]) -> Soaked:
        job, rhythm = made
        answer = await jetcron.client.post(f"/jobs/{job['id']}/pause")
        assert answer.status_code == 200, answer.text
        return Soaked(job, rhythm, datetime.fromisoformat(answer.json()["job"]["updated_at"]))

    return await some_at_a_time(pause_one, jobs)


async def some_at_a_time(act: Callable[[Given], Awaitable[Made]], things: Iterable[Given]) -> list[Made]:
    """What comes of each, in their order."""
    turns = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def one(thing: Given) -> Made:
        async with turns:
            return await act(thing)

    return await asyncio.gather(*map(one, things))


async def settled(jetcron: Jetcron, soaked: Collection[Soaked]) -> list[Json]:
    """All rows, once none is open and no planned instant is absent; then some more time for what comes twice."""
    rows: list[Json] = []
    absent: list[str] = []

    async def is_settled() -> bool:
        if (await jetcron.get("/executions", status="running", limit=1))["total"]:
            await asyncio.sleep(POLL_SECONDS)
            return False
        rows[:] = await all_pages(jetcron, "/executions", "executions")
        absent[:] = [
            f"{one.job['id']} at {instant.isoformat()}"
            for one, covered in covered_by(soaked, rows)
            for instant in one.planned
            if instant not in covered
        ]
        return not absent

    try:
        await eventually(is_settled, within=SETTLED_SECONDS)
    except AssertionError:
        raise AssertionError(f"not accounted for within {SETTLED_SECONDS:g} s: {absent or 'runs'}") from None
    await asyncio.sleep(PROPAGATION.total_seconds())
    await eventually(is_settled, within=SETTLED_SECONDS)
    return rows


def covered_by(
    soaked: Collection[Soaked], rows: Collection[Json]
) -> Iterator[tuple[Soaked, Counter[datetime]]]:
    """Each job with the instants that its rows stand for."""
    of_job: dict[str, list[Json]] = {one.job["id"]: [] for one in soaked}
    for row in rows:
        of_job[row["job_id"]].append(row)
    for one in soaked:
        yield (
            one,
            Counter(instant for row in of_job[one.job["id"]] for instant in stood_for(row, one.rhythm)),
        )


def check_rows(soaked: Collection[Soaked], rows: Collection[Json]) -> int:
    """Each planned instant is in exactly one row; returns how many more the jobs have just after their pauses."""
    beyond = 0
    for one, covered in covered_by(soaked, rows):
        planned = set(one.planned)
        assert planned <= set(covered), f"lost: {sorted(planned - set(covered))} of {one}"
        assert set(covered.values()) <= {1}, f"doubled: {covered.most_common(3)} of {one}"
        more = set(covered) - planned
        assert all(one.paused_at <= instant < one.paused_at + PROPAGATION for instant in more), one
        beyond += len(more)
    return beyond


async def check_calls(jetcron: Jetcron, receiver: Receiver, rows: Collection[Json]) -> int:
    """Whatever ran was called for its instant, once an attempt; returns how many were called more than once."""
    seen = attempts_seen(receiver.calls)
    state = {row["id"]: row["state"] for row in rows}
    assert set(seen) <= set(state), "called without a row"
    assert {row["state"] for row in rows} <= {"success", "cancelled"}
    assert {row["error_message"] or row["reason"] for row in rows if row["state"] == "cancelled"} <= {PAUSED}
    assert [
        execution for execution, ended in state.items() if ended == "success" and execution not in seen
    ] == []
    instants = {(call.path, call.headers["jetcron-planned-at"]) for call in receiver.calls}
    assert len(instants) == len(seen), "an instant has two executions"
    twice = {row["id"]: row for row in rows if len(seen[row["id"]]) > 1}
    for execution, row in twice.items():
        attempts = (await jetcron.execution({"id": row["job_id"]}, execution))["attempts"]
        assert len(set(seen[execution])) == len(seen[execution]), f"an attempt was called twice: {row}"
        assert set(seen[execution]) <= {attempt["attempt"] for attempt in attempts}, row
    return len(twice)


def tell(
    deaths: Collection[datetime], rows: Collection[Json], beyond: int, twice: int, calls: Iterable[Call]
) -> None:
    """The figures."""
    states = Counter(row["state"] for row in rows)
    decided: dict[str, list[float]] = {}
    for row in rows:
        lateness = _seconds(row["planned_at"], datetime.fromisoformat(row["queued_at"]))
        decided.setdefault(row["planned_at"], []).append(lateness)
    parted = sum(1 for of_instant in decided.values() if max(of_instant) - min(of_instant) > PARTED_SECONDS)
    first_calls: dict[str, float] = {}
    for call in calls:
        first_calls.setdefault(webhook_id(call), _seconds(call.headers["jetcron-planned-at"], call.wall))
    late = sorted(first_calls.values())
    sys.stdout.write(
        f"{len(deaths)} leaders killed within {(max(deaths) - min(deaths)).total_seconds():.0f} s, {parted} seconds decided "
        f"by two of them; {len(rows)} instants of {JOBS} jobs ({beyond} of them just after the pause): {dict(states)}; "
        f"0 lost, 0 doubled, {twice} called again; longest gap until the decision {max(map(max, decided.values())):.2f} s, "
        f"until the call {late[-1]:.2f} s (median {late[len(late) // 2]:.2f} s)\n"
    )


def _seconds(instant: str, until: datetime) -> float:
    return (until - datetime.fromisoformat(instant)).total_seconds()
