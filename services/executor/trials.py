"""Answers trials: calls a target once, without a claim, a report or the fence, and tells whoever asked what came of it."""

import asyncio
from contextlib import suppress

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from services.executor.targets.call import TargetCaller
from services.executor.targets.result import CallResult
from services.executor.work import work_of_trial
from shared.bus.connect import Bus
from shared.domain.job import Target, WebhookTarget
from shared.observability import BUS_FAILURES
from shared.secretbox import SecretBox, UnknownKey
from shared.trial import Trial, TrialResult, open_trial, trial_subject

QUEUE_GROUP = "executors"
UNREADABLE = TrialResult(
    ok=False, type="unknown", error="Unreadable request", message="The executor cannot read this request."
)
UNKNOWN_KEY = TrialResult(
    ok=False, type="unknown", error="Unknown key", message="The executor has another SECRET_KEY."
)
BUSY = TrialResult(
    ok=False, type="unknown", error="Busy", message="The executor has too many trials to do. Try again later."
)

logger = structlog.get_logger()


class Trials:
    """One executor's share of the trials. The client subscribes again by itself when the connection comes back."""

    def __init__(self, bus: Bus, caller: TargetCaller, box: SecretBox, limit: int) -> None:
        self._bus = bus
        self._caller = caller
        self._box = box
        self._limit = limit
        self._subscription: Subscription | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        """Trials that are going on."""

    async def start(self, queue: str) -> None:
        """Take requests from now on; one executor of all gets each."""
        self._subscription = await self._bus.nc.subscribe(
            trial_subject(queue), queue=QUEUE_GROUP, cb=self._on_request
        )

    async def stop(self) -> None:
        """Take no more requests. Those that are going on are left alone."""
        if self._subscription is not None:
            with suppress(*BUS_FAILURES):
                await self._subscription.unsubscribe()

    async def _on_request(self, message: Msg) -> None:
        if len(self.tasks) >= self._limit:
            # Whoever asks does not wait long: a trial that is made later would be made for nobody.
            await _respond(message, BUSY)
            return
        task = asyncio.create_task(self._answer(message))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, message: Msg) -> None:
        try:
            trial = open_trial(self._box, message.data)
        except UnknownKey:
            logger.warning("a trial is sealed with a key that is not known here", action="trial")
            await _respond(message, UNKNOWN_KEY)
            return
        except ValueError:  # its message may quote a token
            logger.warning("unreadable trial", action="trial", subject=message.subject)
            await _respond(message, UNREADABLE)
            return
        await _respond(message, _told(trial, await self._caller.call(work_of_trial(trial), attempt=1)))


async def _respond(message: Msg, result: TrialResult) -> None:
    try:
        await message.respond(result.model_dump_json().encode())
    except BUS_FAILURES as error:
        logger.warning("a trial was not answered", action="trial", error=repr(error))


def _told(trial: Trial, result: CallResult) -> TrialResult:
    succeeded, failed = _sentences(trial.target)
    return TrialResult(
        ok=result.ok,
        type=trial.target.kind,
        status_code=result.response_status,
        error=result.error,
        message=succeeded if result.ok else f"{failed} {result.error}",
        duration_seconds=round(result.duration_seconds, 6),
    )


def _sentences(target: Target) -> tuple[str, str]:
    if isinstance(target, WebhookTarget):
        return "Webhook test run succeeded.", "Webhook test run failed."
    return "GitHub workflow dispatch triggered.", "GitHub workflow dispatch failed."
