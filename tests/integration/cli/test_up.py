"""`jetcron up` without its services: what it checks, makes, starts and leaves behind."""

import asyncio
import socket
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from services.cli import nats_server, up
from services.cli.up import CannotStart, UpOptions, UpSettings, service_environment
from tests.fixtures.eventually import eventually


@pytest.fixture(autouse=True)
def no_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "SERVICES", ())


def options(data_dir: Path) -> UpOptions:
    return UpOptions(port=nats_server.free_port(), data_dir=data_dir)


class TestStart:
    async def test_it_runs_a_server_in_the_data_directory_until_it_is_stopped(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        data_dir = tmp_path / "new" / "data"
        await self.start_and_stop(data_dir)
        assert data_dir.stat().st_mode & 0o777 == 0o700
        told = capfd.readouterr().out
        assert str(data_dir) in told
        assert "/docs" in told
        assert "admin / admin123" in told
        await self.start_and_stop(data_dir)
        assert len(capfd.readouterr().out.splitlines()) < len(told.splitlines())

    async def test_nobody_is_told_the_development_password_in_production(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ENVIRONMENT", "production")
        await self.start_and_stop(tmp_path)
        told = capfd.readouterr().out
        assert "admin123" not in told
        assert "jetcron admin create" in told

    async def test_a_second_one_in_the_same_directory_is_refused(self, tmp_path: Path) -> None:
        running = asyncio.create_task(up.up(options(tmp_path)))
        await self.listening(tmp_path)
        with pytest.raises(CannotStart, match=r"another `jetcron up` \(process \d+\) runs in"):
            await up.up(options(tmp_path))
        await self.stop(running)

    async def start_and_stop(self, data_dir: Path) -> None:
        running = asyncio.create_task(up.up(options(data_dir)))
        await self.listening(data_dir)
        await self.stop(running)

    async def listening(self, data_dir: Path) -> None:
        log = nats_server.log_file(data_dir)
        before = self.starts(log)
        await eventually(lambda: self.starts(log) > before or None)

    def starts(self, log: Path) -> int:
        return log.read_text(encoding="utf-8").count("Server is ready") if log.exists() else 0

    async def stop(self, running: "asyncio.Task[None]") -> None:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


class TestRefusals:
    async def test_a_taken_port_is_named(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with pytest.raises(
                CannotStart, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"
            ):
                await up.up(UpOptions(port=port, data_dir=tmp_path))

    async def test_a_data_directory_that_cannot_be_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(CannotStart, match="cannot be written: Not a directory"):
            await up.up(options(tmp_path / "file" / "data"))

    async def test_a_missing_server_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(CannotStart, match="nats-server was not found"):
            await up.up(options(tmp_path))

    async def test_settings_that_every_service_would_refuse_stop_it_before_anything_starts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SCHEDULER_TIMEZONE", "Mars/Base")
        with pytest.raises(ValidationError, match="IANA"):
            await up.up(options(tmp_path))
        assert not nats_server.log_file(tmp_path).exists()


class TestEnvironment:
    def test_what_is_not_configured_is_made_once(self, tmp_path: Path) -> None:
        made = service_environment(UpSettings(), tmp_path)
        assert made == service_environment(UpSettings(), tmp_path)
        assert made["SECRET_KEY"] == (tmp_path / "secret.key").read_text().strip()
        assert made["JWT_SECRET_KEY"] == (tmp_path / "jwt.key").read_text().strip()
        assert made["SECRET_KEY"] != made["JWT_SECRET_KEY"]
        assert made["DATABASE_URL"] == f"sqlite+aiosqlite:///{tmp_path}/jetcron.db"

    def test_what_is_configured_is_left_alone(self, tmp_path: Path) -> None:
        configured = UpSettings(
            secret_key=SecretStr("a"), jwt_secret_key=SecretStr("b"), database_url=SecretStr("postgresql://c")
        )
        assert not {"SECRET_KEY", "JWT_SECRET_KEY", "DATABASE_URL"} & set(
            service_environment(configured, tmp_path)
        )
        assert list(tmp_path.iterdir()) == []

    def test_one_key_that_is_configured_signs_the_tokens_too(self, tmp_path: Path) -> None:
        made = service_environment(UpSettings(secret_key=SecretStr("a")), tmp_path)
        assert not {"SECRET_KEY", "JWT_SECRET_KEY"} & set(made)
