"""What an operator does beside (or without) a running jetcron; everything goes through the gateway's own code."""

import os
from pathlib import Path

from services.cli.up import UpSettings, database_file, service_environment
from services.gateway.commands.users import create_admin
from services.gateway.settings import GatewaySettings
from services.gateway.store import read_models
from services.gateway.store.database import Database
from services.gateway.store.migrate import upgrade
from shared.errors import JetcronError


class DataDirectoryRefused(JetcronError):
    """The system does not let us keep anything there."""

    def __init__(self, directory: Path, error: OSError) -> None:
        super().__init__(f"the data directory {directory} cannot be written: {error.strerror}")


class NoDatabase(JetcronError):
    """There is nothing to work on."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"there is no database in {directory}; name another directory with --data-dir")


def must_have_database(data_dir: Path) -> None:
    """Raise `NoDatabase` where the database would have to be made first."""
    directory = data_dir.resolve()
    if UpSettings().database_url is None and not database_file(directory).exists():
        raise NoDatabase(directory)


def gateway_settings(data_dir: Path) -> GatewaySettings:
    """The settings that a gateway would run with: what is not configured is what `jetcron up` made in the directory.

    Before its first start that is made here. Raises `DataDirectoryRefused` where it cannot be.
    """
    configured, directory = UpSettings(), data_dir.resolve()
    try:
        if None in (configured.secret_key, configured.jwt_secret_key, configured.database_url):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ.update(service_environment(configured, directory))
    except OSError as error:
        raise DataDirectoryRefused(directory, error) from error
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
