"""An executor in this process on a bus as a gateway would have made it, and what a test asks of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from nats.errors import NoRespondersError

from services.executor.app import Executor
from services.executor.settings import ExecutorSettings
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.clock import utc_now
from shared.domain.execution import TERMINAL_PHASES, Kind, Phase
from shared.domain.job import DEFAULT_QUEUE, Job
from shared.events import ExecutionReported, JobCreated, RunFacts, RunTriggered
from shared.overrides import RunOverrides, seal_overrides
from shared.secretbox import SecretBox
from shared.trial import Trial, TrialResult, seal_trial, trial_subject
from tests.fixtures.builders import SOME_TIME, make_facts, make_report
from tests.fixtures.bus import GENERATION, publish_events, read_all, read_events
from tests.fixtures.eventually import eventually
from tests.fixtures.github import TOKEN, GitHub
from tests.fixtures.nats import NatsProcess

SECRET_KEY = "the key that this test seals with, of 32 bytes and more"
BOX = SecretBox(SECRET_KEY)
STREAMS = (subjects.TRIGGERS, subjects.EXECUTIONS, subjects.EVENTS, subjects.JOBS, subjects.INBOX)


class World:
    """What a test starts, orders and looks at."""

    def __init__(self, server: NatsProcess, bus: Bus, github: GitHub) -> None:
        self.server = server
        self.bus = bus
        self.github = github

    @asynccontextmanager
    async def executor(self, **settings: Any) -> AsyncIterator[None]:
        """An executor that has begun to listen; a failure of it fails the test."""
        values = {
            "nats_url": self.server.url,
            "secret_key": SECRET_KEY,
            "webhook_allowed_networks": "127.0.0.1/32",
            "github_api_url": self.github.url,
            "github_token": TOKEN,
            "executor_grace_seconds": 0.2,
        }
        task = asyncio.create_task(Executor(ExecutorSettings.model_validate({**values, **settings})).run())
        try:
            await eventually(self._is_answered)
            yield
        finally:
            task.cancel()
            [ended] = await asyncio.gather(task, return_exceptions=True)
            if isinstance(ended, Exception):
                raise ended

    async def publish(self, job: Job) -> None:
        """The job exists, for orders that wait long enough to be looked up."""
        await publish_events(self.bus, [(subjects.event("job", job.id), JobCreated(job=job))])

    async def order(self, job: Job, overrides: RunOverrides | None = None, **changes: Any) -> RunFacts:
        """Ask for a run of the job as a gateway does."""
        facts = make_facts(job, planned_at=None, kind=Kind.MANUAL, queued_at=utc_now())
        order = RunTriggered.of(job, facts, GENERATION)
        if overrides is not None:
            changes = {"sealed_overrides": seal_overrides(BOX, facts.execution_id, overrides), **changes}
        order = order.model_copy(update=changes)
        await publish_events(self.bus, [(subjects.trigger(job.queue, job.id), order)])
        return facts

    async def plan(
        self, job: Job, minute: int = 0, *, queue: str = DEFAULT_QUEUE, facts: Any = None, **changes: Any
    ) -> RunTriggered:
        """Order the run of a planned instant as a scheduler does; `facts` differ from the usual ones."""
        instant = SOME_TIME + timedelta(minutes=minute)
        own = make_facts(job, planned_at=instant, queued_at=utc_now(), **(facts or {}))
        order = RunTriggered.of(job, own, GENERATION).model_copy(update=changes)
        await self.give(order, queue)
        return order

    async def give(self, order: RunTriggered, queue: str = DEFAULT_QUEUE) -> int:
        """Publish an order (again); returns its place in the stream. Nobody takes those of other queues."""
        [sequence] = await publish_events(self.bus, [(subjects.trigger(queue, order.facts.job_id), order)])
        return sequence

    async def say(self, order: RunTriggered, phase: Phase, **details: Any) -> None:
        """Report on a run as another executor, or a gateway, would have."""
        report = make_report(phase, order.facts, generation=GENERATION, **details)
        subject = subjects.execution(order.facts.job_id, order.facts.execution_id)
        await publish_events(self.bus, [(subject, report)])

    async def are_all_acknowledged(self) -> bool:
        """Whether no trigger will come again."""
        durable = subjects.executor_durable(DEFAULT_QUEUE)
        consumer = await self.bus.js.consumer_info(subjects.TRIGGERS, durable)
        return (consumer.num_ack_pending, consumer.num_pending) == (0, 0)

    async def reports(self, facts: RunFacts) -> list[ExecutionReported]:
        """What was said of an execution so far."""
        subject = subjects.execution(facts.job_id, facts.execution_id)
        found = await read_events(self.bus, subjects.EXECUTIONS, subject)
        return [event for event in found if isinstance(event, ExecutionReported)]

    async def end_of(self, facts: RunFacts) -> ExecutionReported:
        """How the execution ended."""

        async def end() -> ExecutionReported | None:
            ends = [one for one in await self.reports(facts) if one.phase in TERMINAL_PHASES]
            return ends[-1] if ends else None

        report = await eventually(end)
        assert report is not None
        return report

    async def run(self, job: Job, overrides: RunOverrides | None = None, **changes: Any) -> ExecutionReported:
        """Ask for a run and wait for its end, which says of the job what the order said."""
        facts = await self.order(job, overrides, **changes)
        report = await self.end_of(facts)
        assert report.facts == facts
        return report

    async def sealed_overrides_of(self, facts: RunFacts) -> str:
        """As they travelled."""
        subject = subjects.trigger(facts.queue, facts.job_id)
        [order] = await read_events(self.bus, subjects.TRIGGERS, subject)
        assert isinstance(order, RunTriggered)
        assert order.sealed_overrides is not None
        return order.sealed_overrides

    async def everything_stored(self) -> str:
        """All messages of all streams, headers included, as one text."""
        stored = [message for stream in STREAMS for message in await read_all(self.bus, stream)]
        return "\n".join(f"{one.subject} {one.headers} {one.body.decode()}" for one in stored)

    async def try_out(self, trial: Trial) -> TrialResult:
        """Ask for a trial as a gateway does."""
        return await self.ask(seal_trial(BOX, trial))

    async def ask(self, request: bytes) -> TrialResult:
        """Send a request for a trial as it is."""
        answer = await self.bus.nc.request(trial_subject(DEFAULT_QUEUE), request, timeout=20)
        return TrialResult.model_validate_json(answer.data)

    async def _is_answered(self) -> bool:
        try:
            await self.ask(b"")
        except NoRespondersError:
            return False
        return True
