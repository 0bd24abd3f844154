"""The command line, thin: each command reads its settings and hands over."""

from importlib.metadata import version
from typing import Annotated

import typer

from service import cli_contract, cli_events, cli_run, cli_watch, readiness

app = typer.Typer(
    name="profile-sync",
    help="RabbitMQ events in, Copernica API calls out, the returned profiles published back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"profile-sync {version('profile-sync')}")
        raise typer.Exit


@app.callback()
def _commands(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="The version.")
    ] = False,
) -> None:
    """RabbitMQ events in, Copernica API calls out, the returned profiles published back."""


app.command()(cli_run.run)
app.command()(cli_events.send)
app.command()(cli_watch.watch)
app.command()(cli_events.render)
app.command()(cli_events.catalogue)
app.command()(cli_contract.contract)


@app.command()
def probe() -> None:
    """Ask the service on this machine whether it is ready: exit code 0, or 1 and why not.

    It reads /readyz at HTTP_HOST and HTTP_PORT; for a container's health check:

    \b
        profile-sync probe
    """
    raise typer.Exit(readiness.main())


def main() -> None:
    """Run the command line."""
    app()
