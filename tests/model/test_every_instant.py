"""Whatever happens in whatever order, every planned instant is in exactly one row.

The steps are hypothesis's choice: people change jobs, time passes, schedulers decide, die between two messages and take over,
clocks jump, changes come late, decisions come twice, executors end runs, and the bus loses its store or gets an old one back.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import NAMESPACE_OID as NAMESPACE
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.gateway import seeding
from services.gateway.gateway import Gateway, make_gateway
from services.gateway.settings import GatewaySettings
from services.gateway.store.database import Database
from services.gateway.store.migrate import upgrade
from services.scheduler.checkpoint import Fenced
from shared.bus import streams, subjects
from shared.bus.lease import LeaseLost
from shared.domain.execution import Phase as RunPhase
from shared.domain.job import MisfirePolicy, OverlapPolicy
from shared.domain.schedule import CronSchedule, IntervalSchedule, OneShotSchedule, Schedule
from tests.fixtures.builders import make_job
from tests.fixtures.bus import MAX_BYTES
from tests.fixtures.nats import NatsProcess
from tests.model.plan import Plan
from tests.model.simulation import BEGINNING, Clock, Crashed, MortalBus, Simulation, Term

EXAMPLES = int(os.environ.get("JETCRON_MODEL_EXAMPLES", "12"))
STEPS = int(os.environ.get("JETCRON_MODEL_STEPS", "40"))
"""For a long run: JETCRON_MODEL_EXAMPLES=2000 JETCRON_MODEL_STEPS=60."""
ROUNDS = 500
"""More than any run may wait for others to end."""
NO_LONGER_LEADING = (Crashed, Fenced, LeaseLost)
RESULTS = (RunPhase.SUCCEEDED, RunPhase.FAILED, RunPhase.LOST)

Result = TypeVar("Result")

pytestmark = pytest.mark.timeout(0)


@dataclass(frozen=True)
class Place:
    """Where examples take place: a server, a loop, an empty database to copy."""

    runner: asyncio.Runner
    nats_url: str
    empty_database: Path

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    common: dict[str, Any] = {
        "timezone": "UTC",
        "jitter_seconds": draw(st.sampled_from((0, 0, 0, 40))),
    }
    after = timedelta(seconds=draw(st.integers(1, 1200)))
    match draw(st.sampled_from(("interval", "interval", "cron", "once"))):
        case "interval":
            every = draw(st.integers(5, 90))
            return IntervalSchedule(every_seconds=every, anchor=BEGINNING - after, **common)
        case "cron":
            return CronSchedule(expression=f"*/{draw(st.integers(1, 4))} * * * *", **common)
        case _:
            return OneShotSchedule(at=BEGINNING + after, **common)


policies = st.fixed_dictionaries(
    {
        "misfire_policy": st.sampled_from(MisfirePolicy),
        "misfire_grace_seconds": st.sampled_from((30, 3600)),
        "overlap_policy": st.sampled_from(OverlapPolicy),
        "max_instances": st.integers(1, 2),
    }
)


class Installation(RuleBasedStateMachine):
    """The steps."""

    place: Place
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.plan = Plan()
        self.clock = Clock()
        self.published: dict[UUID, int] = {}
        self.term: Term | None = None
        self.stale: Term | None = None
        self.run(self._open())

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.place.run(work)

    @initialize()
    def a_scheduler_leads(self) -> None:
        self._take_over(None)

    @rule(target=jobs, schedule=schedules(), policies=policies)
    def create(self, schedule: Schedule, policies: dict[str, Any]) -> UUID:
        now = self.clock.now
        job = make_job(
            id=uuid5(NAMESPACE, str(len(self.plan.jobs))),
            schedule=self._from_now(schedule),
            created_at=now,
            updated_at=now,
            effective_at=now,
            **policies,
        )
        self._wrote(job.id, self.run(self.simulation.create(job)))
        return job.id

    @rule(job_id=jobs, schedule=schedules())
    def reschedule(self, job_id: UUID, schedule: Schedule) -> None:
        self._wrote(job_id, self.run(self.simulation.change(job_id, schedule=self._from_now(schedule))))

    @rule(job_id=jobs, is_active=st.booleans())
    def pause_or_resume(self, job_id: UUID, is_active: bool) -> None:
        self._wrote(job_id, self.run(self.simulation.change(job_id, is_active=is_active)))

    @rule(job_id=consumes(jobs))
    def delete(self, job_id: UUID) -> None:
        self.run(self.simulation.delete(job_id))
        last = self.plan.jobs[job_id][-1]
        since = max(self.clock.now, last.since + timedelta(microseconds=1))
        self.plan.write(job_id, since, None)

    @rule(seconds=st.one_of(st.integers(1, 30), st.integers(30, 1500)), part=st.sampled_from((0, 250, 999)))
    def time_passes(self, seconds: int, part: int) -> None:
        self.clock.now += timedelta(seconds=seconds, milliseconds=part)

    @rule()
    def changes_are_published(self) -> None:
        self.run(self.simulation.relay())
        self.published = {job_id: len(versions) for job_id, versions in self.plan.jobs.items()}

    @rule(follows=st.booleans(), skew=st.sampled_from((0.0, 0.0, 1.5, 3600.0, -1.5, -3600.0)))
    @precondition(lambda self: self.term is not None)
    def tick(self, follows: bool, skew: float) -> None:
        self.clock.skew = timedelta(seconds=skew)
        self._tick(self.term, follows=follows)
        self.clock.skew = timedelta(0)

    @rule(messages=st.integers(0, 12), follows=st.booleans())
    @precondition(lambda self: self.term is not None)
    def die_while_deciding(self, messages: int, follows: bool) -> None:
        self.simulation.let_die_after(messages)
        self._tick(self.term, follows=follows)
        self.term = None

    @rule(messages=st.none() | st.integers(0, 3))
    def another_takes_over(self, messages: int | None) -> None:
        self._take_over(messages)

    @rule(messages=st.none() | st.integers(0, 12))
    @precondition(lambda self: self.stale is not None)
    def the_one_before_wakes_up(self, messages: int | None) -> None:
        # It had looked at its clock before it stood still.
        self.simulation.let_die_after(messages)
        self.clock.skew = self.stale_since - self.clock.now
        self._tick(self.stale, follows=False)
        self.clock.skew = timedelta(0)
        self.stale = None

    @rule(which=st.integers(0, 50), phase=st.sampled_from(RESULTS))
    def a_run_ends(self, which: int, phase: RunPhase) -> None:
        self.run(self.simulation.take_orders())
        if self.simulation.running:
            ended = sorted(self.simulation.running)[which % len(self.simulation.running)]
            self.run(self.simulation.end(ended, phase))

    @rule()
    def all_runs_end(self) -> None:
        self.run(self.simulation.take_orders())
        for execution_id in sorted(self.simulation.running):
            self.run(self.simulation.end(execution_id, RunPhase.SUCCEEDED))

    @rule()
    def the_bus_is_read_into_sql(self) -> None:
        self.run(self.simulation.fold())

    @rule(which=st.integers(0, 200))
    def a_decision_is_stored_twice(self, which: int) -> None:
        self.run(self.simulation.repeat_a_decision(which))

    @rule(stream=st.sampled_from((streams.SCHEDULER_STREAM, subjects.TRIGGERS, subjects.JOBS, "all")))
    def the_bus_loses_its_store(self, stream: str) -> None:
        lost = self.simulation.all_streams() if stream == "all" else [stream]
        for name in lost:
            self.run(self.simulation.lose(name))
        self._start_over()

    @rule(messages=st.integers(1, 20))
    def the_bus_gets_an_old_store_back(self, messages: int) -> None:
        self.run(self.simulation.roll_back_decisions(messages))
        self._start_over()

    def teardown(self) -> None:
        try:
            self._settle()
            self.plan.assert_accounted(self.run(self.simulation.rows()), self.settled_until)
        finally:
            self.run(self._close())

    def _from_now(self, schedule: Schedule) -> Schedule:
        """One that is still to come."""
        if not isinstance(schedule, OneShotSchedule):
            return schedule
        at = self.clock.now.replace(microsecond=0) + (schedule.at - BEGINNING)
        return schedule.model_copy(update={"at": at + timedelta(seconds=1)})

    def _settle(self) -> None:
        """Everybody gets on with it until nothing is left to do."""
        for job_id, versions in self.plan.jobs.items():
            if versions[-1].job is not None:
                self._wrote(job_id, self.run(self.simulation.change(job_id, is_active=False)))
        self.changes_are_published()
        self.clock.now += timedelta(seconds=60)
        self._take_over(None)
        for _ in range(ROUNDS):
            self._tick(self.term, follows=True)
            self.all_runs_end()
            assert self.term is not None, "the last leader does not lead any more"
            if not self.simulation.running and self.term.is_idle:
                break
        self._tick(self.term, follows=True)
        self.run(self.simulation.fold())
        assert self.term is not None
        self.settled_until = self.term.decided_until
        assert self.settled_until >= self.clock.now
        never_end = [row for row in self.run(self.simulation.rows()) if row["is_open"]]
        for row in never_end:
            story = self.run(self.simulation.story(row["job_id"]))
            raise AssertionError(f"{row['status']} for ever: {row['planned_at']} of\n{story}\n{row}")

    def _take_over(self, messages: int | None) -> None:
        self.stale, self.stale_since = self.term, self.clock.now
        self.term = self.run(self.simulation.term())
        self.simulation.let_die_after(messages)
        try:
            self.run(self.term.begin())
            self.plan.heard(self.published, self.clock.now)
        except Crashed:
            self.term = None
        self.simulation.let_die_after(None)

    def _tick(self, term: Term | None, *, follows: bool) -> None:
        assert term is not None
        try:
            self.run(term.tick(follows=follows))
            if follows:
                self.plan.heard(self.published, self.clock.now)
        except NO_LONGER_LEADING:
            if term is self.term:
                self.term = None
        self.simulation.let_die_after(None)

    def _start_over(self) -> None:
        self.term = self.stale = None
        self.run(self.simulation.seed())
        self.published = {job_id: len(versions) for job_id, versions in self.plan.jobs.items()}
        self._take_over(None)
        self.stale = None

    def _wrote(self, job_id: UUID, job: Any) -> None:
        versions = self.plan.jobs.get(job_id, [])
        if not versions or versions[-1].job != job:
            self.plan.write(job_id, job.effective_at, job)

    async def _open(self) -> None:
        database = self.place.empty_database.with_name(f"{uuid4()}.db")
        shutil.copy(self.place.empty_database, database)
        self._database_file = database
        self._bus = MortalBus()
        await self._bus.connect(self.place.nats_url, "schedulers")
        self._gateway = _gateway(database, self.place.nats_url, self.clock)
        await self._gateway.bus.connect(self.place.nats_url, "gateway")
        self.simulation = Simulation(self._gateway, self._bus, self.clock)
        await self.simulation.seed()

    async def _close(self) -> None:
        await self._gateway.close()
        await self._bus.close()
        self._database_file.unlink()


def test_every_planned_instant_is_in_exactly_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeding, "LIFETIME", -0.5)  # nobody else holds the fence
    monkeypatch.setattr(streams, "DUPLICATE_WINDOW", 0.1)  # what comes late is stored again
    with place(tmp_path) as here:
        Installation.place = here
        run_state_machine_as_test(
            Installation,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.explicit, Phase.reuse, Phase.generate],
                derandomize=False,
                print_blob=True,
            ),
        )


@contextmanager
def place(directory: Path) -> Iterator[Place]:
    """A server and an empty database for all examples."""
    data_dir = directory / "nats-server"
    data_dir.mkdir()
    server = NatsProcess(data_dir)
    empty = directory / "empty.db"
    with asyncio.Runner() as runner:
        runner.run(_migrate(empty))
        runner.run(server.start())
        try:
            yield Place(runner, server.url, empty)
        finally:
            runner.run(server.kill())


async def _migrate(path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{path}")
    await upgrade(database)
    await database.close()
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()


def _gateway(database: Path, nats_url: str, clock: Clock) -> Gateway:
    made: Callable[[Any], GatewaySettings] = GatewaySettings.model_validate
    return make_gateway(
        made(
            {
                "database_url": f"sqlite+aiosqlite:///{database}",
                "nats_url": nats_url,
                "bus_max_bytes": MAX_BYTES,
            }
        ),
        clock.true,
    )
