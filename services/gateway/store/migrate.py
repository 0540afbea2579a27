"""Bringing the database's schema up to date, at the start of a gateway; several may start at once."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from services.gateway.store.database import Database

_ADVISORY_LOCK = 0x6A657463  # any number that nobody else uses: "jetc"


async def upgrade(database: Database) -> None:
    """Run the migrations that are missing."""
    async with database.write() as connection:
        if not database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        await connection.run_sync(_upgrade)


def alembic_config() -> Config:
    """Alembic's configuration: the scripts lie beside this module, the connection is handed over."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def _upgrade(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
