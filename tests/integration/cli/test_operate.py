"""`jetcron admin create` and `jetcron rebuild` as an operator runs them: beside a gateway, or without one."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from services.cli.up import UpSettings, service_environment
from services.gateway.commands.jobs import create_job
from services.gateway.domain.actor import SYSTEM
from services.gateway.store.tables import credentials, events, jobs, users
from tests.fixtures.builders import make_user
from tests.fixtures.database import rows_of
from tests.fixtures.gateway import (
    MovableClock,
    client_of,
    gateway_settings,
    running_app,
)

ROOT = Path(__file__).parents[3]
NAME, PASSWORD = "grace", "correct horse"
CREATE = ("admin", "create", "--username", NAME, "--email", "Grace@Example.com")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command said, and what it ended with."""

    code: int | None
    output: str
    errors: str


async def jetcron(directory: Path, *arguments: str, **environment: str) -> Ended:
    """Run the command in a directory where no developer's `.env` lies."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.cli.main", *arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return Ended(process.returncode, output.decode(), errors.decode())


async def create_admin(directory: Path, *more: str, **environment: str) -> Ended:
    """An administrator, whose password no list of processes shows."""
    return await jetcron(directory, *CREATE, *more, JETCRON_ADMIN_PASSWORD=PASSWORD, **environment)


class TestAdminCreate:
    async def test_the_administrator_can_log_in(self, tmp_path: Path, database_url: str) -> None:
        async with running_app(gateway_settings(database_url), MovableClock()) as app:
            ended = await create_admin(tmp_path, DATABASE_URL=database_url)
            async with client_of(app) as client:
                answer = await client.post("/auth/login", json={"username": NAME, "password": PASSWORD})
        user = answer.json()["user"]
        assert ended == Ended(0, f"created the administrator {NAME} ({user['id']})\n", "")
        assert (user["role"], user["email"], user["is_active"]) == ("admin", "grace@example.com", True)

    async def test_a_second_one_of_the_same_name_is_refused_in_one_line(
        self, tmp_path: Path, bare_database_url: str
    ) -> None:
        url = bare_database_url
        first, second = [await create_admin(tmp_path, DATABASE_URL=url) for _ in range(2)]
        assert (first.code, first.errors) == (0, "")
        assert second == Ended(1, "", f'jetcron: The username "{NAME}" is taken\n')
        async with running_app(gateway_settings(url), MovableClock()) as app:
            database = app.state.gateway.database
            written = [len(await rows_of(database, table)) for table in (users, credentials)]
            changes = [row["type"] for row in await rows_of(database, events)]
        assert (written, changes.count("user.registered")) == ([1, 1], 1)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--username", "not a name"), "username must have 3 to 80 letters, digits or underscores"),
            (("--email", "nowhere"), "'nowhere' is not a valid e-mail address"),
            (("--password", "short"), "password must have 6 to 128 characters"),
        ],
    )
    async def test_what_no_user_may_have_is_refused_in_one_line(
        self, tmp_path: Path, arguments: tuple[str, str], message: str
    ) -> None:
        assert await create_admin(tmp_path, *arguments) == Ended(1, "", f"jetcron: {message}\n")


class TestDataDirectory:
    async def test_in_production_the_keys_that_up_made_will_do(self, tmp_path: Path) -> None:
        data_dir = tmp_path / "data"
        data_dir.mkdir()
        made = service_environment(UpSettings(), data_dir)
        ended = await create_admin(tmp_path, "--data-dir", "data", ENVIRONMENT="production")
        assert (ended.code, ended.errors) == (0, "")
        assert service_environment(UpSettings(), data_dir) == made
        settings = gateway_settings(made["DATABASE_URL"])
        async with running_app(settings, MovableClock()) as app:
            [row] = await rows_of(app.state.gateway.database, users)
        assert (row["username"], row["role"]) == (NAME, "admin")

    async def test_in_production_a_known_key_is_refused(self, tmp_path: Path) -> None:
        ended = await create_admin(tmp_path, ENVIRONMENT="production", SECRET_KEY="changeme")
        assert ended == Ended(
            2,
            "",
            "jetcron: configuration: SECRET_KEY is a known default; set your own before running in production\n",
        )
        assert not (tmp_path / "data" / "jetcron.db").exists()

    async def test_before_the_first_up_it_makes_what_up_will_find(self, tmp_path: Path) -> None:
        data_dir = tmp_path / "data"
        ended = await create_admin(tmp_path, ENVIRONMENT="production")
        assert (ended.code, ended.errors) == (0, "")
        files = {path.name: path.stat().st_mode & 0o777 for path in data_dir.glob("*.key")}
        assert files == {"secret.key": 0o600, "jwt.key": 0o600}
        assert data_dir.stat().st_mode & 0o777 == 0o700
        assert await jetcron(tmp_path, "rebuild") == Ended(0, "folded 1 events\n", "")

    async def test_where_all_is_configured_it_needs_none(self, tmp_path: Path) -> None:
        configured = {
            "SECRET_KEY": "s" * 32,
            "JWT_SECRET_KEY": "j" * 32,
            "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'elsewhere.db'}",
        }
        ended = await create_admin(tmp_path, ENVIRONMENT="production", **configured)
        assert (ended.code, ended.errors) == (0, "")
        assert not (tmp_path / "data").exists()

    async def test_one_that_cannot_be_is_named_in_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "data").touch()
        refusal = f"jetcron: the data directory {tmp_path / 'data'} cannot be written: File exists\n"
        assert await create_admin(tmp_path) == Ended(1, "", refusal)


class TestRebuild:
    async def test_it_repairs_the_read_models_while_a_gateway_runs(
        self, tmp_path: Path, database_url: str
    ) -> None:
        fields: dict[str, Any] = {
            "name": "nightly",
            "schedule": {"expression": "0 2 * * *"},
            "target": {"url": "https://example.com/"},
        }
        async with running_app(gateway_settings(database_url), MovableClock()) as app:
            gateway = app.state.gateway
            for name in ("nightly", "hourly"):
                await create_job(gateway, {**fields, "name": name}, make_user().id, SYSTEM)
            before = await rows_of(gateway.database, jobs)
            count = len(await rows_of(gateway.database, events))
            async with gateway.database.write() as connection:
                await connection.execute(delete(jobs).where(jobs.c.name == "nightly"))
                await connection.execute(update(jobs).values(name="wrong", is_active=False))
            ended = await jetcron(tmp_path, "rebuild", DATABASE_URL=database_url)
            assert ended == Ended(0, f"folded {count} events\n", "")
            assert await rows_of(gateway.database, jobs) == before

    async def test_where_there_is_no_database_it_makes_none(self, tmp_path: Path) -> None:
        refusal = (
            f"jetcron: there is no database in {tmp_path / 'data'}; name another directory with --data-dir\n"
        )
        assert await jetcron(tmp_path, "rebuild") == Ended(1, "", refusal)
        assert not (tmp_path / "data").exists()
