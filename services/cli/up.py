"""Everything on one machine: a nats-server, SQLite and the four services, under one supervisor."""

import errno
import fcntl
import functools
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import typer
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from services.cli import nats_server
from services.cli.exit_codes import CONFIGURATION_REFUSED
from services.cli.output import Output
from services.cli.secret_file import read_or_create
from services.cli.supervisor import SUPERVISOR, Program, Stage, StartFailed, Supervisor
from shared.settings import CommonSettings, Environment

GATEWAY = "gateway"
SERVICES = (GATEWAY, "scheduler", "executor", "notifier")
# Together with what a killed process takes to vanish, all is over within 20 seconds.
SERVICES_GRACE_SECONDS = 10.0
GATEWAY_GRACE_SECONDS = 5.0
NATS_GRACE_SECONDS = 2.0
NATS_READY_SECONDS = 120.0  # it reads its store before it listens
NATS_PORTS_TRIED = 5
ANYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 # shown, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """What the command line sets; all else comes from the environment."""

    host: str = "127.0.0.1"
    port: int = 5001
    data_dir: Path = field(default_factory=lambda: Path("data"))


class CannotStart(Exception):
    """Nothing was started; the message is for the person at the terminal."""


class UpSettings(BaseSettings):
    """What the environment or `.env` says already, read by the rules of the services; None is "nothing"."""

    model_config = CommonSettings.model_config

    environment: Environment = Environment.DEVELOPMENT
    secret_key: SecretStr | None = None
    jwt_secret_key: SecretStr | None = None
    database_url: SecretStr | None = None
    allow_default_admin: bool = True


async def up(options: UpOptions) -> None:
    """Run until a signal. Raises CannotStart, with a message of one line, when that is not possible."""
    configured = UpSettings()
    data_dir = options.data_dir.resolve()
    first_start = not nats_server.password_file(data_dir).exists()
    with _alone_in(data_dir):
        _require_nats_server()
        _require_free_port(options.host, options.port)
        environment = service_environment(configured, data_dir)
        _check(configured, environment)
        if (leftover := nats_server.stop_leftover(data_dir)) is not None:
            typer.echo(f"Stopped the nats-server (process {leftover}) that an earlier run left behind.")
        typer.echo(_introduction(options, configured, data_dir, first_start=first_start))
        output = Output((SUPERVISOR, "nats", *SERVICES))
        try:
            await _run(options, environment, data_dir, output)
            output.line(SUPERVISOR, "stopped")
        finally:
            output.close()


def database_file(data_dir: Path) -> Path:
    """Where SQLite's database is, if no other one is configured."""
    return data_dir / "jetcron.db"


def service_environment(configured: UpSettings, data_dir: Path) -> dict[str, str]:
    """What the services are given beside their own configuration, secrets made on the first start included."""
    # Only what is not configured: a variable of the process would win over the same name in `.env`.
    environment = {"PYTHONUNBUFFERED": "1"}
    if configured.secret_key is None:
        environment["SECRET_KEY"] = read_or_create(data_dir / "secret.key")
    if configured.jwt_secret_key is None and configured.secret_key is None:
        environment["JWT_SECRET_KEY"] = read_or_create(data_dir / "jwt.key")
    if configured.database_url is None:
        environment["DATABASE_URL"] = f"sqlite+aiosqlite:///{database_file(data_dir)}"
    return environment


async def _run(options: UpOptions, environment: Mapping[str, str], data_dir: Path, output: Output) -> None:
    password = nats_server.password_for(data_dir)
    log = nats_server.log_file(data_dir)
    for _ in range(NATS_PORTS_TRIED):
        port = nats_server.free_port()
        nats = _nats(data_dir, port, password)
        url = {"NATS_URL": nats_server.nats_url(port, password)}
        services = [_service(name, options, {**environment, **url}) for name in SERVICES]
        supervisor = Supervisor(
            [
                Stage(programs=[nats], grace_seconds=NATS_GRACE_SECONDS),
                # The gateway outlives the others, to record what they had to say in the end.
                Stage(
                    programs=[service for service in services if service.name == GATEWAY],
                    grace_seconds=GATEWAY_GRACE_SECONDS,
                ),
                Stage(
                    programs=[service for service in services if service.name != GATEWAY],
                    grace_seconds=SERVICES_GRACE_SECONDS,
                ),
            ],
            output,
        )
        try:
            await supervisor.run()
        except StartFailed as failure:
            if failure.program != nats.name:
                raise CannotStart(f"{failure}: see its message above") from failure
            if failure.exit_code is None:
                raise CannotStart(f"{failure}; see {log}") from failure
            # Somebody may have taken the port in between.
            continue
        return
    raise CannotStart(f"nats-server ended at once, {NATS_PORTS_TRIED} times; see {log}")


def _nats(data_dir: Path, port: int, password: str) -> Program:
    return Program(
        name="nats",
        argv=nats_server.command(nats_server.write_config(data_dir, port, password)),
        ready=functools.partial(
            nats_server.wait_until_ready, port, NATS_READY_SECONDS, nats_server.server_name(data_dir)
        ),
    )


def _service(name: str, options: UpOptions, environment: Mapping[str, str]) -> Program:
    where: Sequence[str] = ("--host", options.host, "--port", str(options.port)) if name == GATEWAY else ()
    return Program(
        name=name,
        argv=(sys.executable, "-m", "services.cli.main", name, *where),
        env=environment,
        refusals=frozenset({CONFIGURATION_REFUSED}),
    )


def _check(configured: UpSettings, environment: Mapping[str, str]) -> None:
    """Raise ValidationError here for what each of the services would refuse on its own."""
    secret = configured.secret_key or SecretStr(environment["SECRET_KEY"])
    CommonSettings(secret_key=secret)


@contextmanager
def _alone_in(data_dir: Path) -> Iterator[None]:
    """Hold the data directory: two runs in one would overwrite each other's bus."""
    path = data_dir / "jetcron.lock"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.open("a+", encoding="ascii")
    except OSError as error:
        raise CannotStart(f"the data directory {data_dir} cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise CannotStart(
                f"another `jetcron up` (process {holder}) runs in the data directory {data_dir}"
            ) from error
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _require_nats_server() -> None:
    try:
        nats_server.binary()
    except nats_server.NatsServerMissing as error:
        raise CannotStart(str(error)) from error


def _require_free_port(host: str, port: int) -> None:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        problems = [error for *kind, _, address in found if (error := _bind_error(kind, address)) is not None]
    except OSError as error:
        raise CannotStart(f"--host {host} cannot be resolved: {error.strerror}") from error
    # A name may stand for more addresses than this machine has (IPv6): one will do, unless somebody is there.
    taken = [error for error in problems if error.errno == errno.EADDRINUSE]
    if taken or len(problems) == len(found):
        reason = (taken or problems)[0].strerror
        raise CannotStart(f"cannot listen on {host}:{port}: {reason}; choose another with --host or --port")


def _bind_error(kind: Sequence[int], address: tuple[object, ...]) -> OSError | None:
    with socket.socket(*kind) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(address)
        except OSError as error:
            return error
    return None


def _introduction(options: UpOptions, configured: UpSettings, data_dir: Path, *, first_start: bool) -> str:
    host = ANYWHERE.get(options.host, f"[{options.host}]" if ":" in options.host else options.host)
    url = f"http://{host}:{options.port}"
    lines = [f"jetcron is starting at {url}"]
    if first_start:
        lines += [
            f"  API documentation  {url}/docs",
            f"  data directory     {data_dir} (database, streams, generated keys: keep them together)",
            f"  nats-server log    {nats_server.log_file(data_dir)}",
            "  services' logs     below, one name per line; Ctrl-C stops everything",
            f"  log in             {_login(configured)}",
        ]
    else:
        lines.append(f"  docs {url}/docs, data {data_dir}, log in: {_login(configured)}")
    return "\n".join(lines)


def _login(configured: UpSettings) -> str:
    if configured.environment is Environment.DEVELOPMENT and configured.allow_default_admin:
        return "admin / admin123 (development only; change it)"
    return "make an account with `jetcron admin create`"
