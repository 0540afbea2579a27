"""`jetcron`: one command per process, and what an operator needs."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from services.cli.exit_codes import CANNOT_START, COMMAND_REFUSED, CONFIGURATION_REFUSED
from shared.errors import JetcronError

app = typer.Typer(
    name="jetcron",
    help="A job scheduler that accounts for every planned instant.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables, secrets included
)

admin = typer.Typer(help="Administrators.", no_args_is_help=True)
app.add_typer(admin, name="admin")

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
DataDir = Annotated[
    Path, typer.Option(help="Where the database, the streams and the generated keys are kept.")
]


@app.command()
def up(host: Host = "127.0.0.1", port: Port = 5001, data_dir: DataDir = Path("data")) -> None:
    """Run everything on this machine: NATS, the database and all services."""
    from services.cli import up as embedded  # the services need none of it

    with _configuration_errors_in_one_line():
        try:
            asyncio.run(embedded.up(embedded.UpOptions(host=host, port=port, data_dir=data_dir)))
        except embedded.CannotStart as error:
            typer.echo(f"jetcron: {error}", err=True)
            raise typer.Exit(CANNOT_START) from None


# Services: each process imports its own service only, by name, so that a broken one does not take the others along.


@app.command()
def gateway(host: Host = "127.0.0.1", port: Port = 5001) -> None:
    """Run the gateway: the HTTP interface and all of SQL."""
    _run("gateway", host=host, port=port)


@app.command()
def scheduler() -> None:
    """Run a scheduler; of several, one leads."""
    _run("scheduler")


@app.command()
def executor() -> None:
    """Run an executor; of several, each takes a share."""
    _run("executor")


@app.command()
def notifier() -> None:
    """Run a notifier; of several, each takes a share."""
    _run("notifier")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("jetcron"))


@app.command()
def rebuild(data_dir: DataDir = Path("data")) -> None:
    """Fold all events into the read models again; safe while jetcron runs."""
    from services.cli import operate

    with _errors_in_one_line():
        operate.must_have_database(data_dir)
        count = asyncio.run(operate.rebuild(operate.gateway_settings(data_dir)))
        typer.echo(f"folded {count} events")


@admin.command("create")
def create_admin(
    username: Annotated[str, typer.Option(prompt=True, help="3 to 80 letters, digits or underscores.")],
    email: Annotated[str, typer.Option(prompt=True, help="Where mail for them goes.")],
    password: Annotated[
        str,
        typer.Option(
            prompt=True,
            hide_input=True,
            confirmation_prompt=True,
            envvar="JETCRON_ADMIN_PASSWORD",
            help="Asked for if not given.",
        ),
    ],
    data_dir: DataDir = Path("data"),
) -> None:
    """Create an administrator."""
    from services.cli import operate

    with _errors_in_one_line():
        user_id = asyncio.run(
            operate.make_admin(operate.gateway_settings(data_dir), username, email, password)
        )
        typer.echo(f"created the administrator {username} ({user_id})")


def _run(service: str, **options: str | int) -> None:
    with _configuration_errors_in_one_line():
        import_module(f"services.{service}.app").run(**options)


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    with _configuration_errors_in_one_line():
        try:
            yield
        except JetcronError as error:
            typer.echo(f"jetcron: {error.message}", err=True)
            raise typer.Exit(COMMAND_REFUSED) from None


@contextmanager
def _configuration_errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        _refuse([str(error)])
    except ValidationError as error:
        if not error.title.endswith("Settings"):  # some other model: a bug, whose traceback is needed
            raise
        _refuse(_described(error))


def _refuse(lines: list[str]) -> None:
    for line in lines:
        typer.echo(f"jetcron: configuration: {line}", err=True)
    raise typer.Exit(CONFIGURATION_REFUSED) from None


def _described(error: ValidationError) -> list[str]:
    # Never the input: it may be a secret.
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in problem["loc"]).upper()
        text = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: {text}" if name else text)
    return lines


if __name__ == "__main__":
    app()
