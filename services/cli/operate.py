"""What an operator does beside (or without) a running jetcron; everything goes through the gateway's own code."""

import os
from pathlib import Path

from services.cli.up import UpSettings, service_environment
from services.gateway.commands.users import create_admin
from services.gateway.settings import GatewaySettings
from services.gateway.store import read_models
from services.gateway.store.database import Database
from services.gateway.store.migrate import upgrade


def gateway_settings(data_dir: Path) -> GatewaySettings:
    """The settings that a gateway would run with: what is not configured is what `jetcron up` made in the directory."""
    os.environ.update(service_environment(UpSettings(), data_dir.resolve()))
    return GatewaySettings()


async def make_admin(settings: GatewaySettings, username: str, email: str, password: str) -> str:
    """Create an administrator; returns their id. Raises the domain's errors."""
    user = await create_admin(settings, username=username, email=email, password=password)
    return str(user.id)


async def rebuild(settings: GatewaySettings) -> int:
    """Fold all events into empty read models; returns how many there were."""
    database = Database(settings.database_url.get_secret_value())
    try:
        await upgrade(database)
        return await read_models.rebuild(database)
    finally:
        await database.close()
