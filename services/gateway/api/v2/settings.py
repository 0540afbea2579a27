"""How messages get to Slack. The webhook's URL is a secret that only administrators see."""

from fastapi import APIRouter

from services.gateway.api.dependencies import ThisGateway
from services.gateway.api.errors import error_responses
from services.gateway.api.permissions import Admin
from services.gateway.api.v2.models.settings import (
    SlackSettingsAnswer,
    SlackSettingsUpdate,
    SlackSettingsUpdatedAnswer,
    SlackSettingsView,
)
from services.gateway.commands.slack import update_slack_settings
from services.gateway.queries.settings import opened, read_slack_settings

router = APIRouter(prefix="/settings", tags=["Settings"])


@router.get("/slack", responses=error_responses(401, 403))
async def get_slack(gateway: ThisGateway, _caller: Admin) -> SlackSettingsAnswer:
    """Whether and where messages go to Slack."""
    settings = await read_slack_settings(gateway)
    return SlackSettingsAnswer(slack_settings=SlackSettingsView.model_validate(settings))


@router.put("/slack", responses=error_responses(400, 401, 403, 409, 413))
async def update_slack(
    gateway: ThisGateway, caller: Admin, body: SlackSettingsUpdate
) -> SlackSettingsUpdatedAnswer:
    """Change whether and where messages go to Slack; what is not given stays as it is."""
    settings = await update_slack_settings(gateway, body.model_dump(exclude_unset=True), caller.actor)
    view = SlackSettingsView.model_validate(opened(gateway.box, settings))
    return SlackSettingsUpdatedAnswer(slack_settings=view)
