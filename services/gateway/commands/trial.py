"""Calling a target once, without a job: an executor is asked over the bus, and the caller waits for what it says."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from services.gateway.domain.target import make_target
from services.gateway.gateway import Gateway
from shared.domain.job import DEFAULT_QUEUE
from shared.errors import Transient
from shared.observability import BUS_FAILURES
from shared.trial import Trial, TrialResult, seal_trial, trial_subject

GRACE = 5.0  # seconds beyond the trial's own timeout: for the way there and back
NOT_TRIED = "unknown"
"""The kind of target in the answer of an executor that could not look at the request, or did not want to."""


class NoExecutor(Transient):
    """Nobody who could make the call is there; as far as can be told, it was not made."""

    title = "Service unavailable"


async def try_target(
    gateway: Gateway,
    fields: Mapping[str, Any],
    *,
    metadata: dict[str, Any],
    github_token: str | None,
    timeout_seconds: float,
) -> TrialResult:
    """Have the target called that flat fields mean (see `make_target`), and return what came of it.

    Raises `InvalidJob` and `NoExecutor`.
    """
    trial = Trial(
        target=make_target(fields, gateway.settings.target_rules),
        metadata=metadata,
        github_token=github_token,
        timeout_seconds=timeout_seconds,
    )
    result = await _ask(gateway, trial)
    if result.type == NOT_TRIED:
        raise NoExecutor(result.message)
    return result


async def _ask(gateway: Gateway, trial: Trial) -> TrialResult:
    # The client would keep the request and send it when the server is back, long after the caller has gone.
    if not gateway.bus.is_connected:
        raise NoExecutor("The bus is out of reach; try again later.")
    try:
        reply = await gateway.bus.nc.request(
            trial_subject(DEFAULT_QUEUE),
            seal_trial(gateway.box, trial),
            timeout=trial.timeout_seconds + GRACE,
        )
        return TrialResult.model_validate_json(reply.data)
    except BUS_FAILURES as error:
        raise NoExecutor("No executor answers; try again later.") from error
    except ValidationError as error:
        raise NoExecutor("An executor's answer cannot be read.") from error
