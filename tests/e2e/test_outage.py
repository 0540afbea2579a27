"""Everything was away for ten minutes: each planned instant of that time is in one row, as its job's policies want it."""

import asyncio
import re
import shutil
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from aiohttp import web

from services.scheduler.misfires import MAX_SINGLE
from shared.domain.execution import OPEN_STATUSES
from shared.domain.spread import slot
from tests.e2e.outage_cases import CASES, REPLACED_BY, Case, Outage
from tests.e2e.past import Past
from tests.fixtures.accounting import all_pages, stood_for, webhook_id
from tests.fixtures.eventually import eventually
from tests.fixtures.jetcron import Jetcron, Json
from tests.fixtures.receiver import Call, Receiver

AWAY = timedelta(minutes=10)
BEFORE = timedelta(seconds=20)
"""How long after the jobs are made they plan their first instant: none may be due before all has stopped."""
CALL_SECONDS = 0.02
SETTLED_SECONDS = 120.0
LOOK_SECONDS = 0.3
UNDECIDED = "planned"
MOMENT = timedelta(microseconds=1)

pytestmark = pytest.mark.timeout(300)


class Calls:
    """What the receiver saw, by job: the planned instants in the order in which they came, and how many at a time."""

    def __init__(self, receiver: Receiver) -> None:
        self.instants: defaultdict[str, list[datetime]] = defaultdict(list)
        self.most_at_once: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        receiver.handler = self._answer

    async def _answer(self, call: Call) -> web.StreamResponse:
        name = call.path.removeprefix("/")
        self.instants[name].append(datetime.fromisoformat(call.headers["jetcron-planned-at"]))
        self._running[name] += 1
        self.most_at_once[name] = max(self.most_at_once[name], self._running[name])
        await asyncio.sleep(CALL_SECONDS)
        self._running[name] -= 1
        return web.Response(text="ok")


async def test_each_instant_of_an_outage_is_accounted_for_as_its_job_wants_it(
    jetcron: Jetcron, receiver: Receiver
) -> None:
    calls = Calls(receiver)
    await jetcron.start()
    first = datetime.now(UTC).replace(microsecond=0) + BEFORE
    jobs = await make_jobs(jetcron, receiver, first)
    until = await leave(jetcron, first)
    start, began = first - AWAY, time.monotonic()
    assert until < start, "the jobs plan something before the outage"
    leaders_before = len(catch_ups(jetcron))
    await jetcron.start()
    horizon = (await eventually(lambda: catch_ups(jetcron)[leaders_before:]))[0]
    entries = await settled(jetcron, jobs, start, horizon)
    sys.stdout.write(
        f"away from {until:%H:%M:%S} to {horizon:%H:%M:%S}: {sum(map(len, entries.values()))} rows, "
        f"{len(receiver.calls)} calls, all accounted for {time.monotonic() - began:.1f} s after the start\n"
    )
    for case in CASES:
        check(case, UUID(jobs[case.name]["id"]), entries[case.name], start, horizon)
        assert calls.most_at_once[case.name] <= case.at_once, case.name
        if case.at_once == 1:
            assert calls.instants[case.name] == sorted(calls.instants[case.name]), case.name
    check_calls(receiver, [entry for of_job in entries.values() for entry in of_job], horizon)
    assert (await jetcron.get("/notifications"))["total"] == 0
    await jetcron.stop()


async def make_jobs(jetcron: Jetcron, receiver: Receiver, start: datetime) -> dict[str, Json]:
    """One for each case; none plans anything before `start`."""

    async def make(case: Case) -> Json:
        url, schedule = f"{receiver.url}/{case.name}", case.schedule(start)
        return await jetcron.create_job(
            url, name=case.name, cron_expression=None, schedule=schedule, **case.fields
        )

    return {case.name: await make(case) for case in CASES}


async def leave(jetcron: Jetcron, first: datetime) -> datetime:
    """Stop all, let ten minutes pass, and lose the bus's store: with it goes what it knew of the time before.

    Returns up to when everything was decided.
    """
    past = Past(jetcron.data_dir / "jetcron.db")
    await eventually(past.covers_all_changes)
    await jetcron.stop()
    assert datetime.now(UTC) < first, "too slow: something was due before all had stopped"
    until = past.move_back(AWAY)
    shutil.rmtree(jetcron.store_dir)
    return until


def catch_ups(jetcron: Jetcron) -> list[datetime]:
    """As of when each leader decided what it found undecided; it says so when it begins."""
    return [datetime.fromisoformat(told) for told in re.findall(r"catchup_until=(\S+)", jetcron.output)]


async def settled(
    jetcron: Jetcron, jobs: dict[str, Json], start: datetime, horizon: datetime
) -> dict[str, list[Json]]:
    """What the ledger says of the outage, by job, oldest first, once nothing of it is undecided or runs."""
    period = {"from": start.isoformat(), "to": (horizon + MOMENT).isoformat()}
    found: dict[str, list[Json]] = {}

    async def is_settled() -> bool:
        for name, job in jobs.items():
            if name in found:
                continue
            entries = await all_pages(jetcron, f"/jobs/{job['id']}/ledger", "entries", **period)
            if any(entry["state"] in {UNDECIDED, *OPEN_STATUSES} for entry in entries):
                await asyncio.sleep(LOOK_SECONDS)
                return False
            found[name] = entries[::-1]
        return True

    await eventually(is_settled, within=SETTLED_SECONDS)
    return found


def check(case: Case, job_id: UUID, entries: Sequence[Json], start: datetime, horizon: datetime) -> None:
    """Every instant is in exactly one entry, which says what the policies say."""
    outage = Outage(case.planned(start, horizon), horizon, slot(job_id, case.jitter_seconds))
    covered = [(instant, entry) for entry in entries for instant in stood_for(entry, case.rhythm(start))]
    assert [instant for instant, _ in covered] == outage.instants, case.name
    execution_of = {instant: entry["execution_id"] for instant, entry in covered}
    verdicts = case.verdicts(outage)
    for instant, entry in covered:
        verdict = verdicts[instant]
        into = execution_of[verdict.into] if verdict.into is not None else None
        assert entry["state"] in verdict.states, f"{case.name}, {verdict}: {entry}"
        if entry["state"] == "cancelled":
            assert entry["reason"].startswith(REPLACED_BY), case.name
        else:
            assert (entry["reason"], entry["into_execution_id"]) == (verdict.reason, into), case.name
        if entry["state"] == "success":
            assert entry["not_before"] == _not_before(outage, instant), case.name
    # The newest late ones have rows of their own; there is one range for all that are older.
    assert len(entries) == min(len(outage.late), MAX_SINGLE + 1) + len(outage.on_time), case.name


def check_calls(receiver: Receiver, entries: Sequence[Json], horizon: datetime) -> None:
    """What ran was called once, and nothing else was called; nor was anything called before its slot."""
    state = {entry["execution_id"]: entry["state"] for entry in entries}
    called = Counter(map(webhook_id, receiver.calls))
    assert set(called.values()) == {1}
    of_outage = {webhook_id(call) for call in receiver.calls if _planned_at(call) <= horizon}
    ran = {execution for execution, ended in state.items() if ended == "success"}
    assert ran <= of_outage
    assert {state[execution] for execution in of_outage} <= {"success", "cancelled"}
    slots = {entry["execution_id"]: entry["not_before"] for entry in entries if entry["not_before"]}
    early = [
        call
        for call in receiver.calls
        if (begin := slots.get(webhook_id(call))) and call.wall < datetime.fromisoformat(begin)
    ]
    assert early == []


def _not_before(outage: Outage, instant: datetime) -> str | None:
    return (instant + outage.slot).isoformat().replace("+00:00", "Z") if outage.slot else None


def _planned_at(call: Call) -> datetime:
    return datetime.fromisoformat(call.headers["jetcron-planned-at"])
