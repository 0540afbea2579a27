"""Trying a target without a job."""

from fastapi import APIRouter

from services.gateway.api.dependencies import ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import Editor
from services.gateway.api.v2.models.test_run import TrialAnswer, TrialRequest
from services.gateway.commands.trial import try_target
from shared.trial import TrialResult

router = APIRouter(prefix="/jobs", tags=["Jobs"])


@router.post(
    "/test-run",
    summary="Test Run",
    responses=error_responses(400, 401, 403, 413),
    response_model_exclude_unset=True,
)
async def try_run(gateway: ThisGateway, _caller: Editor, body: TrialRequest) -> TrialAnswer:
    """Call a target once, now, without a job and without a trace; 200 also when the call goes wrong.

    503 where no executor is there to make it.
    """
    result = await try_target(
        gateway,
        body.target(),
        metadata=body.metadata or {},
        github_token=body.github_token,
        timeout_seconds=body.timeout_seconds,
    )
    return _answer(result)


def _answer(result: TrialResult) -> TrialAnswer:
    error = {"error": result.error} if result.error is not None else {}
    return TrialAnswer(
        ok=result.ok,
        type="webhook" if result.type == "webhook" else "github",
        status_code=result.status_code,
        message=result.message,
        duration_seconds=result.duration_seconds,
        **error,
    )
